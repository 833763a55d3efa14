import RainbowCore
import Synchronization

/// The file that each thread opened for writing last.
///
/// An open(2) with O_TRUNC comes as two requests of one thread: the open, without that flag, and a
/// truncation of the node, which names no open file. This finds it. (The kernel could do both in
/// one request, but then takes the file for empty until it asks for the attributes again, and a
/// sendfile(2) of another program in between finds nothing.)
final class FreshOpens: Sendable {
    private struct Fresh {
        var file: OpenFile
        var node: NodeID
    }

    /// Threads that this process cannot see have all the number 0. Whose file another one's
    /// truncation may find has the rights of its opener at least.
    private struct Opener: Hashable {
        var thread: UInt32
        var uid: UInt32
    }

    private struct State {
        var files: [Opener: Fresh] = [:]
        var openers: [ObjectIdentifier: Opener] = [:]
    }

    private let state = Mutex(State())

    func add(_ file: OpenFile, _ node: NodeID, by caller: Caller) {
        let opener = Opener(thread: caller.thread, uid: caller.uid)
        state.withLock { state in
            let fresh = Fresh(file: file, node: node)
            if let old = state.files.updateValue(fresh, forKey: opener) {
                state.openers[ObjectIdentifier(old.file)] = nil
            }
            state.openers[ObjectIdentifier(file)] = opener
        }
    }

    /// The file that this thread opened last, if it is one of the node.
    func file(_ node: NodeID, openedBy caller: Caller) -> OpenFile? {
        let opener = Opener(thread: caller.thread, uid: caller.uid)
        return state.withLock { state in
            guard let fresh = state.files[opener], fresh.node == node else { return nil }
            return fresh.file
        }
    }

    /// The file is closed.
    func forget(_ file: OpenFile) {
        state.withLock { state in
            guard let opener = state.openers.removeValue(forKey: ObjectIdentifier(file)) else {
                return
            }
            state.files[opener] = nil
        }
    }
}

/// The open files whose readers asked where the end is: they are like tail(1), which reads as far
/// as the size says and waits for that to grow.
///
/// The kernel does not say by which open file a program asks for the size, but which process does:
/// it is shown how far its own file has grown. To all others the attributes are true.
final class FollowedFiles: Sendable {
    private struct Entry {
        var file: OpenFile
        var node: NodeID
        var process: UInt32
        var uid: UInt32
    }

    private let entries = Mutex<[Entry]>([])
    private let count = Atomic<Int>(0)

    /// The reader of `file` seeks to its end.
    ///
    /// - Returns: where that is; nil: where the attributes say.
    func seekEnd(of file: OpenFile, _ node: NodeID, by caller: Caller) -> UInt64? {
        guard let end = file.seekEnd() else { return nil }
        let entry = Entry(file: file, node: node, process: caller.process, uid: caller.uid)
        entries.withLock { entries in
            entries.removeAll { $0.file === file }
            entries.append(entry)
            count.store(entries.count, ordering: .relaxed)
        }
        return end
    }

    /// The size that this process is to see; nil if it follows no such file.
    func size(of node: NodeID, for caller: Caller) -> UInt64? {
        guard count.load(ordering: .relaxed) > 0 else { return nil }
        let process = caller.process
        let files = entries.withLock { entries in
            entries.filter { $0.node == node && $0.process == process && $0.uid == caller.uid }
                .map(\.file)
        }
        return files.compactMap(\.followedSize).max()
    }

    /// The file is closed.
    func forget(_ file: OpenFile) {
        guard count.load(ordering: .relaxed) > 0 else { return }
        entries.withLock { entries in
            entries.removeAll { $0.file === file }
            count.store(entries.count, ordering: .relaxed)
        }
    }
}
