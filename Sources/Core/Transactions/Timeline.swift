import Glibc

/// When a version was committed, for the times of files.
///
/// Commits carry no time of their own. The first commit of every four milliseconds leaves a sample
/// {version, time}; level k of the table keeps the first sample of every 4 * 2^k ms, 1,024 of them,
/// so that recent commits are known to 4 ms and old ones to about a thousandth of their age.
/// Samples are information only: a process killed between two stores costs one sample.
@safe
struct Timeline {
    private let meta: SharedMemory

    init(meta: SharedMemory) { self.meta = meta }

    /// Milliseconds since 1970 of the newest sample.
    private var lastSample: SharedWord { meta[SpaceLayout.timelineOffset] }

    private func head(_ level: Int) -> SharedWord {
        meta[SpaceLayout.timelineHeadsOffset + level * 8]
    }

    private func sample(_ level: Int, _ position: UInt64) -> SharedMemory {
        let index =
            level * SpaceLayout.timelineSamples
            + Int(position) & (SpaceLayout.timelineSamples - 1)
        return meta.advanced(
            by: SpaceLayout.timelineTableOffset + index * SpaceLayout.timelineSampleSize)
    }

    /// Notes that a version was committed now.
    @inline(__always)
    func note(_ version: UInt64) {
        let now = SystemCalls.coarseMilliseconds()
        if now >= lastSample.loadRelaxed() &+ 4 { record(version, now) }
    }

    @inline(never)
    private func record(_ version: UInt64, _ now: UInt64) {
        let last = lastSample.load()
        guard now >= last &+ 4, lastSample.compareExchange(last, now) else { return }
        for level in 0..<SpaceLayout.timelineLevels {
            let shift = UInt64(level + 2)
            if now >> shift == last >> shift { return }
            let position = head(level).load()
            // Whoever was held up before this line would put its sample behind newer ones.
            if position > 0, self.sample(level, position - 1)[0].load() >= version { return }
            let sample = sample(level, position)
            sample[0].store(version)
            sample[8].store(now)
            head(level).store(position + 1)
        }
    }

    /// All samples up to a version, ascending: each with the time of its commit.
    func samples(upTo last: UInt64) -> [(version: UInt64, milliseconds: UInt64)] {
        var found: [UInt64: UInt64] = [:]
        for level in 0..<SpaceLayout.timelineLevels {
            let end = head(level).load()
            for position in (end > 1016 ? end - 1016 : 0)..<end {
                let sample = sample(level, position)
                let version = sample[0].load()
                if version <= last { found[version] = sample[8].load() }
            }
        }
        return found.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// Milliseconds since 1970 of a commit; nil if it is older than all samples.
    func milliseconds(of version: UInt64) -> UInt64? {
        for level in 0..<SpaceLayout.timelineLevels {
            let end = head(level).load()
            guard end > 0 else { return nil }
            // The oldest samples may be overwritten at this moment: leave them to the next level.
            let first = end > 1016 ? end - 1016 : 0
            guard sample(level, first)[0].load() <= version else { continue }
            var low = first
            var high = end
            while high - low > 1 {
                let middle = (low + high) / 2
                if sample(level, middle)[0].load() <= version {
                    low = middle
                } else {
                    high = middle
                }
            }
            return sample(level, low)[8].load()
        }
        return nil
    }
}
