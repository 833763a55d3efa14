/// Neither the space's limit nor the machine has memory left for another page.
public struct OutOfMemory: Error, Sendable {
    public init() {}
}

/// Gives frames to pages: zero-filled memory of this machine. A page without one reads as zeros.
///
/// Memory is reserved before it is touched, data first, then the line words, then the page of the
/// frame map, and the frame bit last: a process killed between leaves at most memory reserved that
/// the next one reserves again.
struct FrameSource {
    let meta: SharedMemory
    let failpoints: Failpoints

    private var framesUsed: SharedWord { meta[SpaceLayout.framesUsedOffset] }

    /// Gives frames to `pageCount` pages from page `firstPage` of a region, and sets their bits.
    /// A running transaction calls it; several processes may, for the same page, at once.
    /// - Throws: when the space or the machine is full; the pages before the failure may have
    ///   frames then, which harms nothing.
    func provide(
        firstPage: UInt64, pageCount: Int, in region: RegionMapping
    ) throws(OutOfMemory) {
        var page = firstPage
        let end = firstPage + UInt64(pageCount)
        while page < end {
            // One word of the frame map at a time: up to 64 pages.
            let count = min(64 - (page & 63), end - page)
            try provideWithinWord(page, count, in: region)
            page += count
        }
    }

    private func provideWithinWord(
        _ page: UInt64, _ count: UInt64, in region: RegionMapping
    ) throws(OutOfMemory) {
        let bits = LineBytes.bits(count, from: page & 63)
        let mapPage = RegionMapping.mapPage(of: page)
        let frames = region.frameWord(ofPage: page)
        let present = region.hasMapPage(mapPage) ? frames.load() & bits : 0
        if present == bits { return }

        let missing = UInt64((bits & ~present).nonzeroBitCount)
        try charge(missing)
        do throws(SystemError) {
            let size = UInt64(Address.pageSize)
            try SystemCalls.reserve(region.descriptor, offset: page * size, count: count * size)
            try SystemCalls.reserve(
                region.descriptor, offset: SpaceLayout.regionWordsOffset + page * 512,
                count: count * 512)
            try SystemCalls.reserve(
                region.descriptor, offset: SpaceLayout.regionFramesOffset + mapPage * size,
                count: size)
        } catch {
            _ = framesUsed.add(0 &- missing)
            throw OutOfMemory()
        }
        failpoints.hit(.frameReserved)
        let directory = region.directoryByte(ofMapPage: mapPage)
        _ = directory.word.formUnion(1 << directory.shift)
        let before = frames.formUnion(bits)
        // Frames that another process gave meanwhile were counted twice.
        _ = framesUsed.add(0 &- UInt64((before & bits & ~present).nonzeroBitCount))
        populate(page, count, in: region)
    }

    /// Counts frames against the space's limit.
    private func charge(_ count: UInt64) throws(OutOfMemory) {
        let limit = meta[SpaceLayout.framesMaxOffset].load()
        let used = framesUsed.add(count)
        if limit != 0, used > limit {
            _ = framesUsed.add(0 &- count)
            throw OutOfMemory()
        }
    }

    /// Spares the page faults of a batch.
    private func populate(_ page: UInt64, _ count: UInt64, in region: RegionMapping) {
        guard count >= 16 else { return }
        let size = Address.pageSize
        unsafe SystemCalls.populate(
            region.data.base + Int(page) * size, count: Int(count) * size)
        let words = Int(page) * 512 & ~(size - 1)
        let wordsEnd = (Int(page + count) * 512 + size - 1) & ~(size - 1)
        unsafe SystemCalls.populate(region.words.base + words, count: wordsEnd - words)
    }
}
