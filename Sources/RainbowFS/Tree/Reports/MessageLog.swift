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

/// `messages`: what went wrong through this mount and why, newest last.
///
/// Its owner and root read all of it, others what they were told themselves.
struct MessagesFile: TextNode {
    let view: View
    let id = NodeID(.messages)

    func describe(_ tx: inout Transaction) throws -> Description {
        let size = view.messages.byteCount(for: .everyone)
        var description = try view.ownFile(id, mode: 0o444, size: size, version: 0, &tx)
        if let milliseconds = view.messages.changedMilliseconds {
            description.attributes.setTime(milliseconds: milliseconds)
        }
        return description
    }

    private func reader(_ caller: Caller, _ owner: UInt32) -> MessageLog.Reader {
        caller.uid == 0 || caller.uid == owner ? .everyone : .user(caller.uid)
    }

    func size(for caller: Caller, _ attributes: Attributes) -> UInt64 {
        UInt64(view.messages.byteCount(for: reader(caller, attributes.uid)))
    }

    func open(_ request: OpenRequest) throws -> OpenFile {
        try refuseWriting(request)
        let owner = try view.examine(self) { tx in try describe(&tx) }.attributes.uid
        return OpenMessages(view.messages, reader(request.caller, owner))
    }
}

/// The open messages: those at the opening, and at their end what came since, so that
/// `tail -f` follows, also when old lines were dropped meanwhile.
final class OpenMessages: OpenFile, @unchecked Sendable {
    private struct State {
        var content: MessageLog.Content
        /// What the offset 0 stands for.
        var origin: UInt64
    }

    private let log: MessageLog
    private let reader: MessageLog.Reader
    private let state: Mutex<State>

    init(_ log: MessageLog, _ reader: MessageLog.Reader) {
        self.log = log
        self.reader = reader
        let content = log.content(for: reader)
        state = Mutex(State(content: content, origin: content.start))
    }

    override func seekEnd() -> UInt64? { followedSize }

    /// It grows with what is added, and does not shrink with what is dropped: tail(1) takes a file
    /// that shrinks for another one.
    override var followedSize: UInt64? {
        state.withLock { log.end(for: reader) - $0.origin }
    }

    override func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer)
        throws(TreeError) -> Int
    {
        state.withLock { state in
            let position = state.origin + offset
            if position >= state.content.end, log.end(for: reader) > state.content.end {
                state.content = log.content(for: reader)
            }
            // Where lines are gone it goes on with the first one that is left.
            if position < state.content.start { state.origin = state.content.start - offset }
            let location = state.origin + offset - state.content.start
            return unsafe state.content.text.copy(from: location, into: buffer)
        }
    }
}
