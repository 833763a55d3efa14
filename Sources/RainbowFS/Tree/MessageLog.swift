import Glibc
import Synchronization

/// What went wrong and why, newest last: the text of the file `messages`.
///
/// It belongs to one mount and keeps the newest lines only, so it never grows.
final class MessageLog: Sendable {
    private struct State {
        var lines: [String] = []
        var bytes = 0
        /// Bytes that were dropped so far: where the lines begin in all there ever was.
        var start: UInt64 = 0

        mutating func drop(_ count: Int) {
            let dropped = lines[..<count].reduce(0) { $0 + $1.utf8.count }
            lines.removeFirst(count)
            bytes -= dropped
            start += UInt64(dropped)
        }
    }

    private let state = Mutex(State())
    private static let linesMax = 1000
    private static let bytesMax = 256 << 10

    /// Adds one line, with the time in front.
    func add(_ message: String) {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        var line = MessageLog.time(now) + " "
        line.reserveCapacity(line.utf8.count + message.utf8.count + 1)
        for scalar in message.unicodeScalars {
            line.unicodeScalars.append(scalar.value < 32 || scalar.value == 127 ? " " : scalar)
        }
        line.append("\n")
        state.withLock { state in
            state.lines.append(line)
            state.bytes += line.utf8.count
            guard state.lines.count > MessageLog.linesMax || state.bytes > MessageLog.bytesMax
            else { return }
            state.drop(max(1, state.lines.count / 4))
        }
    }

    func clear() {
        state.withLock { $0.drop($0.lines.count) }
    }

    /// All lines, oldest first.
    var text: String {
        state.withLock { $0.lines.joined() }
    }

    /// Bytes of `text`.
    var byteCount: Int {
        state.withLock { $0.bytes }
    }

    /// All lines, and where they begin and end in all there ever was.
    struct Content {
        var start: UInt64
        var text: [UInt8]
        var end: UInt64 { start + UInt64(text.count) }
    }

    var content: Content {
        state.withLock { Content(start: $0.start, text: Array($0.lines.joined().utf8)) }
    }

    var end: UInt64 {
        state.withLock { $0.start + UInt64($0.bytes) }
    }

    static func time(milliseconds: UInt64) -> String {
        time(
            timespec(
                tv_sec: Int(milliseconds / 1000), tv_nsec: Int(milliseconds % 1000 * 1_000_000)))
    }

    /// `2026-11-21T08:00:00.123Z`
    static func time(_ time: timespec) -> String {
        func digits(_ number: Int, _ count: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        let (year, month, day) = date(daysSince1970: time.tv_sec / 86_400)
        let second = time.tv_sec % 86_400
        return digits(year, 4) + "-" + digits(month, 2) + "-" + digits(day, 2) + "T"
            + digits(second / 3600, 2) + ":" + digits(second / 60 % 60, 2) + ":"
            + digits(second % 60, 2) + "." + digits(time.tv_nsec / 1_000_000, 3) + "Z"
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
