/// Why a space could not be made, attached or destroyed. The description says it as half a
/// sentence.
public enum SpaceError: Error, Sendable, CustomStringConvertible {
    case badName(String)
    case notFound(String)
    case otherFormat(String, found: UInt64, known: UInt64)
    case damaged(String, String)
    /// The folder or files of a space that this process has.
    case filesGone(String)
    /// A folder or file that lies where one of the space should, at this path.
    case untrusted(String, Distrust)
    case tooManyNodes(Int)
    case tooManySlots(Int)
    case inUse(String, nodes: Int)
    /// Pages of the space are in a source that this process does not have.
    case noPageSource(String)
    case nested
    case badSnapshotName(String)
    case snapshotExists(String)
    case tooManySnapshots(Int)
    case detached
    /// The thread may not wait (`Space.setWaitCheck`), and another one blocks it.
    case busy(Wait)
    case system(SystemError)

    public var description: String {
        switch self {
        case .badName(let name):
            "'\(name)' is no name of a space: use 1 to 64 letters, digits, '.', '_' and '-', "
                + "not beginning with '.' or '-'"
        case .notFound(let name): "there is no space '\(name)'"
        case .otherFormat(let name, let found, let known):
            "the space '\(name)' has format \(found), this program knows format \(known)"
        case .damaged(let name, let what): "the space '\(name)' is damaged: \(what)"
        case .filesGone(let name): "the files of the space '\(name)' are gone"
        case .untrusted(let path, let why): "\(path) \(why)"
        case .tooManyNodes(let limit): "the space has its limit of \(limit) attached processes"
        case .tooManySlots(let limit): "the space has its limit of \(limit) threads"
        case .inUse(let name, let nodes):
            "the space '\(name)' is in use by " + (nodes == 1 ? "a process" : "\(nodes) processes")
        case .noPageSource(let name):
            "pages of the space '\(name)' are not in memory, and this program cannot get them"
        case .nested: "a transaction is running on this thread already: pass it on instead"
        case .badSnapshotName(let name):
            "'\(name)' is no name of a snapshot: use 1 to 192 bytes without '/' and control"
                + " characters"
        case .snapshotExists(let name): "there is a snapshot '\(name)' already"
        case .tooManySnapshots(let limit):
            "the space has its limit of \(limit) open snapshots and transactions: end some"
        case .detached: "the space is detached"
        case .busy: "another process holds what this needs and does not go on; try again"
        case .system(let error): error.description
        }
    }

    /// Does what only the kernel can refuse.
    static func system<R>(_ body: () throws(SystemError) -> R) throws(SpaceError) -> R {
        do throws(SystemError) {
            return try body()
        } catch {
            throw .system(error)
        }
    }
}

/// What an access or a commit cannot go on without: something that another process has to do.
///
/// It is plain data: a caller can keep it and ask now and then whether the wait is over
/// (`Space.isOver`), without a thread of its own.
public struct Wait: Hashable, Sendable {
    private enum Kind: UInt64 {
        case line = 0
        case serial = 1
        case snapshotTable = 2
    }

    /// The address of a line, with the kind in its lower six bits.
    private let rawValue: UInt64

    private init(_ kind: Kind, _ line: UInt64 = 0) {
        rawValue = line & ~63 | kind.rawValue
    }

    /// For the commit that has a line locked.
    static func line(at address: UInt64) -> Wait { Wait(.line, address) }
    /// For the end of a transaction in serial mode.
    static let serial = Wait(.serial)
    /// For who changes the table of snapshots.
    static let snapshotTable = Wait(.snapshotTable)

    /// The line that is locked; nil if something else is waited for.
    public var line: Address? {
        rawValue & 63 == Kind.line.rawValue ? Address(rawValue) : nil
    }

    /// Whether a transaction in serial mode is waited for.
    public var isForSerial: Bool { self == .serial }
}
