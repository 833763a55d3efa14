import CLinux

/// The last commits of a space in their total order: version, node, pages with line masks.
///
/// Entry `version % ringEntryCount` belongs to a version, so the ring has a place for each version
/// and nobody needs to agree on one. Who writes: the thread of the commit, or who recovers it.
/// An entry is claimed by a compare-and-swap of its sequence word to the version with the busy bit,
/// written, and published by storing the version alone. It is never taken from a writer that is
/// still busy: a newer commit then leaves its own entry out, and whoever follows the ring sees that
/// its version is missing and starts afresh (`CommitFeed`). So nobody waits for a slow follower,
/// nor for a slow writer, and no news is lost unnoticed.
///
///     0   version, bit 63: being written
///     8   node << 32 | pages << 8 | kind
///     16  up to three {page, line mask}; or the position of the first one in the extents
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

    let meta: SharedMemory
    let failpoints: Failpoints

    func entry(_ version: UInt64) -> SharedMemory {
        let index = Int(version) & (SpaceLayout.ringEntryCount - 1)
        return meta.advanced(by: SpaceLayout.ringOffset + index * SpaceLayout.ringEntrySize)
    }

    var extentHead: SharedWord { meta[SpaceLayout.ringExtentHeadOffset] }

    func publish(_ commit: LoggedCommit, version: UInt64, node: Int) {
        let entry = entry(version)
        guard claim(entry, version) else { return }
        failpoints.hit(.ringClaimed)
        var count: UInt64 = 0
        commit.forEachPage { page, lines in
            if count < CommitRing.inlineMax {
                entry[16 + Int(count) * 16].storeRelaxed(page)
                entry[24 + Int(count) * 16].storeRelaxed(lines)
            }
            count += 1
        }
        var kind = Kind.inline
        if count > CommitRing.inlineMax {
            kind = count > UInt64(SpaceLayout.ringExtentCount / 4) ? .everything : .extents
            if kind == .extents { writeExtents(commit, count, entry) } else { count = 0 }
        }
        finish(entry, version, node, kind, count)
    }

    /// Publishes a version that was drawn by a commit that then could not be.
    func publishNothing(version: UInt64, node: Int) {
        let entry = entry(version)
        guard claim(entry, version) else { return }
        finish(entry, version, node, .nothing, 0)
    }

    private func writeExtents(_ commit: LoggedCommit, _ count: UInt64, _ entry: SharedMemory) {
        var position = extentHead.add(count) - count
        entry[16].storeRelaxed(position)
        commit.forEachPage { page, lines in
            RingExtent(meta: meta, position: position).store(page: page, lines: lines)
            position += 1
        }
    }

    /// True if the entry is this version's to write: it holds an older one, or this one
    /// half-written.
    private func claim(_ entry: SharedMemory, _ version: UInt64) -> Bool {
        let sequence = entry[0]
        var seen = sequence.load()
        while true {
            if seen == version | CommitRing.busyBit { return true }
            if seen & CommitRing.busyBit != 0 || seen >= version { return false }
            if sequence.compareExchange(seen, version | CommitRing.busyBit) { return true }
            seen = sequence.load()
        }
    }

    private func finish(
        _ entry: SharedMemory, _ version: UInt64, _ node: Int, _ kind: Kind, _ count: UInt64
    ) {
        entry[8].storeRelaxed(UInt64(node) << 32 | count << 8 | kind.rawValue)
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
