/// When the commits up to a moment were made, as far as it is known at that moment: later it will
/// be known less exactly, but this stays the same.
public struct CommitTimes: Sendable {
    private let samples: [(version: UInt64, milliseconds: UInt64)]
    private let birth: UInt64

    /// - Parameter version: the newest one that is asked for.
    public init(_ space: Space, upTo version: UInt64) {
        samples = space.timeline.samples(upTo: version)
        birth = space.milliseconds(ofVersion: 0)
    }

    /// Milliseconds since 1970; the space's birth for a version that is older than what is known.
    public func milliseconds(of version: UInt64) -> UInt64 {
        var (low, high) = (0, samples.count)
        while low < high {
            let middle = (low + high) / 2
            if samples[middle].version <= version { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? birth : samples[low - 1].milliseconds
    }
}
