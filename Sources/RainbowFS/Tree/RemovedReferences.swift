import Synchronization

/// References that a thread has set to null by removing them: to that thread they are gone, until
/// it looks for the name once more. It is asked only where the mount may not see what a thread does
/// (`CallerThread`).
final class RemovedReferences: Sendable {
    private struct Removal {
        var node: NodeID
        var thread: UInt32
    }

    /// The oldest first.
    private let removals = Mutex<[Removal]>([])
    private static let countMax = 64

    func add(_ node: NodeID, by caller: Caller) {
        removals.withLock { removals in
            removals.append(Removal(node: node, thread: caller.pid))
            if removals.count > Self.countMax { removals.removeFirst() }
        }
    }

    /// Whether the caller was the last to remove it.
    func take(_ node: NodeID, by caller: Caller) -> Bool {
        removals.withLock { removals in
            guard let index = removals.lastIndex(where: { $0.node == node }) else { return false }
            return removals.remove(at: index).thread == caller.pid
        }
    }
}
