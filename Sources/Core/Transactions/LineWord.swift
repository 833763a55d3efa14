/// How a line word is read: a version, or the lock of a committing transaction.
///
///     63      62..52   51..0
///      0      version of the commit that last wrote the line
///      1      slot     the slot's sequence number of the commit under way
///
/// Seen as a number every lock is greater than every version, so that one comparison with the
/// snapshot tells a reader that all is well.
@frozen @usableFromInline
enum LineWord {
    @usableFromInline static let lockBit: UInt64 = 1 << 63
    static let sequenceMask: UInt64 = (1 << 52) - 1

    static func lock(slot: Int, sequence: UInt64) -> UInt64 {
        lockBit | UInt64(slot) << 52 | sequence & sequenceMask
    }

    static func isLocked(_ word: UInt64) -> Bool { word & lockBit != 0 }

    static func slot(of lock: UInt64) -> Int { Int(lock >> 52 & 0x7ff) }
}
