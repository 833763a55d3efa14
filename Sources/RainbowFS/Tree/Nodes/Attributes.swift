import Glibc
import RainbowCore

/// What stat(2) tells of a node, in plain integers.
struct Attributes: Equatable, Sendable {
    var ino: UInt64
    /// Type and permissions, as in `st_mode`.
    var mode: UInt32
    var nlink: UInt32 = 1
    var uid: UInt32 = 0
    var gid: UInt32 = 0
    /// Bytes.
    var size: UInt64 = 0
    /// The last commit that wrote it: seconds since 1970, and nanoseconds.
    var mtimeSeconds: Int64 = 0
    var mtimeNanoseconds: Int64 = 0
    /// The most that one read(2) or write(2) passes as one transaction; programs take their buffers
    /// from it, so that a `cp` writes a long text in one piece.
    var blockSize: UInt32 = 1 << 20

    /// In units of 512 bytes.
    var blocks: UInt64 { (size + 511) / 512 }

    /// - Parameter milliseconds: since 1970.
    mutating func setTime(milliseconds: UInt64) {
        mtimeSeconds = Int64(milliseconds / 1000)
        mtimeNanoseconds = Int64(milliseconds % 1000 * 1_000_000)
    }

    var isDirectory: Bool { mode & S_IFMT == S_IFDIR }
    var isLink: Bool { mode & S_IFMT == S_IFLNK }
    var isRegularFile: Bool { mode & S_IFMT == S_IFREG }
}

/// A node with what the kernel keeps of it, and for how long.
struct Entry: Equatable, Sendable {
    var node: NodeID
    var attributes: Attributes
    /// For how long the kernel may take the name for this node without asking.
    var entrySeconds: Double
    /// For how long the kernel may take the attributes without asking.
    var attributeSeconds: Double
    /// Tells this node from an earlier one of the same number.
    var generation: UInt64 = 0

    var isNullReference: Bool {
        (node.kind == .reference || node.kind == .element)
            && attributes.size == LinkText.null.utf8.count
    }
}

/// Who asks: the thread that made the request.
struct Caller: Sendable {
    var uid: UInt32
    var gid: UInt32
    /// Its number; 0 if it is in a namespace of processes that this one does not see.
    var thread: UInt32
    /// The supplementary groups; nil: to be looked up while the request is there.
    var groups: [UInt32]?

    func isMember(of group: UInt32) -> Bool {
        gid == group || (groups ?? ProcessGroups.of(thread)).contains(group)
    }

    /// The caller with its groups, for what outlives the request: an open file goes by what was
    /// the case when it was opened.
    var withGroups: Caller {
        guard uid != 0, groups == nil else { return self }
        var caller = self
        caller.groups = ProcessGroups.of(thread)
        return caller
    }
}

/// What statfs(2) tells.
struct FileSystemStatistics: Equatable, Sendable {
    /// Bytes.
    var blockSize: UInt64
    /// The three that follow are in units of `blockSize`.
    var blocks: UInt64
    var free: UInt64
    var available: UInt64
    var files: UInt64
    var filesFree: UInt64
    var nameMax: UInt64
}

/// Lets the kernel keep attributes of objects, and takes them back when a commit touches the memory
/// that they were made from.
///
/// What is kept is noted by line, so it costs no more however many files show an object.
protocol AttributeKeeper: Sendable {
    /// Whether there is nothing to take back.
    var isEmpty: Bool { get }

    /// To be called before the attributes are read: then a commit either comes before the read,
    /// which sees it, or finds the note.
    ///
    /// - Parameters:
    ///   - object: all bytes of an object.
    ///   - allocator: where its owner, group and mode are.
    /// - Returns: whether the attributes may be kept.
    func keep(_ object: Range<Address>, _ allocator: Range<Address>) -> Bool

    /// For how long they may be kept.
    var seconds: Double { get }

    /// A commit of this mount wrote these lines: returns when what is kept of them is
    /// taken back, so that anyone who hears of the commit sees its effect.
    func take(_ pages: [(page: UInt64, lines: UInt64)])
}

extension NodeID {
    /// The nodes whose attributes are made from an object, except for the elements of its arrays.
    static func forEach(of object: Address, _ descriptor: ClassDescriptor, _ body: (NodeID) -> Void)
    {
        guard object.region <= regionMax else { return }
        for kind in [NodeKind.object, .rawObject, .classLink, .rawLink] {
            body(NodeID(kind, address: object))
        }
        for field in descriptor.fields { body(NodeID(field, of: object)) }
    }
}
