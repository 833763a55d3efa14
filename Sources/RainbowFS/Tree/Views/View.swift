import Glibc
import RainbowCore
import Synchronization

/// What a view shows: the space as it is, as it was, or as a transaction sees it.
enum ViewSource: Sendable {
    case present
    case snapshot(NamedSnapshot)
    case transaction(NamedTransaction)

    /// The view's number among those of its mount.
    var viewID: ViewID {
        switch self {
        case .present: .present
        case .snapshot(let snapshot): snapshot.viewID
        case .transaction(let transaction): transaction.viewID
        }
    }

    /// Whether the kernel may keep the name of a permanent node while the view is there.
    ///
    /// A transaction ends, which every path into it has to notice; and it may restart, when the
    /// objects that it had made are gone, and others take their addresses.
    func keepsNames(of node: NodeID) -> Bool {
        guard case .transaction(let transaction) = self else { return true }
        return node.kind != .fixed && !transaction.hasMadeObjects
    }

    var isTransaction: Bool {
        if case .transaction = self { true } else { false }
    }
}

/// The number that node ids have of a view, and how often it was given out before: so the kernel
/// never takes a node of one view for that of another.
struct ViewID: Comparable, Sendable {
    var number: Int
    var generation: UInt64

    static let present = ViewID(number: 0, generation: 0)

    /// The top of the view.
    var root: NodeID { NodeID.root.at(view: number) }

    /// The older one is less.
    static func < (left: ViewID, right: ViewID) -> Bool {
        (left.generation, left.number) < (right.generation, right.number)
    }
}

/// One view of the space: the present, a snapshot, or a transaction, as a tree of files.
///
/// What a call does to the space is one transaction, run again until it commits; in a view of a
/// transaction it is a step of that. The view keeps nothing of the space: a node's id says which
/// address it shows (`NodeID`), so several mounts of one space agree. Only links and files that
/// wait to be renamed and classes that wait for their text live in this process.
final class View: Sendable {
    let space: Space
    let options: TreeOptions
    let source: ViewSource
    let messages: MessageLog
    let events: EventHub
    /// The other views of the mount; the present has them.
    let views: ViewTable?
    let pendingLinks = PendingLinks()
    let pendingFiles = PendingFiles()
    let removedReferences = RemovedReferences()
    let pendingClasses = PendingClasses()
    /// Bytes of the newest text of `metrics`.
    let metricsBytes = Atomic<Int>(0)

    init(
        _ space: Space, _ options: TreeOptions, _ source: ViewSource, _ messages: MessageLog,
        _ events: EventHub, _ views: ViewTable? = nil
    ) {
        self.space = space
        self.options = options
        self.source = source
        self.messages = messages
        self.events = events
        self.views = views
    }
}

extension View {
    /// The node that an id stands for.
    func node(_ id: NodeID) throws(TreeError) -> any Node {
        switch id.kind {
        case .fixed: try fixedNode(id)
        case .region: RegionDirectory(view: self, id: id)
        case .regionStatus: RegionStatusFile(view: self, id: id)
        case .allocator: AllocatorDirectory(view: self, id: id)
        case .allocatorFile: AllocatorFile(view: self, id: id)
        case .rawObject: ObjectFile(view: self, id: id)
        case .classFile: ClassFile(view: self, id: id)
        case .pendingClass: PendingClassFile(view: self, id: id)
        case .object: ObjectDirectory(view: self, id: id)
        case .field: FieldFile(view: self, id: id)
        case .reference: ReferenceLink(view: self, id: id)
        case .referenceArray: ReferenceArrayDirectory(view: self, id: id)
        case .element: ElementLink(view: self, id: id)
        case .classLink: ClassLink(view: self, id: id)
        case .rawLink: RawLink(view: self, id: id)
        case .alias, .systemAlias: AliasLink(view: self, id: id)
        case .name: NameLink(view: self, id: id)
        case .pendingLink: PendingLinkNode(view: self, id: id)
        case .node: NodeFile(view: self, id: id)
        case .pendingFile: PendingFileNode(view: self, id: id)
        case nil: throw View.stale
        }
    }

    private func fixedNode(_ id: NodeID) throws(TreeError) -> any Node {
        switch id.at(view: 0).fixed {
        case .root: try top(id)
        case .regions: RegionsDirectory(view: self)
        case .classes: ClassesDirectory(view: self, part: .user)
        case .objects: ObjectsDirectory(view: self, part: .user)
        case .names: NamesDirectory(view: self)
        case .nodes: NodesDirectory(view: self)
        case .metrics: MetricsFile(view: self)
        case .messages: MessagesFile(view: self)
        case .control: control
        case .transactions: TransactionsDirectory(view: self)
        case .snapshots: SnapshotsDirectory(view: self)
        case .events: EventsFile(view: self)
        case .system: SystemDirectory(view: self)
        case .systemObjects: ObjectsDirectory(view: self, part: .system)
        case .systemClasses: ClassesDirectory(view: self, part: .system)
        case nil: throw View.stale
        }
    }

    /// The top of this view, or as an entry of the present that of another.
    private func top(_ id: NodeID) throws(TreeError) -> any Node {
        var view = self
        if id.viewNumber != 0, let views { view = try views.view(id.viewNumber) }
        return switch view.source {
        case .present: RootDirectory(view: view)
        case .snapshot(let snapshot): SnapshotRoot(view: view, id: id, snapshot: snapshot)
        case .transaction(let transaction):
            TransactionRoot(view: view, id: id, transaction: transaction)
        }
    }

    private var control: any Node {
        guard case .transaction(let transaction) = source else { return ControlFile(view: self) }
        return TransactionControl(view: self, transaction: transaction)
    }

    static var stale: TreeError {
        TreeError(ESTALE, "This file belongs to another mount. Open it again by its path.")
    }

    func directory(_ id: NodeID) throws(TreeError) -> any DirectoryNode {
        guard let directory = try node(id).directory else {
            throw TreeError(ENOTDIR, "This is not a directory.")
        }
        return directory
    }
}
