/// What a transaction at a fixed moment need not have checked when it commits.
///
/// Such a transaction lives for seconds, and the way to an object leads over lines that others
/// change all the time: the object map of a page, the nodes of a table, the lists in the System
/// object. That something is there stays true until it is removed, and whoever removes it writes to
/// its own header. So a search that found something counts as one read of what it found; one that
/// found nothing counts with every line that it looked at, so that nothing can appear unnoticed.
extension Transaction {
    /// Runs a search, and forgets what it read if it found something.
    @inline(__always)
    mutating func forgettingTheWay<R>(
        _ search: (inout Transaction) throws -> R?
    ) rethrows -> R? {
        guard readsFixedMoment else { return try search(&self) }
        let mark = markReads()
        let found = try search(&self)
        if found != nil { forgetReads(since: mark) }
        return found
    }

    /// A reference in the System object that never changes once it is set.
    mutating func fixedLink(_ slot: Int) throws(TransactionError) -> Address {
        let mark = markReads()
        let target = try link(ObjectSystem.root, slot)
        if readsFixedMoment { forgetReads(since: mark) }
        return target
    }
}
