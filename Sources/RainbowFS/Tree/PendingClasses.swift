import Glibc
import Synchronization

/// Class files that were created and are still open: they may have no class yet.
final class PendingClasses: Sendable {
    private struct File {
        var name: String
        /// Of the text so far.
        var size = 0
        /// Whether a descriptor was closed before anything was written: then the kernel may be
        /// about to say that it was the last one, and there is a class without fields.
        var isClosing = false
    }

    private struct State {
        var files: [NodeID: File] = [:]
        var serial = 0
    }

    private let state = Mutex(State())
    static let countMax = 4096
    private static let settlingMilliseconds = 100

    /// - Throws: ENFILE if too many are open.
    func add(_ name: String) throws(TreeError) -> NodeID {
        let id: NodeID? = state.withLock { state in
            guard state.files.count < PendingClasses.countMax else { return nil }
            var id: NodeID
            repeat {
                state.serial = (state.serial + 1) % NodeID.partCount
                id = NodeID(.pendingClass, part: state.serial)
            } while state.files[id] != nil
            state.files[id] = File(name: name)
            return id
        }
        guard let id else {
            throw TreeError(ENFILE, "Too many new class files are open at once. Close some.")
        }
        return id
    }

    func find(_ id: NodeID) -> (name: String, size: Int)? {
        state.withLock { state in state.files[id].map { ($0.name, $0.size) } }
    }

    func noteSize(_ size: Int, of id: NodeID) {
        state.withLock { state in
            state.files[id]?.size = size
            state.files[id]?.isClosing = false
        }
    }

    func noteClosing(_ id: NodeID) {
        state.withLock { state in
            if state.files[id]?.size == 0 { state.files[id]?.isClosing = true }
        }
    }

    func remove(_ id: NodeID) {
        state.withLock { _ = $0.files.removeValue(forKey: id) }
    }

    /// Waits a little for classes whose files were closed without a text: `touch` ends before the
    /// kernel tells of its last close, and the next command of a script relies on the class.
    ///
    /// - Parameter name: of the class; nil: all.
    func settle(_ name: String? = nil) {
        for _ in 0..<PendingClasses.settlingMilliseconds {
            guard isClosing(name) else { return }
            usleep(1000)
        }
        // A shell that holds the file open: nobody waits for it again.
        state.withLock { state in
            for id in state.files.keys where name == nil || state.files[id]?.name == name {
                state.files[id]?.isClosing = false
            }
        }
    }

    private func isClosing(_ name: String?) -> Bool {
        state.withLock { state in
            !state.files.isEmpty
                && state.files.values.contains { $0.isClosing && (name == nil || $0.name == name) }
        }
    }
}
