/// Where a record stands in the log of a cluster. An engine gives these numbers as it likes; they
/// only rise.
public struct LogIndex: Hashable, Comparable, Sendable {
    public let rawValue: UInt64

    public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// Before all records.
    public static let start = LogIndex(0)

    public static func < (left: LogIndex, right: LogIndex) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// Why an engine did not do what it was asked.
public enum EngineError: Error, Hashable, Sendable {
    /// No answer came in time: it may have been done, and may still be done later.
    case unreachable
    /// The member's epoch is over, its newest record is another than it thinks, or its turn has
    /// ended.
    case fenced
    /// The records asked for are gone; the newest checkpoint is newer than them.
    case compacted
    /// Another member is about to make a checkpoint.
    case busy
}

/// A member's turn to make a checkpoint, told apart from all others, also its own.
public struct CheckpointTurn: Hashable, Sendable {
    public let rawValue: UInt64

    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// A page as it is stored beside a checkpoint, by lines: also lines that became zero have versions.
public struct StoredPage: Hashable, Sendable {
    public struct Line: Hashable, Sendable {
        /// Which line of the page.
        public var index: UInt8
        /// The position that wrote it last.
        public var version: UInt64
        public var words: SIMD8<UInt64>

        public init(index: UInt8, version: UInt64, words: SIMD8<UInt64>) {
            self.index = index
            self.version = version
            self.words = words
        }
    }

    public var page: UInt64
    /// The lines that were ever written.
    public var lines: [Line]

    public init(page: UInt64, lines: [Line]) {
        self.page = page
        self.lines = lines
    }
}

/// What keeps the one log of a cluster, and the pages and the checkpoint that stand for its
/// beginning.
///
/// Everything may be slow, may fail as `unreachable`, and may then happen later all the same.
/// Each operation may be repeated with the same arguments.
public protocol Engine: AnyObject {
    /// Makes the machine a member in a new epoch. From then on nothing can be appended or stored
    /// in an older epoch of the machine.
    /// - Returns: the member, and the machine's newest record so far.
    func join(_ machine: UInt32) throws(EngineError) -> (member: Member, tail: LogIndex)

    /// Appends a record, if `tail` is the member's newest; does nothing if the record is there.
    /// - Parameter tail: the member's newest record when it sent this record *first*.
    /// - Returns: where the record is.
    func append(
        _ record: [UInt8], number: UInt64, after tail: LogIndex, as member: Member
    ) throws(EngineError) -> LogIndex

    /// Records that follow an index, in order: some of them; none only if there is none.
    func records(
        after index: LogIndex
    ) throws(EngineError) -> [(index: LogIndex, bytes: [UInt8])]

    /// The newest record of the log: at least as new as all that anybody had got when asked.
    func newest() throws(EngineError) -> LogIndex

    /// Stored pages of a range that were stored after an index of the log, or all of it.
    func pages(
        _ range: Range<UInt64>, changedAfter index: LogIndex
    ) throws(EngineError) -> [StoredPage]

    /// Makes the member the only one that makes a checkpoint, until it has finished or its epoch is
    /// over. It reads the newest checkpoint after this, and stores what has changed since.
    func beginCheckpoint(as member: Member) throws(EngineError) -> CheckpointTurn

    /// Stores pages as they are now, not older than the checkpoint is going to be.
    func store(_ pages: [StoredPage], in turn: CheckpointTurn) throws(EngineError)

    /// The newest checkpoint; nil before the first.
    func checkpoint() throws(EngineError) -> [UInt8]?

    /// Ends the turn with a checkpoint whose index is not older than the newest one's: all changes
    /// up to its position are in stored pages. Records up to `index` may be deleted.
    func finish(
        _ checkpoint: [UInt8], trimTo index: LogIndex, in turn: CheckpointTurn
    ) throws(EngineError)

    /// The machines whose epochs are not over.
    func members() throws(EngineError) -> [Member]

    /// Ends the member's epoch.
    func leave(_ member: Member) throws(EngineError)
}
