import CLinux

/// The last commits of a space in their total order: version, node, pages with line masks.
///
/// Entry `version % ringEntryCount` belongs to a version, so the ring has a place for each version
/// and nobody needs to agree on one. Who writes: the thread of the commit, or who recovers it. An
/// entry is claimed by setting its sequence word to the version with the busy bit, written, and
/// published by storing the version alone. It is never taken from a writer that is still busy, nor
/// from one that is yet to come: a newer commit then leaves its own entry out, and anyone who
/// follows the ring sees that its version is missing and starts afresh (`CommitFeed`). So nobody
/// waits for a slow follower, nor for a slow writer, and no news is lost unnoticed.
///
///     0   version, bit 63: being written
///     8   user id << 32 | node << 20 | pages << 4 | kind
///     16  up to three {page, line mask}; or the position of the first one in the extents
///     48  bits 63..33, above the third page: process id of who committed
@safe
struct CommitRing {
    enum Kind: UInt64 {
        case inline = 0
        /// The pages are in the ring of extents.
        case extents = 1
        /// More pages than the extents hold: anything may have changed.
        case everything = 2
        /// A version that no commit has.
        case nothing = 3
    }

    static let busyBit: UInt64 = 1 << 63
    static let inlineMax = 3
    /// Bits of a page's number; above it there is room in its word.
    static let pageBits: UInt64 = 33
    static let pageMask: UInt64 = 1 << pageBits - 1

    let meta: SharedMemory
    let failpoints: Failpoints

    func entry(_ version: UInt64) -> SharedMemory {
        let index = Int(truncatingIfNeeded: version) & (SpaceLayout.ringEntryCount - 1)
        return meta.advanced(by: SpaceLayout.ringOffset + index * SpaceLayout.ringEntrySize)
    }

    var extentHead: SharedWord { meta[SpaceLayout.ringExtentHeadOffset] }

    func publish(_ commit: LoggedCommit, version: UInt64, by committer: Committer, node: Int) {
        let entry = entry(version)
        guard claim(entry, version) else { return }
        failpoints.hit(.ringClaimed)
        var count: UInt64 = 0
        let process = committer.packed << CommitRing.pageBits
        entry[48].store(process)
        commit.forEachPage { page, lines in
            if count < CommitRing.inlineMax {
                entry[16 + Int(count) * 16].store(count == 2 ? page | process : page)
                entry[24 + Int(count) * 16].store(lines)
            }
            count += 1
        }
        var kind = Kind.inline
        if count > CommitRing.inlineMax {
            kind = count > UInt64(SpaceLayout.ringExtentCount / 4) ? .everything : .extents
            if kind == .extents { writeExtents(commit, count, entry) } else { count = 0 }
        }
        let user = UInt64(committer.userID) << 32
        finish(entry, version, user | UInt64(node) << 20 | count << 4 | kind.rawValue)
    }

    /// Publishes a version that was drawn by a commit that then could not be.
    func publishNothing(version: UInt64) {
        let entry = entry(version)
        guard claim(entry, version) else { return }
        finish(entry, version, Kind.nothing.rawValue)
    }

    /// What the head of an entry says.
    struct Head {
        var kind: Kind
        var pageCount: Int
        var node: Int
        var userID: UInt32

        init(_ word: UInt64) {
            kind = Kind(rawValue: word & 15) ?? .everything
            pageCount = Int(word >> 4 & 0xffff)
            node = Int(word >> 20 & 0xfff)
            userID = UInt32(truncatingIfNeeded: word >> 32)
        }
    }

    private func writeExtents(_ commit: LoggedCommit, _ count: UInt64, _ entry: SharedMemory) {
        var position = extentHead.add(count) &- count
        entry[16].store(position)
        commit.forEachPage { page, lines in
            RingExtent(meta: meta, position: position).store(page: page, lines: lines)
            position &+= 1
        }
    }

    /// True if the entry is this version's to write.
    ///
    /// An entry that holds the version of one lap before belongs to this version alone: older ones
    /// are done with it, and later ones find that this one is missing. So a store claims it.
    private func claim(_ entry: SharedMemory, _ version: UInt64) -> Bool {
        let lap = UInt64(SpaceLayout.ringEntryCount)
        guard entry[0].load() == (version > lap ? version - lap : 0) else {
            return claimAfterGap(entry, version)
        }
        entry[0].store(version | CommitRing.busyBit)
        return true
    }

    /// Claims an entry whose version of one lap before is missing, if it is sure to stay so; or one
    /// that its writer was killed in.
    @inline(never)
    private func claimAfterGap(_ entry: SharedMemory, _ version: UInt64) -> Bool {
        let sequence = entry[0]
        while true {
            let seen = sequence.load()
            if seen == version | CommitRing.busyBit { return true }
            if seen & CommitRing.busyBit != 0 || seen >= version { return false }
            if mayBeWritten(before: version) { return false }
            if sequence.compareExchange(seen, version | CommitRing.busyBit) { return true }
        }
    }

    /// Whether an older version of the same entry may yet be published: some slot has it, or draws
    /// a version that may be it. A slot keeps its version until it is published.
    private func mayBeWritten(before version: UInt64) -> Bool {
        let lap = UInt64(SpaceLayout.ringEntryCount)
        var index = 0
        while index < SpaceLayout.slotCountMax {
            let slot = Slot(meta: meta, index: index)
            index += 1
            guard slot.owner.load() != 0 else { continue }
            let ticket = slot.ticket.load()
            if ticket == 1 { return true }
            if ticket > 1, ticket < version, (version - ticket) % lap == 0 { return true }
        }
        return false
    }

    private func finish(_ entry: SharedMemory, _ version: UInt64, _ head: UInt64) {
        entry[8].store(head)
        entry[0].store(version)
        let waiters = meta[SpaceLayout.ringWaitersOffset]
        if waiters.loadRelaxed() != 0 { wake(waiters) }
    }

    @inline(never)
    private func wake(_ waiters: SharedWord) {
        waiters.store(0)
        waiters.wakeAll()
    }
}

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
