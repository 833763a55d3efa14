/// What became of the transactions of a node. Those that only read count in `restarts`,
/// `conflicts` and nothing else.
public struct TransactionCounts: Equatable, Sendable {
    /// Transactions that wrote something and were committed.
    public var commits: UInt64 = 0
    /// Transactions that had written something and were given up: by an error of their body, by
    /// their owner, or because a long-lived one lost.
    public var aborts: UInt64 = 0
    /// Runs that were repeated, because of a conflict or to let one in serial mode pass.
    public var restarts: UInt64 = 0
    /// Runs that lost: another commit had changed a line that they had read.
    public var conflicts: UInt64 = 0
    /// Commits that would have been lost if whole pages were compared, not lines. Estimated from
    /// one in 64.
    public var falseSharingAvoided: UInt64 = 0

    public init() {}

    init(
        commits: UInt64, aborts: UInt64, restarts: UInt64, conflicts: UInt64,
        falseSharingAvoided: UInt64
    ) {
        self.commits = commits
        self.aborts = aborts
        self.restarts = restarts
        self.conflicts = conflicts
        self.falseSharingAvoided = falseSharingAvoided
    }

    static func + (left: TransactionCounts, right: TransactionCounts) -> TransactionCounts {
        TransactionCounts(
            commits: left.commits &+ right.commits, aborts: left.aborts &+ right.aborts,
            restarts: left.restarts &+ right.restarts,
            conflicts: left.conflicts &+ right.conflicts,
            falseSharingAvoided: left.falseSharingAvoided &+ right.falseSharingAvoided)
    }
}
