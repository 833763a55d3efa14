/// A page and the mask of its lines in the commit ring's extents.
///
/// Positions of extents are handed out once and lap the ring. A writer that was held up for a lap
/// still stores into its places, which are a later commit's by then; so both words carry the lap
/// that they were written in, and a follower takes words of another lap for lost.
///
///     0   page (33 bits), upper 16 bits of the mask, lap (15 bits)
///     8   lower 48 bits of the mask, lap (15 bits)
struct RingExtent {
    private static let lapMask: UInt64 = 0x7fff
    private static let pageMask: UInt64 = 1 << 33 - 1
    private static let lowerMask: UInt64 = 1 << 48 - 1

    private let memory: SharedMemory
    private let lap: UInt64

    init(meta: SharedMemory, position: UInt64) {
        let index = Int(truncatingIfNeeded: position) & (SpaceLayout.ringExtentCount - 1)
        memory = meta.advanced(
            by: SpaceLayout.ringExtentsOffset + index * SpaceLayout.ringExtentSize)
        lap = position / UInt64(SpaceLayout.ringExtentCount) & RingExtent.lapMask
    }

    func store(page: UInt64, lines: UInt64) {
        memory[0].storeRelaxed(page | (lines >> 48) << 33 | lap << 49)
        memory[8].storeRelaxed(lines & RingExtent.lowerMask | lap << 48)
    }

    /// The page and its lines; nil if another lap's writer was here.
    func load() -> (page: UInt64, lines: UInt64)? {
        let first = memory[0].load()
        let second = memory[8].load()
        guard first >> 49 == lap, second >> 48 == lap else { return nil }
        let upper = first >> 33 & 0xffff
        return (first & RingExtent.pageMask, upper << 48 | second & RingExtent.lowerMask)
    }
}
