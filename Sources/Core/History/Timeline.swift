import Glibc

/// When a version was committed, for the times of files. What it once said of a version it says as
/// long as the space exists.
///
/// Commits carry no time of their own. A commit that finds the newest sample older than 16 ms
/// first leaves a new one, before it draws its version: {time, version of the clock}. The time of a
/// version is that of the last sample whose version is smaller; so it is no more than 16 ms before
/// the drawing, and never after it. Samples are never thinned: 16 bytes for 16 ms in which
/// something was committed, 86 MB for a day without a pause.
///
/// A sample is made in two steps, which any process may take, so that a killed one is in nobody's
/// way: first its time is stored, then the clock is read and the version stored. Anyone who finds a
/// sample without a version, reader or committer, takes the second step. That is why no answer ever
/// changes: a reader who did not see the first step has seen its version drawn before it, and the
/// clock is read after it, so the sample has a version not smaller than that of the answer.
///
/// Times rise with versions. When the machine's clock is set back, the times go on at half its
/// speed until it has caught up. Memory for samples is reserved ahead; if there is none, those
/// that are left are used more and more rarely, and then the times stand still until there is.
@safe
struct Timeline {
    /// What the clocks show: milliseconds since 1970, and of the clock that nobody sets.
    struct Instant {
        var wall: UInt64
        var monotonic: UInt64

        static var now: Instant {
            Instant(
                wall: SystemCalls.coarseMilliseconds(),
                monotonic: SystemCalls.coarseMonotonicMilliseconds())
        }
    }

    static let interval: UInt64 = 16
    /// Samples that get memory at once.
    static let batch: UInt64 = 4096
    /// More get memory when so few are left, and samples are saved if they get none.
    private static let reserve: UInt64 = 256
    /// So many are made before the interval doubles.
    private static let reserveStep: UInt64 = 16
    /// How soon more memory is asked for again.
    private static let retryMilliseconds: UInt64 = 1000

    private let meta: SharedMemory
    private let clock: SharedClock
    private let descriptor: Int32

    /// - Parameter descriptor: of `meta`.
    init(meta: SharedMemory, clock: SharedClock, descriptor: Int32) {
        self.meta = meta
        self.clock = clock
        self.descriptor = descriptor
    }

    /// When the next sample is due.
    private var due: SharedWord { meta[SpaceLayout.timelineDueOffset] }
    /// When the newest one was made.
    private var made: SharedWord { meta[SpaceLayout.timelineMadeOffset] }
    /// Samples that are there; there may be more already.
    private var count: SharedWord { meta[SpaceLayout.timelineCountOffset] }
    private var reservedWord: SharedWord { meta[SpaceLayout.timelineReservedOffset] }

    /// Samples that have memory.
    private var reserved: UInt64 {
        min(reservedWord.loadOrdered(), UInt64(SpaceLayout.timelineCountMax))
    }

    private func sample(_ position: UInt64) -> SharedMemory {
        meta.advanced(
            by: SpaceLayout.timelineOffset + Int(position) * SpaceLayout.timelineSampleSize)
    }
    private func time(_ position: UInt64) -> SharedWord { sample(position)[0] }
    private func version(_ position: UInt64) -> SharedWord { sample(position)[8] }

    /// Gives the first samples memory, when a space is made.
    func prepare() throws(SystemError) {
        try reserve(from: 0)
        due.store(0)
    }

    /// The clock that nobody sets begins again when the machine does; nobody else is attached.
    func restart() {
        due.store(0)
        made.store(0)
    }

    /// Makes sure that the next version has a time that is no older than the interval.
    @inline(__always)
    func note() {
        if SystemCalls.coarseMonotonicMilliseconds() >= due.loadRelaxed() { note(at: .now) }
    }

    /// `note` as of clocks that a test sets.
    func noteIfDue(at now: Instant) {
        if now.monotonic >= due.load() { note(at: now) }
    }

    @inline(never)
    private func note(at now: Instant) {
        while true {
            let position = settledCount()
            let left = room(at: position)
            let interval = interval(left)
            var new = now.wall
            if position > 0 {
                let last = time(position - 1).load()
                let made = made.load()
                let elapsed = now.monotonic > made ? now.monotonic - made : 0
                let age = now.wall >= last ? now.wall - last : elapsed
                // Another thread was faster, or the samples that are left must last.
                if age < interval {
                    return due.store(
                        now.monotonic &+ min(interval - age, Timeline.retryMilliseconds))
                }
                if now.wall <= last { new = last &+ max(1, elapsed / 2) }
            }
            guard left > 0 else {
                return due.store(now.monotonic &+ Timeline.retryMilliseconds)
            }
            guard time(position).compareExchange(0, new) else { continue }
            complete(position)
            made.store(now.monotonic)
            return due.store(now.monotonic &+ min(interval, Timeline.retryMilliseconds))
        }
    }

    /// How old the newest sample must be before the next is made.
    private func interval(_ left: UInt64) -> UInt64 {
        let missing = Timeline.reserve - min(left, Timeline.reserve)
        return Timeline.interval << (missing / Timeline.reserveStep)
    }

    /// The number of samples, each with its version.
    private func settledCount() -> UInt64 {
        let reserved = reserved
        var position = min(count.load(), reserved)
        while position < reserved, time(position).loadOrdered() != 0 {
            complete(position)
            position += 1
        }
        return position
    }

    private func complete(_ position: UInt64) {
        if version(position).load() == 0 {
            // The clock is read after the first step; it does not matter who took it.
            SharedWord.fence()
            _ = version(position).compareExchange(0, clock.latest)
        }
        _ = count.compareExchange(position, position + 1)
    }

    /// How many samples from a position on have memory: few only if there is no memory for more.
    private func room(at position: UInt64) -> UInt64 {
        let before = reserved
        if before - min(position, before) <= Timeline.reserve { try? reserve(from: before) }
        let reserved = reserved
        return reserved - min(position, reserved)
    }

    private func reserve(from first: UInt64) throws(SystemError) {
        guard first + Timeline.batch <= SpaceLayout.timelineCountMax else { return }
        let size = UInt64(SpaceLayout.timelineSampleSize)
        try SystemCalls.reserve(
            descriptor, offset: UInt64(SpaceLayout.timelineOffset) + first * size,
            count: Timeline.batch * size)
        // Only now may it be touched.
        _ = reservedWord.compareExchange(first, first + Timeline.batch)
    }

    /// Milliseconds since 1970 of a commit; nil if it is older than all samples.
    func milliseconds(of version: UInt64) -> UInt64? {
        // The first sample that the version is not newer than.
        var (low, high): (UInt64, UInt64) = (0, settledCount())
        while low < high {
            let middle = low + (high - low) / 2
            if self.version(middle).load() < version { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? nil : time(low - 1).load()
    }

    /// Calls `report` with a sentence for each sample that cannot be.
    func check(_ report: (String) -> Void) {
        var (lastTime, lastVersion): (UInt64, UInt64) = (0, 0)
        for position in 0..<settledCount() {
            let (time, version) = (time(position).load(), version(position).load())
            if time <= lastTime || version < lastVersion || version > clock.now {
                return report("sample \(position) of the timeline is out of order")
            }
            (lastTime, lastVersion) = (time, version)
        }
    }
}
