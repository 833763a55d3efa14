import Synchronization

/// Where the content of pages without a frame comes from, and where that of evicted ones goes.
///
/// A source serves all processes that have the space attached; each has its own value of it, and
/// all of these must agree. Without a source such a page is zeros.
package protocol PageSource: Sendable {
    /// Brings what a page and its line words held when it was last kept; may take its time. No line
    /// of the caller is locked.
    /// - Returns: false if it was never kept: then it is zeros.
    func fetch(_ page: Address, into content: PageContent) throws(SystemError) -> Bool

    /// Says that the space is attached, from where on it evicts what it wants to.
    func attached(to space: any PageEvictor)

    /// Says that the space is about to be detached: it evicts nothing from its return on.
    func detaching()

    /// Keeps the content of a page that is about to lose its frame. Nobody writes it meanwhile.
    /// - Returns: false if the page must stay.
    func keep(_ page: Address, _ content: PageContent) throws(SystemError) -> Bool
}

/// A space, as its page source sees it.
package protocol PageEvictor: AnyObject, Sendable {
    /// The pages of a region that have frames, as numbers in the whole space.
    func residentPages(ofRegion region: Int) -> [UInt64]

    /// Takes the frames from those of some neighbouring pages that can lose them.
    /// - Parameters:
    ///   - pages: page numbers in the whole space, of one region.
    ///   - milliseconds: how long to wait at most for running transactions.
    /// - Returns: how many pages lost their frames.
    @discardableResult
    func evict(pages: Range<UInt64>, milliseconds: Int) -> Int
}

/// The source of a space that has an identity.
package typealias PageSourceMaker = @Sendable (_ identity: (UInt64, UInt64)) -> any PageSource

/// The memory of a page and of its line words, while nobody else writes it.
@safe
package struct PageContent {
    package static let wordsSize = Address.pageSize / Address.lineSize * 8

    /// 4,096 bytes.
    package let bytes: UnsafeMutableRawBufferPointer
    /// 512 bytes.
    package let words: UnsafeMutableRawBufferPointer

    init(_ bytes: UnsafeMutableRawPointer, words: UnsafeMutableRawPointer) {
        unsafe self.bytes = .init(start: bytes, count: Address.pageSize)
        unsafe self.words = .init(start: words, count: PageContent.wordsSize)
    }

    init(_ page: Address, in region: RegionMapping) {
        let offset = Int(page.offset)
        unsafe self.init(region.data.base + offset, words: region.words.base + offset / 8)
    }

    func copy(to other: PageContent) {
        unsafe other.bytes.copyMemory(from: UnsafeRawBufferPointer(bytes))
        unsafe other.words.copyMemory(from: UnsafeRawBufferPointer(words))
    }
}

/// Why a page cannot be had now.
enum PageFailure: Error {
    /// Neither the space's limit nor the machine has memory left for another page.
    case outOfMemory
    /// Another process is about to take its frame, or to bring it.
    case busy
    /// The source failed.
    case unavailable(SystemError)
}

/// The pages of a space: each is *resident*, that is, it has a frame; or *zero*; or *elsewhere*:
/// its source has it. Who finds no frame bit asks here; nothing else decides what that means.
///
/// Memory is reserved before it is touched, data first, then the line words, then the page of the
/// frame map, and the frame bit last: a process killed between leaves at most memory reserved that
/// the next one reserves again. Frame bits are cleared only by evictions (`Eviction`).
///
/// All functions but `finish` are for a thread that is in a run (`Slot.reading`).
final class Pages: Sendable {
    let meta: SharedMemory
    private let descriptor: Int32
    private let failpoints: Failpoints
    let source: (any PageSource)?
    private let mutex = Mutex<Void>(())

    /// - Parameter descriptor: of `meta`.
    init(
        meta: SharedMemory, descriptor: Int32, source: (any PageSource)?, _ failpoints: Failpoints
    ) {
        self.meta = meta
        self.descriptor = descriptor
        self.source = source
        self.failpoints = failpoints
    }

