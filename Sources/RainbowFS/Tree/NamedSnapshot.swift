import Glibc
import RainbowCore

/// A snapshot of `snapshots/` as this mount knows it.
final class NamedSnapshot: Sendable {
    let name: String
    let place: MomentPlace
    let snapshot: Snapshot
    let ownership: Ownership
    /// When it was taken, in milliseconds since 1970.
    let began: UInt64
    private let space: Space

    init(
        _ name: String, at place: MomentPlace, _ snapshot: Snapshot, _ info: SnapshotInfo,
        in space: Space
    ) {
        self.name = name
        self.place = place
        self.snapshot = snapshot
        self.space = space
        ownership = Ownership(uid: info.user, gid: info.group, mode: 0o755)
        began = info.milliseconds
    }

    var version: UInt64 { snapshot.version }

    func read<R>(_ body: (inout Transaction) throws -> R) throws -> R {
        do {
            return try space.read(at: snapshot, body)
        } catch TransactionError.stale {
            throw staleError
        }
    }

    var staleError: TreeError {
        let reason =
            snapshot.hasEnded
            ? "is gone."
            : "was given up: the memory for old versions of the space is used up"
                + " (snapshot_memory=). Remove it with rmdir."
        return TreeError(ESTALE, "The snapshot \(TreeError.quoted(name)) \(reason)")
    }
}
