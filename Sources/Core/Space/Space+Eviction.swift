import Synchronization

/// Giving the memory of pages back while others run.
extension Space: PageEvictor {
    /// Takes the frames from those of some neighbouring pages that can lose them: without a source
    /// those that are all zeros, with one those that it keeps.
    ///
    /// Invariant: no line of a page that loses its frame is newer than the oldest version that
    /// anybody reads. So a page without a frame has not changed since any reader began, and
    /// to validate one it need not be brought.
    ///
    /// Nobody waits for the eviction, and it waits for running transactions for `milliseconds` at
    /// most. Pages that somebody still touched are queued for `evictQueued`.
    /// - Parameter pages: page numbers in the whole space, of one region.
    /// - Returns: how many pages lost their frames.
    @discardableResult
    package func evict(pages: Range<UInt64>, milliseconds: Int = 1) -> Int {
        guard let first = pages.first, !isGone, !isInRun,
            let region = try? mapRegion(Address(page: first).region)
        else { return 0 }
        var evicted = 0
        var page = first
        while page < pages.upperBound {
            // One word of the frame map at a time: others want the lock, too.
            let end = min((page | 63) + 1, pages.upperBound)
            _ = try? self.pages.withLock { () throws(PageFailure) in
                finishLeftEviction()
                evicted += evictWithin(page..<end, in: region, milliseconds)
            }
            page = end
        }
        return evicted
    }

    /// Evicts neighbours in one word of the frame map, for the lock's holder.
    private func evictWithin(
        _ range: Range<UInt64>, in region: RegionMapping, _ milliseconds: Int
    ) -> Int {
        let oldest = oldestReader
        var (page, evicted) = (range.lowerBound, 0)
        while page < range.upperBound {
            let start = page
            while page < range.upperBound, mayLose(page, in: region, oldest) { page += 1 }
            if page == start {
                page += 1
            } else if evict(start..<page, in: region, milliseconds) {
                evicted += Int(page - start)
            } else {
                evictionQueue.withLock { queue in
                    if queue.count < Space.queuedMax { queue.append(start..<page) }
                }
            }
        }
        return evicted
    }

    private static var queuedMax: Int { 4096 }

    package func residentPages(ofRegion region: Int) -> [UInt64] {
        guard let mapping = try? mapRegion(region) else { return [] }
        let start = Address(region: region, offset: 0).page
        var pages: [UInt64] = []
        mapping.forEachFrameWord { first, word in
            var bits = word
            while bits != 0 {
                pages.append(start + first + UInt64(bits.trailingZeroBitCount))
                bits &= bits - 1
            }
        }
        return pages
    }

    /// Tries those again that somebody still touched when they were to be evicted.
    /// - Returns: how many pages lost their frames.
    @discardableResult
    package func evictQueued() -> Int {
        let queued = evictionQueue.withLock { queue in
            defer { queue = [] }
            return queue
        }
        return queued.reduce(0) { $0 + evict(pages: $1) }
    }

    /// Ends what a killed process was evicting, unless another is at it.
    func recoverEviction() {
        _ = try? pages.withLock { () throws(PageFailure) in finishLeftEviction() }
    }

    /// The same, for the holder of the lock.
    func finishLeftEviction() {
        let left = Eviction(pages.eviction.load())
        guard left.phase != .none, let region = try? mapRegion(left.region) else { return }
        pages.finish(in: region)
    }

    /// Takes the frames from all of some pages, or from none. For the lock's holder.
    /// - Parameter milliseconds: how long to wait for running transactions.
    private func evict(
        _ range: Range<UInt64>, in region: RegionMapping, _ milliseconds: Int
    ) -> Bool {
        let word = pages.eviction
        // One that a killed process left and that cannot be ended now.
        guard word.load() & 3 == 0 else { return false }
        let sequence = meta[SpaceLayout.evictionsOffset].add(1)
        let eviction = Eviction(range, sequence: sequence)
        // Before the bits change: who finds one cleared finds this.
        word.store(eviction.word)
        failpoints.hit(.evictionBegins)
        let wereAllSet = pages.clear(eviction, in: region)
        failpoints.hit(.evictionLeaving)
        guard wereAllSet, awaitRuns(milliseconds: milliseconds),
            eviction.areBitsClear(in: region), areKept(range, in: region),
            word.compareExchange(eviction.word, eviction.in(.punching).word)
        else {
            pages.finish(in: region)
            return false
        }
        failpoints.hit(.evictionPunching)
        return pages.finishPunching(eviction.in(.punching), in: region)
    }

    /// Whether all pages, which nobody touches, can be had again from the source, or are zeros.
    private func areKept(_ range: Range<UInt64>, in region: RegionMapping) -> Bool {
        let oldest = oldestReader
        return range.allSatisfy { page in
            guard hasOldLines(page, in: region, oldest) else { return false }
            let address = Address(page: page)
            guard let source = pages.source else { return isZero(address, in: region) }
            return (try? source.keep(address, PageContent(address, in: region))) ?? false
        }
    }

    /// Whether a page looks as if it could lose its frame.
    private func mayLose(_ page: UInt64, in region: RegionMapping, _ oldest: UInt64) -> Bool {
        let address = Address(page: page)
        return region.isPresent(address.offset) && hasOldLines(page, in: region, oldest)
            && (pages.source != nil || isZero(address, in: region))
    }

    /// Whether no line is locked or newer than a version.
    private func hasOldLines(
        _ page: UInt64, in region: RegionMapping, _ oldest: UInt64
    ) -> Bool {
        let offset = Address(page: page).offset
        return stride(from: 0, to: UInt64(Address.pageSize), by: Address.lineSize).allSatisfy {
            region.lineWord(offset + $0).load() <= oldest
        }
    }

    private func isZero(_ page: Address, in region: RegionMapping) -> Bool {
        stride(from: 0, to: UInt64(Address.pageSize), by: 8).allSatisfy {
            region.dataWord(page.offset + $0).load() == 0
        }
    }
}
