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

    private struct State {
        var byThread: [UInt32: Fresh] = [:]
        var threads: [ObjectIdentifier: UInt32] = [:]
    }

    private let state = Mutex(State())

    func add(_ file: OpenFile, _ node: NodeID, thread: UInt32) {
        state.withLock { state in
            let fresh = Fresh(file: file, node: node)
            if let old = state.byThread.updateValue(fresh, forKey: thread) {
                state.threads[ObjectIdentifier(old.file)] = nil
            }
            state.threads[ObjectIdentifier(file)] = thread
        }
    }

    /// The file that this thread opened last, if it is one of the node.
    func file(_ node: NodeID, thread: UInt32) -> OpenFile? {
        state.withLock { state in
            guard let fresh = state.byThread[thread], fresh.node == node else { return nil }
            return fresh.file
        }
    }

    /// The file is closed.
    func forget(_ file: OpenFile) {
        state.withLock { state in
            guard let thread = state.threads.removeValue(forKey: ObjectIdentifier(file)) else {
                return
            }
            state.byThread[thread] = nil
        }
    }
}
