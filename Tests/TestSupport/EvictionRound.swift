import RainbowCore

/// Pairs of pages that are always equal, mostly zeros, and that everybody evicts.
///
/// Who sees two pages of a pair differ has seen a page without its content, or another version.
public enum EvictionRound {
    public static let pairCount: UInt64 = 8
    private static let base = Address(region: 1, offset: 0x8000_0000)

    public static var pages: Range<UInt64> { base.page..<base.page + 2 * pairCount }

    private static func cells(_ pair: UInt64) -> (Address, Address) {
        let start = base + Int(2 * pair) * Address.pageSize
        let inPage = Int(pair) * Address.lineSize
        return (start + inPage, start + (Address.pageSize + inPage))
    }

    /// Changes a pair, mostly to zeros, and evicts some of the pages.
    /// - Returns: how many pages lost their frames.
    @discardableResult
    public static func step(
        _ space: Space, _ generator: inout some RandomNumberGenerator, _ fail: (String) -> Void
    ) throws -> Int {
        let pair = UInt64.random(in: 0..<pairCount, using: &generator)
        let value = UInt64.random(in: 0..<10, using: &generator) < 6 ? 0 : UInt64.random(in: 1...9)
        let first = UInt64.random(in: pages, using: &generator)
        let count = UInt64.random(in: 1...4, using: &generator)
        try space.transact { tx throws(TransactionError) in
            let found = try look(&tx, pair)
            if found.0 != found.1 { fail("a pair holds \(found)") }
            try store(&tx, value, in: pair)
        }
        return space.evict(pages: first..<min(first + count, pages.upperBound))
    }

    public static func store(
        _ tx: inout Transaction, _ value: UInt64, in pair: UInt64
    ) throws(TransactionError) {
        let (first, second) = cells(pair)
        try tx.store(value, at: first)
        try tx.store(value, at: second)
    }

    public static func look(
        _ tx: inout Transaction, _ pair: UInt64
    ) throws(TransactionError) -> (UInt64, UInt64) {
        let (first, second) = cells(pair)
        return (try tx.load(first), try tx.load(second))
    }

    /// Looks at all pairs, with all pages' lines.
    public static func check(
        _ tx: inout Transaction, _ fail: (String) -> Void
    ) throws(TransactionError) {
        for pair in 0..<pairCount {
            let found = try look(&tx, pair)
            if found.0 != found.1 { fail("a pair holds \(found)") }
        }
    }
}
