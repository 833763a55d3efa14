import Glibc
import RainbowCore

/// What a command has to say.
enum CommandAnswer: Sendable {
    case text([UInt8])
    /// One `objects/0x...` line an object, made when they are read: there may be millions.
    case objects([NewObjects])

    private static let objectLineBytes = "objects/0x0123456789abcdef\n".utf8.count

    /// Bytes that can be read.
    var byteCount: UInt64 {
        switch self {
        case .text(let text): UInt64(text.count)
        case .objects(let runs):
            runs.reduce(0) { $0 + UInt64($1.count) } * UInt64(CommandAnswer.objectLineBytes)
        }
    }

    /// Bytes of this process that it takes, about.
    var cost: Int {
        switch self {
        case .text(let text): text.count
        case .objects(let runs): runs.count * MemoryLayout<NewObjects>.stride
        }
    }

    /// Copies what comes after `offset`.
    func copy(from offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        switch self {
        case .text(let text): return unsafe text.copy(from: offset, into: buffer)
        case .objects(let runs):
            let lineBytes = UInt64(CommandAnswer.objectLineBytes)
            let first = offset / lineBytes
            let count = buffer.count / CommandAnswer.objectLineBytes + 2
            var lines: [UInt8] = []
            lines.reserveCapacity(count * CommandAnswer.objectLineBytes)
            for address in CommandAnswer.addresses(runs, from: first, count: count) {
                lines.append(contentsOf: "objects/\(address)\n".utf8)
            }
            return unsafe lines.copy(from: offset % lineBytes, into: buffer)
        }
    }

    private static func addresses(_ runs: [NewObjects], from first: UInt64, count: Int) -> [Address]
    {
        var found: [Address] = []
        var skipped: UInt64 = 0
        for run in runs {
            let size = UInt64(run.count)
            var index = first > skipped ? first - skipped : 0
            while index < size, found.count < count {
                found.append(run.first + Int(index) * run.stride)
                index += 1
            }
            if found.count == count { break }
            skipped += size
        }
        return found
    }
}

/// The answers of an open file, in the order of their commands, until they are read.
///
/// Where they are in the file, the first read after a write decides: where that write ended, as
/// `read -u` in a shell needs it, or at the start, for pread(2) and a new seek. Where the next
/// write begins says how much of them a reader has taken: bash reads ahead and seeks back.
struct CommandAnswers {
    private var answers: [CommandAnswer] = []
    /// Bytes of the first one that were read.
    private var taken: UInt64 = 0
    /// Said instead of an answer; it goes when the next command comes.
    private var status: CommandAnswer?
    /// Where the last write ended.
    private var end: UInt64?
    /// The offset of the first byte that was not read at the last write.
    private var start: UInt64?
    /// How far from there it was read.
    private var readTo: UInt64 = 0
    private var cost = 0

    static let costMax = 16 << 20
    var isFull: Bool { cost > CommandAnswers.costMax }

    /// Whether there is something to read, or was since the last write.
    var isEmpty: Bool { answers.isEmpty && status == nil }

    mutating func add(_ answer: CommandAnswer) {
        guard answer.byteCount > 0 else { return }
        answers.append(answer)
        cost += answer.cost
    }

    mutating func set(status: CommandAnswer) { self.status = status }

    /// Bytes of the status; nil if there is none.
    var statusBytes: UInt64? { status?.byteCount }

    /// Begins a write: what was read goes.
    mutating func noteWrite(at offset: UInt64, count: Int) {
        if let start {
            let isElsewhere = offset == end || offset <= start || offset - start > readTo
            drop(isElsewhere ? readTo : offset - start)
        }
        (start, readTo, status) = (nil, 0, nil)
        end = offset.addingReportingOverflow(UInt64(count)).partialValue
    }

    private mutating func drop(_ count: UInt64) {
        taken += count
        var gone = 0
        while gone < answers.count, taken >= answers[gone].byteCount {
            taken -= answers[gone].byteCount
            cost -= answers[gone].cost
            gone += 1
        }
        answers.removeFirst(gone)
        // The rest was of a status.
        if answers.isEmpty { taken = 0 }
    }

    mutating func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        if start == nil || offset < start ?? 0 {
            let end = end ?? 0
            start = start == nil && offset >= end ? end : 0
        }
        let first = offset - (start ?? 0)
        var (position, count) = (first &+ taken, 0)
        guard position >= first else { return 0 }
        for answer in answers + (status.map { [$0] } ?? []) where count < buffer.count {
            let size = answer.byteCount
            while position < size, count < buffer.count {
                let window = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
                let copied = unsafe answer.copy(from: position, into: window)
                position += UInt64(copied)
                count += copied
            }
            position = position > size ? position - size : 0
        }
        readTo = max(readTo, first + UInt64(count))
        return count
    }
}
