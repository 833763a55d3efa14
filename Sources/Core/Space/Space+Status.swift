/// Memory of a space, in bytes.
public struct SpaceUsage: Sendable {
    /// Memory of frames, as counted against the limit.
    public var bytesUsed: UInt64
    /// The space's own limit; 0 if it has none.
    public var bytesMax: UInt64
    /// The newest version.
    public var version: UInt64
}

extension Space {
    public var usage: SpaceUsage {
        let page = UInt64(Address.pageSize)
        return SpaceUsage(
            bytesUsed: meta[SpaceLayout.framesUsedOffset].load() &* page,
            bytesMax: meta[SpaceLayout.framesMaxOffset].load() &* page, version: clock.now)
    }

    /// Memory that the machine has left where the space is, in bytes; also when its files have no
    /// names any more.
    public func machineBytesFree() throws(SpaceError) -> UInt64 {
        try SpaceError.system { () throws(SystemError) in
            try SystemCalls.bytesFree(around: metaDescriptor)
        }
    }

    /// The newest version.
    public var version: UInt64 { clock.now }

    /// The folder of the space's files.
    public var directory: String { SpaceDirectory.path(name) }

    /// Slots of dead processes that this process finished or undid.
    public var recoveredSlots: UInt64 { recoveries.load(ordering: .relaxed) }

    /// All nodes that are alive.
    public var liveNodes: [NodeInfo] {
        var slots: [Int: [SlotInfo]] = [:]
        for index in 0..<SpaceLayout.slotCountMax {
            let info = Slot(meta: meta, index: index).info
            if info.node >= 0 { slots[info.node, default: []].append(info) }
        }
        return (0..<SpaceLayout.nodeCountMax).filter { nodes.isJoined($0) }.map {
            let own = slots[$0] ?? []
            return nodes.info(
                $0, slots: own.map(\.index),
                counts: own.reduce(TransactionCounts()) { $0 + $1.counts })
        }
    }

    /// When a version was committed, in milliseconds since 1970, to 16 ms; the space's birth if it
    /// is older than the first commit. The answer for a version that was drawn never changes.
    public func milliseconds(ofVersion version: UInt64) -> UInt64 {
        timeline.milliseconds(of: version) ?? meta[SpaceLayout.createdOffset].load() &* 1000
    }

    /// Counts the frames in use again while no other process is attached: one that was killed
    /// between counting a frame and giving it left the count too high.
    func recountFrames() {
        var pages: UInt64 = 0
        for region in 0..<SpaceLayout.regionCountMax {
            // A count that is too high does less harm than one without some of the regions.
            guard let found = try? residency(ofRegion: region) else { return }
            pages += found.pages
        }
        meta[SpaceLayout.framesUsedOffset].store(pages)
    }

    /// Frames as they are counted, and as the frame maps tell, while no page is evicted or brought;
    /// nil if that cannot be told now.
    func countedFrames() -> (counted: UInt64, found: UInt64)? {
        var counts: (UInt64, UInt64)?
        var backoff = Backoff()
        for _ in 0..<1000 where counts == nil {
            _ = try? pages.withLock { () throws(PageFailure) in
                finishLeftEviction()
                var found: UInt64 = 0
                for region in 0..<SpaceLayout.regionCountMax {
                    guard let residency = try? residency(ofRegion: region) else { return }
                    found += residency.pages
                }
                counts = (pages.framesUsed.load(), found)
            }
            if counts == nil { _ = backoff.wait() }
        }
        return counts
    }

    /// Pages of a region that have frames, and the bytes of its frame map; 0 without the region.
    /// - Throws: `SpaceError.system` if the machine does not let this process look.
    public func residency(
        ofRegion region: Int
    ) throws(SpaceError) -> (pages: UInt64, mapBytes: UInt64) {
        let mapping: RegionMapping
        do throws(RegionFailure) {
            mapping = try mapRegion(region)
        } catch {
            guard case .unavailable(let cause) = error else { return (0, 0) }
            throw .system(cause)
        }
        var pages: UInt64 = 0
        let mapPages = mapping.forEachFrameWord { pages += UInt64($1.nonzeroBitCount) }
        return (pages, (mapPages + 1) * 4096)
    }
}