    var framesUsed: SharedWord { meta[SpaceLayout.framesUsedOffset] }
    /// The eviction under way (`Eviction`), or 0.
    var eviction: SharedWord { meta[SpaceLayout.evictionOffset] }

    /// Whether a page has a frame, which it then keeps until the end of the caller's run.
    /// - Parameter page: any address in it.
    func isResident(_ page: Address, in region: RegionMapping) -> Bool {
        while !region.isPresent(page.offset) {
            let found = Eviction(eviction.load())
            // Before it clears the bit an eviction says so, and until after it has set it again.
            guard found.contains(page) else { return region.isPresent(page.offset) }
            guard cancel(found, in: region) else { return false }
        }
        return true
    }

    /// Gives an eviction's pages their frame bits back, unless it has gone too far.
    private func cancel(_ found: Eviction, in region: RegionMapping) -> Bool {
        switch found.phase {
        case .leaving:
            _ = eviction.compareExchange(found.word, found.in(.restoring).word)
        case .restoring:
            restore(found, in: region)
            return region.isPresent(Address(page: found.first).offset)
        case .punching, .none:
            return found.phase == .none
        }
        return true
    }

    /// Sets an eviction's frame bits again. The pages have memory; it is reserved all the same,
    /// since the word stands in shared memory, where something else may write.
    private func restore(_ found: Eviction, in region: RegionMapping) {
        guard region.hasMapPage(RegionMapping.mapPage(of: found.firstInRegion)) else { return }
        try? region.reserve(found.firstInRegion, found.count)
        // Counted first: who is killed leaves a count that is too high.
        _ = framesUsed.add(found.count)
        let before = region.frameWord(ofPage: found.firstInRegion).formUnion(found.bits)
        _ = framesUsed.add(0 &- UInt64((before & found.bits).nonzeroBitCount))
    }

    /// Clears an eviction's frame bits.
    /// - Returns: whether all were set.
    func clear(_ found: Eviction, in region: RegionMapping) -> Bool {
        let before =
            region.frameWord(ofPage: found.firstInRegion).formIntersection(~found.bits)
            & found.bits
        _ = framesUsed.add(0 &- UInt64(before.nonzeroBitCount))
        return before == found.bits
    }

    /// Brings a page that is elsewhere.
    /// - Parameter address: any in it.
    /// - Returns: whether it is resident now; false: it is zero.
    func fetch(_ address: Address, in region: RegionMapping) throws(PageFailure) -> Bool {
        let page = Address(page: address.page)
        if isResident(page, in: region) { return true }
        guard let source else { return false }
        var outcome: Result<Bool, PageFailure> = .failure(.busy)
        try withLock { () throws(PageFailure) in
            finish(in: region)
            if region.isPresent(page.offset) {
                outcome = .success(true)
            } else {
                outcome = .success(try install(page, from: source, in: region))
            }
        }
        return try outcome.get()
    }

    private func install(
        _ page: Address, from source: any PageSource, in region: RegionMapping
    ) throws(PageFailure) -> Bool {
        let size = Address.pageSize + PageContent.wordsSize
        let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
        defer { unsafe memory.deallocate() }
        let content = unsafe PageContent(memory, words: memory + Address.pageSize)
        do throws(SystemError) {
            guard try source.fetch(page, into: content) else { return false }
        } catch {
            throw .unavailable(error)
        }
        let number = page.offset >> Address.pageShift
        try reserve(number, 1, in: region)
        _ = framesUsed.add(1)
        content.copy(to: PageContent(page, in: region))
        setBits(1 << (number & 63), ofPage: number, in: region)
        return true
    }

