/// What an access or a commit cannot go on without: something that another process has to do.
///
/// It is plain data, so that whoever gets one can hold it for as long as it likes and ask now and
/// then whether the wait is over (`Space.isOver`), without a thread of its own.
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
