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
        /// When a line was added last, or all were dropped.
        var changedMilliseconds: UInt64?

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
        let now = SystemClock.milliseconds
        var line = TimeText.describe(milliseconds: now) + " "
        line.reserveCapacity(line.utf8.count + message.utf8.count + 1)
        for scalar in message.unicodeScalars {
            line.unicodeScalars.append(scalar.value < 32 || scalar.value == 127 ? " " : scalar)
        }
        line.append("\n")
        state.withLock { state in
            state.lines.append(line)
            state.bytes += line.utf8.count
            state.changedMilliseconds = now
            guard state.lines.count > MessageLog.linesMax || state.bytes > MessageLog.bytesMax
            else { return }
            state.drop(max(1, state.lines.count / 4))
        }
    }

    func clear() {
        state.withLock { state in
            state.drop(state.lines.count)
            state.changedMilliseconds = SystemClock.milliseconds
        }
    }

    /// All lines, oldest first.
    var text: String {
        state.withLock { $0.lines.joined() }
    }

    /// Bytes of `text`.
    var byteCount: Int {
        state.withLock { $0.bytes }
    }

    /// Since 1970; nil if there never was a line.
    var changedMilliseconds: UInt64? {
        state.withLock { $0.changedMilliseconds }
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
}
