import Glibc
import RainbowCore

/// Times as texts.
enum TimeText {
    /// `2026-11-21T08:00:00.123Z`
    /// - Parameter milliseconds: since 1970.
    static func describe(milliseconds: UInt64) -> String {
        func digits(_ number: Int, _ count: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        let seconds = Int(milliseconds / 1000)
        let (year, month, day) = date(daysSince1970: seconds / 86_400)
        return digits(year, 4) + "-" + digits(month, 2) + "-" + digits(day, 2) + "T"
            + digits(seconds / 3600 % 24, 2) + ":" + digits(seconds / 60 % 60, 2) + ":"
            + digits(seconds % 60, 2) + "." + digits(Int(milliseconds % 1000), 3) + "Z"
    }

    /// The Gregorian date, counted in eras of 400 years that begin on the first of March
    /// (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    private static func date(daysSince1970: Int) -> (year: Int, month: Int, day: Int) {
        let days = daysSince1970 + 719_468
        let (era, dayOfEra) = (days / 146_097, days % 146_097)
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shifted + 2) / 5 + 1
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, day)
    }
}

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

/// Amounts of memory as people write them: `4096`, `512M`, `1G`. Suffixes are powers of 1024.
enum ByteCount {
    static func parse(_ text: String) -> UInt64? {
        var digits = Substring(text)
        var shift: UInt64 = 0
        switch digits.last {
        case "K", "k": shift = 10
        case "M", "m": shift = 20
        case "G", "g": shift = 30
        case "T", "t": shift = 40
        default: break
        }
        if shift > 0 { digits.removeLast() }
        guard digits.allSatisfy({ $0.isASCII && $0.isNumber }), let count = UInt64(digits),
            count <= UInt64.max >> shift
        else { return nil }
        return count << shift
    }
}

/// Text between double quotes, as commands of the tree and labels of metrics have it.
enum QuotedText {
    /// - Returns: the text with a backslash before each quote and backslash, and `\n` for the end
    ///   of a line; the quotes around it are the caller's.
    static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
