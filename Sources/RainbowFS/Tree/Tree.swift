import Glibc
import RainbowCore

/// What a mount asks of its tree.
struct TreeOptions: Sendable {
    /// Every change fails with EROFS.
    var isReadOnly = false
    /// Shown as the owner of everything, as with the mount options of the same names.
    var uid: UInt32?
    var gid: UInt32?
    /// Permissions are shown as 777 without these bits.
    var umask: UInt32?
    /// The absolute path of the mount: link targets may begin with it.
    var mountPoint = ""
    /// Of the mount that a transaction or a snapshot is in: link targets may begin with it, too.
    var outerMountPoint: String?
    var transactions = TransactionLimits()
    /// Who lets the kernel keep attributes of objects; nil: nobody.
    var keeper: (any AttributeKeeper)?
}

/// All that a mount shows: a space as a tree of files, without anything of FUSE.
///
/// It has a view of the present, and one of each transaction and each snapshot. A node's number
/// says which of them it belongs to; that one does what a request wants.
final class Tree: Sendable {
    let space: Space
    /// What went wrong and why. The mount adds the sentence after each errno that it gives.
    let messages = MessageLog()
    let events: EventHub
    /// Those of transactions and snapshots.
    let views: ViewTable
    let present: View

    init(space: Space, options: TreeOptions = .init()) {
        self.space = space
        events = EventHub(space)
        views = ViewTable(space, options, messages, events)
        present = View(space, options, .present, messages, events, views)
    }

    /// Runs the body with the view that a node belongs to, and the node's number there; an error
    /// then says what it is about.
    ///
    /// - Parameter name: of the entry of that directory which the request is about.
    @inline(__always)
    func withView<R>(
        of node: NodeID, _ name: String? = nil, _ body: (View, NodeID) throws(TreeError) -> R
    ) throws(TreeError) -> R {
        try TreeError.about(node, name) { () throws(TreeError) in
            let (view, node) = try view(of: node)
            return try body(view, node)
        }
    }

    /// - Throws: ESTALE if there is no such view any more.
    func view(of node: NodeID) throws(TreeError) -> (View, NodeID) {
        guard node.viewNumber != 0 else { return (present, node) }
        return (try views.view(node.viewNumber), node.at(view: 0))
    }

    /// The path of what a request was about, from the top of the mount, as far as it is known.
    func path(of subject: TreeError.Subject) -> String? {
        guard let path = path(of: subject.node) else { return nil }
        guard let name = subject.name else { return path.isEmpty ? "/" : path }
        return path.isEmpty ? name : "\(path)/\(name)"
    }

    private func path(of id: NodeID) -> String? {
        guard let (view, node) = try? view(of: id) else { return nil }
        guard view !== present else { return view.path(of: node) }
        let path = view.path(of: node) ?? ""
        return path.isEmpty ? view.topPath : "\(view.topPath)/\(path)"
    }

    /// The memory of the space against its limit or, if it has none, what the machine has left.
    func statistics() throws(TreeError) -> FileSystemStatistics {
        let usage = space.usage
        let page = UInt64(Address.pageSize)
        let used = usage.bytesUsed / page
        var free = try TreeError.translating { try space.machineBytesFree() } / page
        if usage.bytesMax > 0 {
            let limit = usage.bytesMax / page
            free = min(free, limit > used ? limit - used : 0)
        }
        return FileSystemStatistics(
            blockSize: page, blocks: used + free, free: free, available: free, files: 0,
            filesFree: 0, nameMax: 255)
    }
}