    /// Gives frames to `pageCount` pages from page `firstPage` of a region, and sets their bits;
    /// those that are elsewhere are brought. Several processes may do so for the same page at once.
    /// - Throws: when the space or the machine is full; the pages before the failure may have
    ///   frames then, which harms nothing.
    func provide(
        _ first: Address, pageCount: Int, in region: RegionMapping
    ) throws(PageFailure) {
        var page = first.offset >> Address.pageShift
        let end = page + UInt64(pageCount)
        while page < end {
            // One word of the frame map at a time: up to 64 pages.
            let count = min(64 - (page & 63), end - page)
            let start = Address(region: region.number, offset: page << Address.pageShift)
            try settleEviction(start, count, in: region)
            if source != nil {
                for index in 0..<Int(count) {
                    _ = try fetch(start + index * Address.pageSize, in: region)
                }
            }
            try provideWithinWord(page, count, in: region)
            page += count
        }
    }

    /// Ends what an eviction is doing with some pages of a word of the frame map.
    private func settleEviction(
        _ first: Address, _ count: UInt64, in region: RegionMapping
    ) throws(PageFailure) {
        while true {
            let found = Eviction(eviction.load())
            guard found.overlaps(first, count) else { return }
            if cancel(found, in: region) {
                if found.phase == .restoring { return }
            } else {
                // Soon over, unless its process was killed or stopped just here.
                try withLock { () throws(PageFailure) in finish(in: region) }
                if eviction.load() == found.word { throw .busy }
            }
        }
    }

    private func provideWithinWord(
        _ page: UInt64, _ count: UInt64, in region: RegionMapping
    ) throws(PageFailure) {
        let bits = LineBytes.bits(count, from: page & 63)
        let hasMapPage = region.hasMapPage(RegionMapping.mapPage(of: page))
        let present = hasMapPage ? region.frameWord(ofPage: page).load() & bits : 0
        if present == bits { return }

        let missing = UInt64((bits & ~present).nonzeroBitCount)
        try charge(missing)
        do throws(PageFailure) {
            try reserve(page, count, in: region)
        } catch {
            _ = framesUsed.add(0 &- missing)
            throw error
        }
        failpoints.hit(.frameReserved)
        let before = setBits(bits & ~present, ofPage: page, in: region)
        // Frames that another process gave meanwhile were counted twice.
        _ = framesUsed.add(0 &- UInt64((before & bits & ~present).nonzeroBitCount))
        populate(page, count, in: region)
    }

    private func reserve(
        _ page: UInt64, _ count: UInt64, in region: RegionMapping
    ) throws(PageFailure) {
        do throws(SystemError) {
            try region.reserve(page, count)
        } catch {
            throw .outOfMemory
        }
    }

    /// Sets frame bits of pages that have memory.
    /// - Returns: the word of the frame map before.
    @discardableResult
    private func setBits(_ bits: UInt64, ofPage page: UInt64, in region: RegionMapping) -> UInt64 {
        let directory = region.directoryByte(ofMapPage: RegionMapping.mapPage(of: page))
        _ = directory.word.formUnion(1 << directory.shift)
        return region.frameWord(ofPage: page).formUnion(bits)
    }

