import Glibc
import RainbowCore
import Synchronization

/// Files that were made beside the fields of an object and wait to be renamed over one.
///
/// That is how sed, perl, rsync and many editors replace a file: they write a new one in the same
/// directory and rename it. Such files belong to this mount, are few, small and short-lived; those
/// that were nobody uses give way to new ones.
final class PendingFiles: Sendable {
    private struct Entry {
        var parent: NodeID
        /// nil: it was removed, or became a field, while someone had it open.
        var name: String?
        var file: PendingFile
        var opens = 0
    }

    private struct State {
        /// The oldest first.
        var entries: [Entry] = []
        var parts = PartNumbers()

        func index(_ parent: NodeID, _ name: String) -> Int? {
            entries.firstIndex { $0.parent == parent && $0.name?.isSame(as: name) == true }
        }

        /// What is still open loses only its name.
        mutating func remove(at index: Int) {
            entries[index].name = nil
            if entries[index].opens == 0 { entries.remove(at: index) }
        }
    }

    private let state = Mutex(State())
    static let countMax = 64

    func find(_ parent: NodeID, _ name: String) -> PendingFile? {
        state.withLock { state in state.index(parent, name).map { state.entries[$0].file } }
    }

    func find(_ node: NodeID) -> PendingFile? {
        state.withLock { state in state.entries.first { $0.file.node == node }?.file }
    }

    /// Whether it was neither removed nor became a field.
    func hasName(_ file: PendingFile) -> Bool {
        state.withLock { state in
            state.entries.contains { $0.file === file && $0.name != nil }
        }
    }

    /// Makes an empty file that is open once.
    ///
    /// - Throws: EEXIST if another thread was faster with the same name, ENOSPC if too many are
    ///   open.
    func add(_ parent: NodeID, _ name: String, _ request: OpenRequest)
        throws(TreeError) -> PendingFile
    {
        try state.withLock { (state) throws(TreeError) in
            guard state.index(parent, name) == nil else { throw TreeError.exists(name) }
            if state.entries.count >= PendingFiles.countMax {
                guard let oldest = state.entries.firstIndex(where: { $0.opens == 0 }) else {
                    throw TreeError(
                        ENOSPC,
                        "\(PendingFiles.countMax) new files beside fields are open in this mount,"
                            + " which is as many as it keeps. Close some.")
                }
                state.entries.remove(at: oldest)
            }
            let entries = state.entries
            let part = state.parts.next { part in entries.contains { $0.file.node.part == part } }
            let file = PendingFile(node: NodeID(.pendingFile, part: part), request)
            state.entries.append(Entry(parent: parent, name: name, file: file, opens: 1))
            return file
        }
    }

    /// - Returns: nil if the file is gone; else it stays until `close`.
    func open(_ node: NodeID) -> PendingFile? {
        state.withLock { state in
            guard let index = state.entries.firstIndex(where: { $0.file.node == node }) else {
                return nil
            }
            state.entries[index].opens += 1
            return state.entries[index].file
        }
    }

    func close(_ node: NodeID) {
        state.withLock { state in
            guard let index = state.entries.firstIndex(where: { $0.file.node == node }) else {
                return
            }
            state.entries[index].opens -= 1
            if state.entries[index].name == nil { state.remove(at: index) }
        }
    }

    /// - Returns: whether it was there.
    @discardableResult
    func remove(_ parent: NodeID, _ name: String) -> Bool {
        state.withLock { state in
            guard let index = state.index(parent, name) else { return false }
            state.remove(at: index)
            return true
        }
    }

    /// Takes the name from the file, if it still has it.
    func remove(_ file: PendingFile) {
        state.withLock { state in
            guard let index = state.entries.firstIndex(where: { $0.file === file }) else { return }
            state.remove(at: index)
        }
    }

    /// Gives the file another name in the same directory, in place of the file that has it.
    ///
    /// - Throws: ENOENT if it is gone, EEXIST if `keepsOther` and there is a file of that name.
    func rename(_ file: PendingFile, to newName: String, keepsOther: Bool) throws(TreeError) {
        try state.withLock { (state) throws(TreeError) in
            guard let entry = state.entries.first(where: { $0.file === file && $0.name != nil })
            else { throw PendingFiles.gone }
            if let other = state.index(entry.parent, newName) {
                guard !keepsOther else { throw TreeError.exists(newName) }
                guard state.entries[other].file !== file else { return }
                state.remove(at: other)
            }
            guard let index = state.entries.firstIndex(where: { $0.file === file }) else { return }
            state.entries[index].name = newName
        }
    }

    static let gone = TreeError(
        ESTALE, "This new file was renamed or removed. Open the field instead.")
}
