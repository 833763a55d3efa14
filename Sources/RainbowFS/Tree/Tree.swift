import Glibc
import RainbowCore
import Synchronization

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
    /// Of the mount that this is a moment of: link targets may begin with it, too.
    var outerMountPoint: String?
    var transactions = TransactionLimits()
    /// Who lets the kernel keep attributes of objects; nil: nobody.
    var keeper: (any AttributeKeeper)?
}

/// A space as a tree of files: what a mount shows, without anything of FUSE.
///
/// Every call is one transaction, run again until it commits. The tree keeps nothing of the space:
/// a node's number says which address it shows (`NodeID`), so several mounts of one space agree.
/// Only links and files that wait to be renamed and classes that wait for their text live in this
/// process.
///
/// Permissions are shown, not checked: the mount does that, or the kernel.
final class Tree: Sendable {
    let space: Space
    let options: TreeOptions
    /// What went wrong and why. The mount adds the sentence behind each errno that it gives.
    let messages: MessageLog
    /// When it shows the space.
    let moment: Moment
    /// The other moments of the mount; the present has them.
    let moments: Moments?
    let pendingLinks = PendingLinks()
    let pendingFiles = PendingFiles()
    let removedReferences = RemovedReferences()
    let pendingClasses = PendingClasses()
    let events: EventHub
    /// Bytes of the newest text of `metrics`.
    let metricsBytes = Atomic<Int>(0)

    /// The tree of the present.
    init(space: Space, options: TreeOptions = .init()) {
        self.space = space
        self.options = options
        messages = MessageLog()
        moment = .present
        events = EventHub(space)
        moments = Moments(space, options, messages, events)
    }

    /// The tree of another moment of the same mount.
    init(
        space: Space, options: TreeOptions, moment: Moment, messages: MessageLog, events: EventHub
    ) {
        self.space = space
        self.options = options
        self.messages = messages
        self.moment = moment
        moments = nil
        self.events = events
    }

    func record(_ message: String, for user: UInt32) {
        messages.add(message, for: user)
    }
}

extension Tree {
    /// The kind behind a number.
    func node(_ id: NodeID) throws(TreeError) -> any Node {
        switch id.view {
        case .fixed: try fixedNode(id)
        case .region: RegionDirectory(tree: self, id: id)
        case .regionStatus: RegionStatusFile(tree: self, id: id)
        case .allocator: AllocatorDirectory(tree: self, id: id)
        case .allocatorFile: AllocatorFile(tree: self, id: id)
        case .rawObject: ObjectFile(tree: self, id: id)
        case .classFile: ClassFile(tree: self, id: id)
        case .pendingClass: PendingClassFile(tree: self, id: id)
        case .object: ObjectDirectory(tree: self, id: id)
        case .field, .reference: FieldNode(tree: self, id: id)
        case .element: ElementLink(tree: self, id: id)
        case .classLink: ClassLink(tree: self, id: id)
        case .rawLink: RawLink(tree: self, id: id)
        case .alias, .systemAlias: AliasLink(tree: self, id: id)
        case .name: NameLink(tree: self, id: id)
        case .pendingLink: PendingLinkNode(tree: self, id: id)
        case .node: NodeFile(tree: self, id: id)
        case .pendingFile: PendingFileNode(tree: self, id: id)
        case nil: throw Tree.stale
        }
    }

    private func fixedNode(_ id: NodeID) throws(TreeError) -> any Node {
        switch id.at(moment: 0).fixed {
        case .root: try top(id)
        case .regions: RegionsDirectory(tree: self)
        case .classes: ClassesDirectory(tree: self, part: .user)
        case .objects: ObjectsDirectory(tree: self, part: .user)
        case .names: NamesDirectory(tree: self)
        case .nodes: NodesDirectory(tree: self)
        case .metrics: MetricsFile(tree: self)
        case .messages: MessagesFile(tree: self)
        case .control: control
        case .transactions: TransactionsDirectory(tree: self)
        case .snapshots: SnapshotsDirectory(tree: self)
        case .events: EventsFile(tree: self)
        case .system: SystemDirectory(tree: self)
        case .systemObjects: ObjectsDirectory(tree: self, part: .system)
        case .systemClasses: ClassesDirectory(tree: self, part: .system)
        case nil: throw Tree.stale
        }
    }

