/// The lines that a reader of `events` has not read yet. It never holds more than so many bytes: a
/// reader that lags gets one line instead of those that found no room.
struct EventQueue {
    static let bytesMax = 1 << 20
    /// What a line costs beside its text.
    private static let lineOverhead = 64
    /// How many bytes that were read can be read again by who steps back: bash and head(1) read
    /// more than a line and go back to its end.
    private static let recentMax = 8192

    /// Shared with the other readers of the same line.
    private var lines: [[UInt8]] = []
    /// Where the first unread line is, and where in it the next read begins.
    private var first = 0
    private var offset = 0
    private var bytes = 0
    /// The newest version that found no room.
    private var lostVersion: UInt64?
    /// The last bytes that were read, and the offset in the file of what comes after them.
    private var recent: [UInt8] = []
    private var end: UInt64 = 0

    var isEmpty: Bool { first == lines.count && lostVersion == nil }

    /// Whether lines are dropped until the reader has read all there is.
    var lags: Bool { lostVersion != nil }

    mutating func append(_ line: [UInt8], version: UInt64) {
        guard lostVersion == nil, bytes + line.count + Self.lineOverhead <= Self.bytesMax else {
            return lose(upTo: version)
        }
        lines.append(line)
        bytes += line.count + Self.lineOverhead
    }

    /// Commits up to this version are missing.
    mutating func lose(upTo version: UInt64) {
        lostVersion = version
    }

    /// Forgets all that was not read.
    mutating func removeAll() {
        (lines, first, offset, bytes, lostVersion) = ([], 0, 0, 0, nil)
    }

    /// Reads whole lines, as many as there is room for; of a line that is longer than the buffer,
    /// a part.
    ///
    /// - Parameter position: where in the file the reader stands; what is new is always there.
    /// - Returns: the number of bytes; nil if there is nothing new.
    mutating func read(at position: UInt64, into buffer: UnsafeMutableRawBufferPointer) -> Int? {
        if position < end, end - position <= UInt64(recent.count) {
            let start = recent.count - Int(end - position)
            return unsafe recent.copy(from: UInt64(start), into: buffer)
        }
        if position != end { recent.removeAll(keepingCapacity: true) }
        end = position
        if first == lines.count, let version = lostVersion {
            lostVersion = nil
            append(EventText.lost(upTo: version), version: version)
        }
        guard first < lines.count else { return nil }
        let count = unsafe takeLines(into: buffer)
        end += UInt64(count)
        let read = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<count].suffix(Self.recentMax))
        recent.removeFirst(min(recent.count, max(0, recent.count + read.count - Self.recentMax)))
        unsafe recent.append(contentsOf: read)
        return count
    }

    private mutating func takeLines(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        var count = 0
        while first < lines.count {
            let left = lines[first].count - offset
            guard count == 0 || left <= buffer.count - count else { break }
            let room = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
            let copied = unsafe lines[first].copy(from: UInt64(offset), into: room)
            count += copied
            guard copied == left else {
                offset += copied
                break
            }
            bytes -= lines[first].count + Self.lineOverhead
            lines[first] = []
            (first, offset) = (first + 1, 0)
        }
        if first == lines.count {
            lines.removeAll(keepingCapacity: lines.count < 1024)
            first = 0
        } else if first > 1024, first > lines.count / 2 {
            lines.removeFirst(first)
            first = 0
        }
        return count
    }
}
