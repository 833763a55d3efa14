import Glibc
import RainbowCore
import Synchronization

/// Symbolic links that were made beside a reference and wait to be renamed over it.
///
/// That is how `ln -sfn` replaces a link without a time at which there is none: it makes a link
/// of another name in the same directory and renames it. They belong to this mount, are few and
/// short-lived; those that were nobody uses give way to new ones.
final class PendingLinks: Sendable {
    struct Link: Sendable {
        var parent: NodeID
        var name: String
        var target: Address
        var node: NodeID
    }

    private struct State {
        var links: [Link] = []
        var parts = PartNumbers()
    }

    private let state = Mutex(State())
    static let countMax = 256

    func find(_ parent: NodeID, _ name: String) -> Link? {
        state.withLock { $0.links.first { $0.parent == parent && $0.name.isSame(as: name) } }
    }

    func find(_ node: NodeID) -> Link? {
        state.withLock { $0.links.first { $0.node == node } }
    }

    /// - Throws: EEXIST if another thread was faster with the same name.
    func add(_ parent: NodeID, _ name: String, _ target: Address) throws(TreeError) -> Link {
        let link: Link? = state.withLock { state in
            guard !state.links.contains(where: { $0.parent == parent && $0.name.isSame(as: name) })
            else {
                return nil
            }
            let links = state.links
            let part = state.parts.next { part in links.contains { $0.node.part == part } }
            let link = Link(
                parent: parent, name: name, target: target,
                node: NodeID(.pendingLink, part: part))
            state.links.append(link)
            if state.links.count > PendingLinks.countMax { state.links.removeFirst() }
            return link
        }
        guard let link else { throw TreeError.exists(name) }
        return link
    }

    /// - Returns: whether it was there.
    @discardableResult
    func remove(_ parent: NodeID, _ name: String) -> Bool {
        state.withLock { state in
            let before = state.links.count
            state.links.removeAll { $0.parent == parent && $0.name.isSame(as: name) }
            return state.links.count < before
        }
    }

    /// Whether programs that replace links give a name like this to the new one for a while:
    /// `Cu` and six more characters (coreutils), a leading dot (rsync), or `tmp` in it (libraries).
    static func isTemporary(_ name: String) -> Bool {
        if name.begins(with: ".") || name.utf8.last == UInt8(ascii: "~") { return true }
        if name.begins(with: "Cu"), name.systemByteCount == 8 { return true }
        return name.lowercased().contains("tmp")
    }
}

/// A link that waits to be renamed, as a node.
struct PendingLinkNode: LinkNode {
    let view: View
    let id: NodeID

    func describe(_ tx: inout Transaction) throws -> Description {
        let target = try readLink(&tx)
        return link(
            target, try tx.systemInfo().ownership,
            version: try tx.version(of: SystemArea.root, count: 8))
    }

    func readLink(_ tx: inout Transaction) throws -> String {
        guard let link = view.pendingLinks.find(id) else {
            throw TreeError(ENOENT, "This link was renamed or removed.")
        }
        let depth = link.parent.kind == .referenceArray ? 2 : 1
        return LinkText.toObject(link.target, from: link.parent.address, up: depth)
    }
}

/// References that a thread has set to null by removing them: to that thread they are gone, until
/// it looks for the name once more. It is asked only where the mount may not see what a thread does
/// (`CallerThread`).
final class RemovedReferences: Sendable {
    private struct Removal {
        var node: NodeID
        var thread: UInt32
        var uid: UInt32
    }

    /// The oldest first.
    private let removals = Mutex<[Removal]>([])
    private static let countMax = 64

    func add(_ node: NodeID, by caller: Caller) {
        removals.withLock { removals in
            removals.append(Removal(node: node, thread: caller.thread, uid: caller.uid))
            if removals.count > Self.countMax { removals.removeFirst() }
        }
    }

    /// Whether the caller was the last to remove it.
    func take(_ node: NodeID, by caller: Caller) -> Bool {
        removals.withLock { removals in
            guard let index = removals.lastIndex(where: { $0.node == node }) else { return false }
            let removal = removals.remove(at: index)
            return removal.thread == caller.thread && removal.uid == caller.uid
        }
    }
}
