import Glibc

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
        (node.view == .reference || node.view == .element) && attributes.isLink
            && attributes.size == LinkText.null.utf8.count
    }
}

/// Who asks: the thread of a process behind a request.
struct Caller: Sendable {
    var uid: UInt32
    var gid: UInt32
    var pid: UInt32
    /// The supplementary groups; nil: to be looked up while the request is there.
    var groups: [UInt32]?

    func isMember(of group: UInt32) -> Bool {
        gid == group || (groups ?? ProcessGroups.of(pid)).contains(group)
    }

    /// The caller with its groups, for what outlives the request: an open file goes by what was
    /// the case when it was opened.
    var kept: Caller {
        guard uid != 0, groups == nil else { return self }
        var caller = self
        caller.groups = ProcessGroups.of(pid)
        return caller
    }

    /// This process itself.
    static var current: Caller {
        Caller(uid: getuid(), gid: getgid(), pid: UInt32(getpid()))
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
