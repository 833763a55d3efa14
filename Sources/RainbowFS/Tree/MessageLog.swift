import Glibc
import RainbowCore
import Synchronization

/// What went wrong and why, newest last: the text of the file `messages`.
///
/// It belongs to one mount and keeps the newest lines only, so it never grows.
final class MessageLog: Sendable {
    /// Whose messages somebody may read.
    enum Reader: Hashable, Sendable {
        case everyone
        case user(UInt32)
    }

    private struct Line {
        var text: String
        /// Whose call failed.
        var user: UInt32

        func isShown(to reader: Reader) -> Bool { reader == .everyone || reader == .user(user) }
    }

    private struct State {
        var lines: [Line] = []
        var bytes = 0
        /// Bytes that were dropped so far: where the lines begin in all that a reader could ever
        /// read. A user has an entry only once a line of theirs was dropped.
        var starts: [Reader: UInt64] = [:]
        /// When a line was added last, or all were dropped.
        var changedMilliseconds: UInt64?

        mutating func drop(_ count: Int) {
            for line in lines[..<count] {
                let dropped = line.text.systemByteCount
                bytes -= dropped
                starts[.everyone, default: 0] += UInt64(dropped)
                starts[.user(line.user), default: 0] += UInt64(dropped)
            }
            lines.removeFirst(count)
        }

        func lines(for reader: Reader) -> some Sequence<Line> {
            lines.lazy.filter { $0.isShown(to: reader) }
        }

        func byteCount(for reader: Reader) -> Int {
            reader == .everyone
                ? bytes : lines(for: reader).reduce(0) { $0 + $1.text.systemByteCount }
        }
    }

    private let state = Mutex(State())
    private static let linesMax = 1000
    private static let bytesMax = 256 << 10

    /// Adds one line, with the time in front.
    ///
    /// - Parameter user: whose call failed.
    func add(_ message: String, for user: UInt32) {
        let now = SystemClock.milliseconds
        var line = TimeText.describe(milliseconds: now) + " "
        line.reserveCapacity(line.utf8.count + message.utf8.count + 1)
        for scalar in message.unicodeScalars {
            line.unicodeScalars.append(scalar.value < 32 || scalar.value == 127 ? " " : scalar)
        }
        line.append("\n")
        state.withLock { state in
            state.lines.append(Line(text: line, user: user))
            state.bytes += line.systemByteCount
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
        state.withLock { $0.lines.map(\.text).joined() }
    }

    /// Bytes of what the reader may read.
    func byteCount(for reader: Reader) -> Int {
        state.withLock { $0.byteCount(for: reader) }
    }

    /// Since 1970; nil if there never was a line.
    var changedMilliseconds: UInt64? {
        state.withLock { $0.changedMilliseconds }
    }

    /// What a reader may read, and where it begins and ends in all that there ever was of it.
    struct Content {
        var start: UInt64
        var text: [UInt8]
        var end: UInt64 { start + UInt64(text.count) }
    }

    func content(for reader: Reader) -> Content {
        state.withLock { state in
            Content(
                start: state.starts[reader] ?? 0,
                text: state.lines(for: reader).flatMap { $0.text.systemBytes })
        }
    }

    func end(for reader: Reader) -> UInt64 {
        state.withLock { ($0.starts[reader] ?? 0) + UInt64($0.byteCount(for: reader)) }
    }
}