    /// The top of this tree, or as an entry of the present that of a moment.
    private func top(_ id: NodeID) throws(TreeError) -> any Node {
        var tree = self
        if id.moment != 0, let moments { tree = try moments.tree(id.moment) }
        return switch tree.moment {
        case .present: RootDirectory(tree: tree)
        case .snapshot(let snapshot): SnapshotRoot(tree: tree, id: id, snapshot: snapshot)
        case .transaction(let transaction):
            TransactionRoot(tree: tree, id: id, transaction: transaction)
        }
    }

    private var control: any Node {
        guard case .transaction(let transaction) = moment else { return ControlFile(tree: self) }
        return TransactionControl(tree: self, transaction: transaction)
    }

    private static var stale: TreeError {
        TreeError(ESTALE, "This file belongs to another mount. Open it again by its path.")
    }

    func directory(_ id: NodeID) throws -> any DirectoryNode {
        let node = try node(id)
        // A field is a directory only if its class says so.
        if let field = node as? FieldNode {
            return try transact { tx in try field.directory(&tx) }
        }
        guard let directory = node as? any DirectoryNode else {
            throw TreeError(ENOTDIR, "This is not a directory.")
        }
        return directory
    }
}

extension Tree {
    /// For how long the kernel keeps names that cannot come to mean anything else.
    static let lastingSeconds = 86_400.0

    /// - Parameter version: of the last commit that wrote what is shown.
    func attributes(
        _ id: NodeID, _ type: UInt32, _ ownership: Ownership, size: UInt64, version: UInt64
    ) -> Attributes {
        let milliseconds = Int64(clamping: milliseconds(ofVersion: version))
        var attributes = shown(type, ownership)
        attributes.ino = inode(id)
        attributes.size = size
        attributes.mtimeSeconds = milliseconds / 1000
        attributes.mtimeNanoseconds = milliseconds % 1000 * 1_000_000
        return attributes
    }

    /// Owner, group and mode as the mount's options say that they are shown.
    func shown(_ type: UInt32, _ ownership: Ownership) -> Attributes {
        var mode = UInt32(ownership.mode) & 0o7777
        if let umask = options.umask, type != S_IFLNK {
            mode = 0o777 & ~umask
        }
        return Attributes(
            ino: 0, mode: type | mode, uid: options.uid ?? ownership.uid,
            gid: options.gid ?? ownership.gid)
    }

    /// Of what the mount makes for a caller: owner and mode are real, whatever the options say.
    ///
    /// - Parameter milliseconds: since 1970.
    func ownAttributes(
        _ id: NodeID, _ type: UInt32, _ ownership: Ownership, size: Int, milliseconds: UInt64
    ) -> Attributes {
        Attributes(
            ino: inode(id), mode: type | UInt32(ownership.mode), uid: ownership.uid,
            gid: ownership.gid, size: UInt64(size), mtimeSeconds: Int64(milliseconds / 1000),
            mtimeNanoseconds: Int64(milliseconds % 1000 * 1_000_000))
    }

    /// The description of a file that the tree itself makes.
    /// - Parameter version: what its time is that of; without it, the newest. 0 is the birth of the
    ///   space: the time of a file for which no commit is the last, so that tar finds it unchanged.
    func ownFile(
        _ id: NodeID, mode: UInt16, size: Int, version: UInt64? = nil, _ tx: inout Transaction
    ) throws -> Description {
        var ownership = try tx.systemInfo().ownership
        ownership.mode = mode
        var attributes = attributes(
            id, S_IFREG, ownership, size: UInt64(size), version: version ?? self.version)
        if options.umask != nil { attributes.mode &= ~0o111 }
        return Description(attributes: attributes, isLasting: true)
    }

    /// The description of a directory that the tree itself makes. Its time is that of the last
    /// commit that made or removed a class, a name, a region or an allocator, or changed an owner:
    /// tar finds it unchanged after reading it, whatever is written to objects meanwhile.
    func ownDirectory(_ id: NodeID, mode: UInt16?, _ tx: inout Transaction) throws -> Description {
        var ownership = try tx.systemInfo().ownership
        ownership.mode = mode ?? ownership.mode
        return try ownDirectory(id, ownership, &tx)
    }

    func ownDirectory(
        _ id: NodeID, _ ownership: Ownership, _ tx: inout Transaction
    ) throws -> Description {
        let attributes = attributes(
            id, S_IFDIR, ownership, size: 0,
            version: try max(
                tx.version(of: ObjectSystem.root, count: Address.lineSize),
                tx.version(of: ObjectSystem.systemAllocator, count: 128)))
        return Description(attributes: attributes, isLasting: true)
    }
}
