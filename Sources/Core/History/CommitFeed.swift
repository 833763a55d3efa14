/// What one commit changed.
public struct CommitNews: Sendable {
    public var version: UInt64
    /// The node that made the commit.
    public var node: Int
    /// For whom the node made it.
    public var committer = Committer(processID: 0, userID: 0)
    /// Pages with the masks of the lines written; a page may come twice. Nil: any page.
    public var pages: [(page: UInt64, lines: UInt64)]?
}

/// Follows the commits of a space from its making; one thread at a time uses it.
///
/// Nobody waits for a follower. One that lags by more than the ring holds, or that misses a
/// version nobody will publish any more, gets `lost` and goes on from the present: it must then
/// take everything it knows for changed.
public final class CommitFeed {
    public enum Event {
        case commit(CommitNews)
        /// Some commits up to this version are not known.
        case lost(upTo: UInt64)

        /// The newest commit that it tells of.
        public var version: UInt64 {
            switch self {
            case .commit(let news): news.version
            case .lost(let version): version
            }
        }
    }

    private let space: Space
    private var position: UInt64

    init(_ space: Space) {
        self.space = space
        position = space.clock.now
    }

    /// The next commit, waiting for it up to a time.
    /// - Parameter milliseconds: how long to wait if there is none; 0 does not wait.
    /// - Returns: nil if none came.
    public func next(milliseconds: Int = 0) -> Event? {
        if let event = poll() { return event }
        guard milliseconds > 0 else { return nil }
        let waiters = space.meta[SpaceLayout.ringWaitersOffset]
        waiters.storeThenFence(1)
        // A commit that published just now may not have seen the word: look again once its stores
        // are sure to have arrived, before sleeping for good.
        SystemCalls.sleep(microseconds: 100)
        if let event = poll() { return event }
        waiters.wait(whileLowerHalfIs: 1, milliseconds: milliseconds)
        return poll()
    }

    private func poll() -> Event? {
        while true {
            let version = position &+ 1
            if let event = take(version) {
                if case .nothing = event { continue }
                return event.event
            }
            if space.clock.now < version { return nil }
            switch missing(version) {
            case .published: continue
            case .underWay: return nil
            case .orphaned:
                position = space.clock.now
                return .lost(upTo: position)
            }
        }
    }

    private enum Taken {
        case nothing
        case event(Event)
        var event: Event? {
            if case .event(let event) = self { return event }
            return nil
        }
    }

    /// Takes the entry of a version, if it is there or was overwritten by a later one.
    private func take(_ version: UInt64) -> Taken? {
        let entry = space.ring.entry(version)
        let before = entry[0].load()
        if before & ~CommitRing.busyBit > version {
            position = space.clock.now
            return .event(.lost(upTo: position))
        }
        guard before == version else { return nil }
        let head = CommitRing.Head(entry[8].load())
        var pages: [(page: UInt64, lines: UInt64)]? = []
        var isWhole = true
        switch head.kind {
        case .inline:
            for index in 0..<min(head.pageCount, CommitRing.inlineMax) {
                let page = entry[16 + index * 16].load() & CommitRing.pageMask
                pages?.append((page, entry[24 + index * 16].load()))
            }
        case .extents:
            let first = entry[16].load()
            for index in 0..<UInt64(head.pageCount) {
                let position = first &+ index
                guard let extent = RingExtent(meta: space.meta, position: position).load() else {
                    isWhole = false
                    break
                }
                pages?.append(extent)
            }
            let distance = space.ring.extentHead.load() &- first
            isWhole = isWhole && distance <= UInt64(SpaceLayout.ringExtentCount)
        case .everything: pages = nil
        case .nothing: break
        }
        let process = entry[48].load() >> CommitRing.pageBits
        guard entry[0].load() == version, isWhole else {
            position = space.clock.now
            return .event(.lost(upTo: position))
        }
        position = version
        if head.kind == .nothing { return .nothing }
        let committer = Committer(processID: UInt32(process), userID: head.userID)
        return .event(
            .commit(
                CommitNews(version: version, node: head.node, committer: committer, pages: pages)))
    }

    private enum Missing { case published, underWay, orphaned }

    /// Why a version that was drawn is not in the ring.
    ///
    /// A commit announces in its slot that it draws a version before it does, and keeps it there
    /// until the entry is published. So if no slot has the version or is drawing one, and the entry
    /// still is not there *afterwards*, it never will be.
    private func missing(_ version: UInt64) -> Missing {
        for index in 0..<SpaceLayout.slotCountMax {
            let slot = Slot(meta: space.meta, index: index)
            guard slot.owner.load() != 0 else { continue }
            let ticket = slot.ticket.load()
            guard ticket == 1 || ticket == version else { continue }
            space.recoverIfDead(slot: index)
            if slot.ticket.load() == ticket { return .underWay }
        }
        let sequence = space.ring.entry(version)[0].load()
        return sequence & ~CommitRing.busyBit >= version && sequence & CommitRing.busyBit == 0
            ? .published : .orphaned
    }
}

extension Space {
    /// Calls `body` with the lines that this thread's last transaction wrote: pages with masks of
    /// lines; a page may come twice. To be called when `transact` has returned.
    public func forEachPageOfLastCommit(_ body: (_ page: UInt64, _ lines: UInt64) -> Void) {
        guard let context = unsafe try? threadContext() else { return }
        unsafe context.pointee.forEachPageWritten(body)
    }

    /// Those of some lines of a page that a commit has written since a version, or is about to.
    ///
    /// Anyone who draws a version has locked its lines before. So of the commits up to the newest
    /// version, none is missed.
    public func changedLines(
        _ lines: UInt64, ofPage page: UInt64, since version: UInt64
    ) -> UInt64 {
        let address = Address(page: page)
        guard let region = try? mapRegion(address.region) else { return 0 }
        return whileTouching {
            guard pages.isResident(address, in: region) else {
                // What an evicted page's lines were is not known any more.
                return meta[SpaceLayout.evictionsOffset].load() == 0 ? 0 : lines
            }
            return changedLines(lines, of: address, since: version, in: region)
        } ?? lines
    }

    private func changedLines(
        _ lines: UInt64, of address: Address, since version: UInt64, in region: RegionMapping
    ) -> UInt64 {
        var changed: UInt64 = 0
        var left = lines
        while left != 0 {
            let line = UInt64(left.trailingZeroBitCount)
            // A lock is above all versions.
            let word = region.lineWord(address.offset + line << Address.lineShift).load()
            if word > version { changed |= 1 << line }
            left &= left - 1
        }
        return changed
    }
}

extension Transaction {
    fileprivate func forEachPageWritten(_ body: (_ page: UInt64, _ lines: UInt64) -> Void) {
        guard entryCount > 0 || fillCount > 0 else { return }
        unsafe LoggedCommit(
            log: log, entryCount: entryCount, fillCount: fillCount, lock: 0, space: owner,
            targets: targets, fills: fills
        ).forEachPage(body)
    }
}
