/// Why a space could not be made, attached or destroyed. The text says what to do.
public enum SpaceError: Error, Sendable, CustomStringConvertible {
    case badName(String)
    case notFound(String)
    case otherFormat(String, found: UInt64, known: UInt64)
    case damaged(String, String)
    case tooManyNodes(Int)
    case tooManySlots(Int)
    case inUse(String, nodes: Int)
    case nested
    case badSnapshotName(String)
    case snapshotExists(String)
    case tooManySnapshots(Int)
    case detached
    /// The thread may not wait (`Space.setWaitCheck`), and another one is in the way.
    case busy(Wait)
    case system(SystemError)

    public var description: String {
        switch self {
        case .badName(let name):
            "'\(name)' is no name of a space: use 1 to 64 letters, digits, '.', '_' and '-', "
                + "not beginning with '.' or '-'"
        case .notFound(let name): "there is no space '\(name)' (rainbowfs ls shows all)"
        case .otherFormat(let name, let found, let known):
            "the space '\(name)' has format \(found), this program knows format \(known): "
                + "use the rainbowfs that made it, or destroy it"
        case .damaged(let name, let what):
            "the space '\(name)' is damaged: \(what) (rainbowfs destroy removes it)"
        case .tooManyNodes(let limit): "the space has its limit of \(limit) attached processes"
        case .tooManySlots(let limit): "the space has its limit of \(limit) threads"
        case .inUse(let name, let nodes):
            "the space '\(name)' is in use by "
                + (nodes == 1 ? "a process" : "\(nodes) processes") + ": unmount it first"
        case .nested: "a transaction is running on this thread already: pass it on instead"
        case .badSnapshotName(let name):
            "'\(name)' is no name of a snapshot: use 1 to 192 bytes without '/' and control"
                + " characters"
        case .snapshotExists(let name): "there is a snapshot '\(name)' already"
        case .tooManySnapshots(let limit):
            "the space has its limit of \(limit) open snapshots and transactions: end some"
        case .detached: "the space is detached"
        case .busy: "another process is in the way; try again"
        case .system(let error): error.description
        }
    }

    /// The system's number for the error.
    public var errno: Int32 {
        switch self {
        case .badName: 22
        case .notFound: 2
        case .otherFormat, .damaged: 71
        case .tooManyNodes, .tooManySlots: 11
        case .inUse: 16
        case .nested: 35
        case .badSnapshotName: 22
        case .snapshotExists: 17
        case .tooManySnapshots: 11
        case .detached: 9
        case .busy: 16
        case .system(let error): error.errno
        }
    }
}