    /// Counts frames against the space's limit.
    private func charge(_ count: UInt64) throws(PageFailure) {
        let limit = meta[SpaceLayout.framesMaxOffset].load()
        let used = framesUsed.add(count)
        if limit != 0, used > limit {
            _ = framesUsed.add(0 &- count)
            throw .outOfMemory
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

    /// Runs `body` as the only one in the space that evicts or brings pages. The kernel takes the
    /// lock from a process that dies.
    /// - Throws: `busy` if another has the lock, what `body` throws.
    func withLock(_ body: () throws(PageFailure) -> Void) throws(PageFailure) {
        let outcome = mutex.withLockIfAvailable { _ -> Result<Void, PageFailure> in
            let byte = SpaceLayout.pagesLock
            do throws(SystemError) {
                guard try ByteLock.tryTake(descriptor, byte: byte) else { return .failure(.busy) }
            } catch {
                return .failure(.unavailable(error))
            }
            defer { ByteLock.release(descriptor, byte: byte) }
            return Result { () throws(PageFailure) in try body() }
        }
        guard let outcome else { throw .busy }
        try outcome.get()
    }

    /// Ends the eviction that a killed process left in a region, for the lock's holder.
    func finish(in region: RegionMapping) {
        let left = Eviction(eviction.load())
        guard left.phase != .none, left.region == region.number else { return }
        if left.phase == .punching {
            _ = finishPunching(left, in: region)
            return
        }
        _ = eviction.compareExchange(left.in(.leaving).word, left.in(.restoring).word)
        restore(left, in: region)
        eviction.store(0)
    }

    /// Gives the memory of an eviction's pages back, for the lock's holder. A kernel that refuses
    /// is asked again: until then the pages are busy for those who write.
    /// - Returns: whether it was given back.
    func finishPunching(_ found: Eviction, in region: RegionMapping) -> Bool {
        do throws(SystemError) {
            try found.punch(in: region)
        } catch {
            return false
        }
        failpoints.hit(.evictionPunched)
        eviction.store(0)
        return true
    }
}

/// Taking the frames from some neighbouring pages: one word of `meta`, since there is one eviction
/// at a time.
///
///     63..44 sequence   43..11 first page   10..4 count   1..0 phase
///
/// *Leaving*: the frame bits are cleared, the memory is still there. Who comes now cancels it
/// (*restoring*) and sets the bits again; the one that evicts waits for those that had come before
/// (`Space.awaitRuns`) and looks at the content. *Punching*: nobody had come, and nobody can: a
/// reader knows what the pages hold without their memory, a writer waits. A process that is killed
/// while it evicts leaves the word to the next holder of the lock; both ways may be repeated.
struct Eviction {
    enum Phase: UInt64 {
        case none = 0
        case leaving = 1
        case restoring = 2
        case punching = 3
    }

    let word: UInt64

    init(_ word: UInt64) { self.word = word }

    /// - Parameter pages: of one word of the frame map.
    init(_ pages: Range<UInt64>, sequence: UInt64) {
        word =
            sequence << 44 | pages.lowerBound << 11 | UInt64(pages.count) << 4
            | Phase.leaving.rawValue
    }

    var phase: Phase { Phase(rawValue: word & 3) ?? .none }
    var sequence: UInt64 { word >> 44 }
    /// Pages of one word of the frame map, whatever stands in shared memory.
    var count: UInt64 { min(max(word >> 4 & 0x7f, 1), 64 - first & 63) }
    /// Number of the first page in the whole space.
    var first: UInt64 { word >> 11 & (1 << 33 - 1) }
    var region: Int { Int(first >> 27) }

    func `in`(_ phase: Phase) -> Eviction { Eviction(word & ~3 | phase.rawValue) }

    func contains(_ page: Address) -> Bool { overlaps(page, 1) }

    func overlaps(_ start: Address, _ count: UInt64) -> Bool {
        let page = start.rawValue >> Address.pageShift
        return phase != .none && page < first + self.count && first < page + count
    }

    var firstInRegion: UInt64 { first & (1 << 27 - 1) }
    /// Of the word of the frame map.
    var bits: UInt64 { LineBytes.bits(count, from: first & 63) }

    /// Whether nobody has set a bit again: who was in the middle of giving frames, or of restoring
    /// an eviction before this one, may not know of it.
    func areBitsClear(in region: RegionMapping) -> Bool {
        region.frameWord(ofPage: firstInRegion).load() & bits == 0
    }

    /// Gives the memory back: that of the line words only for eight neighbours that share a page
    /// of it; the words of others become zero.
    func punch(in region: RegionMapping) throws(SystemError) {
        let page = firstInRegion
        let size = UInt64(Address.pageSize)
        try SystemCalls.punch(region.descriptor, offset: page * size, count: count * size)
        try SystemCalls.punch(
            region.descriptor, offset: SpaceLayout.regionWordsOffset + page * 512,
            count: count * 512)
    }
}
