import Glibc

/// The clocks of the machine.
enum SystemClock {
    /// Nanoseconds of the clock that is never set.
    static var monotonicNanoseconds: UInt64 { nanoseconds(of: CLOCK_MONOTONIC) }

    /// The same in seconds.
    static var monotonicSeconds: Double { Double(monotonicNanoseconds) / 1e9 }

    /// Nanoseconds since 1970.
    static var nanoseconds: UInt64 { nanoseconds(of: CLOCK_REALTIME) }

    /// Milliseconds since the machine was started, its sleep included: for ages.
    static var bootMilliseconds: UInt64 { nanoseconds(of: CLOCK_BOOTTIME) / 1_000_000 }

    /// Milliseconds since 1970.
    static var milliseconds: UInt64 { nanoseconds / 1_000_000 }

    private static func nanoseconds(of clock: clockid_t) -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
