import Glibc
import Synchronization

/// Class files that were created and are still open: they may have no class yet.
final class PendingClasses: Sendable {
    private struct State {
        var names: [NodeID: String] = [:]
        var serial = 0
    }

    private let state = Mutex(State())
    static let countMax = 4096

    /// - Throws: ENFILE if too many are open.
    func add(_ name: String) throws(TreeError) -> NodeID {
        let id: NodeID? = state.withLock { state in
            guard state.names.count < PendingClasses.countMax else { return nil }
            var id: NodeID
            repeat {
                state.serial = (state.serial + 1) % NodeID.partCount
                id = NodeID(.pendingClass, part: state.serial)
            } while state.names[id] != nil
            state.names[id] = name
            return id
        }
        guard let id else {
            throw TreeError(ENFILE, "Too many new class files are open at once. Close some.")
        }
        return id
    }

    func name(_ id: NodeID) -> String? {
        state.withLock { $0.names[id] }
    }

    func remove(_ id: NodeID) {
        state.withLock { _ = $0.names.removeValue(forKey: id) }
    }
}
