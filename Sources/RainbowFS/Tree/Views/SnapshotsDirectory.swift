import Glibc
import RainbowCore

/// A snapshot of `snapshots/` as this mount knows it.
final class NamedSnapshot: Sendable {
    let name: String
    let viewID: ViewID
    let snapshot: Snapshot
    let ownership: Ownership
    /// When it was taken, in milliseconds since 1970.
    let began: UInt64
    private let space: Space

    init(
        _ name: String, at viewID: ViewID, _ snapshot: Snapshot, _ info: SnapshotInfo,
        in space: Space
    ) {
        self.name = name
        self.viewID = viewID
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

/// `snapshots/`: mkdir keeps the present readable, rmdir gives it up. All mounts of the
/// space have the same ones.
struct SnapshotsDirectory: DirectoryNode {
    let view: View
    let id = NodeID.snapshots

    let refusal = "Only snapshots are here: mkdir NAME takes one, rmdir gives it up."

    func describe(_ tx: inout Transaction) throws -> Description {
        try view.ownDirectory(id, mode: 0o1777, &tx)
    }

    func lookup(_ name: String, _ tx: inout Transaction) throws -> NodeID? {
        try view.otherViews().snapshot(name)?.viewID.root
    }

    /// An entry's key comes from its name, which is all that the mounts have in common.
    func list(after key: UInt64, limit: Int, _ tx: inout Transaction) throws -> DirectoryPage {
        let entries = try view.otherViews().snapshots.map { snapshot in
            let hash = snapshot.name.utf8.reduce(14_695_981_039_346_656_037 as UInt64) {
                ($0 ^ UInt64($1)) &* 1_099_511_628_211
            }
            return ListedEntry(
                name: snapshot.name, node: snapshot.viewID.root,
                key: max(hash >> 4, ListingKey.first), type: S_IFDIR)
        }
        return page(entries, after: key, limit: limit)
    }

    func makeDirectory(_ name: String, _ request: OpenRequest) throws -> NodeID {
        try view.transact(for: self, [.write, .search], request.caller) { _ in }
        return try view.otherViews().takeSnapshot(name, request.caller).viewID.root
    }

    func removeDirectory(_ name: String, _ caller: Caller) throws {
        let views = try view.otherViews()
        guard let snapshot = views.snapshot(name) else { throw TreeError.notFound(name) }
        try view.requireRemoval(of: name, from: self, owner: snapshot.ownership, for: caller)
        views.remove(snapshot)
    }
}

/// `snapshots/NAME/`: the space as it was.
struct SnapshotRoot: DirectoryNode {
    let view: View
    let id: NodeID
    let snapshot: NamedSnapshot

    let refusal = "A snapshot stays as it is."

    var outlivesView: Bool { true }

    private static let entries = FixedEntries(.regions, .classes, .objects, .names, .system)

    func describe(_ tx: inout Transaction) throws -> Description {
        Description(
            attributes: view.ownAttributes(
                id, S_IFDIR, snapshot.ownership, size: 0, milliseconds: snapshot.began))
    }

    private func checkReadable() throws(TreeError) {
        guard !snapshot.snapshot.isStale else { throw snapshot.staleError }
    }

    func lookup(_ name: String, _ tx: inout Transaction) throws -> NodeID? {
        try checkReadable()
        return SnapshotRoot.entries.find(name)
    }

    func list(after key: UInt64, limit: Int, _ tx: inout Transaction) throws -> DirectoryPage {
        try checkReadable()
        return page(SnapshotRoot.entries.listed, after: key, limit: limit)
    }

    func extendedAttributes(_ tx: inout Transaction) throws -> [(name: String, value: String)] {
        [("space", view.space.name), ("version", String(snapshot.version))]
    }
}
