import Core
import Glibc
import Synchronization

/// Carries out the lines that are written to a file.
protocol CommandInterpreter: Sendable {
    /// Carries out one write: all of it or nothing.
    func execute(_ text: String) throws -> CommandAnswer
    /// What can be read after a command that failed; nil for the text that the file began with.
    var status: String? { get }
}

extension CommandInterpreter {
    var status: String? { nil }
}

/// What a command has to say.
enum CommandAnswer: Sendable {
    case text([UInt8])
    /// One `objects/0x...` line an object, made when they are read: there may be millions.
    case objects([NewObjects])

    private static let objectLineBytes = "objects/0x0123456789abcdef\n".utf8.count

    /// Copies what lies behind `offset`.
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
            skipped += size
        }
        return found
    }
}

/// An open file that takes commands: a text to read, and after a command its answer.
final class CommandFile: OpenFile, @unchecked Sendable {
    private struct State {
        /// Nil until the first read or command.
        var answer: CommandAnswer?
        /// Where the last write ended: a reader of the same descriptor stands there.
        var end: UInt64?
        /// The offset of the answer's first byte, once it was read.
        var start: UInt64?
    }

    private let text: @Sendable () -> String
    private let commands: any CommandInterpreter
    private let state = Mutex(State())

    /// - Parameter text: what can be read before the first command; asked for at the first read.
    init(
        text: @autoclosure @escaping @Sendable () -> String, _ commands: any CommandInterpreter
    ) {
        self.text = text
        self.commands = commands
    }

    /// The answer begins where the write of the command ended, as `read -u` in a shell needs it, or
    /// at the start of the file, for pread(2) and a new seek: the first read decides.
    override func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer)
        throws(TreeError) -> Int
    {
        state.withLock { state in
            if state.start == nil, let end = state.end {
                state.start = offset >= end ? end : 0
            }
            var start = state.start ?? 0
            if offset < start {
                state.start = 0
                start = 0
            }
            let answer = state.answer ?? .text(Array(text().utf8))
            state.answer = answer
            return unsafe answer.copy(from: offset - start, into: buffer)
        }
    }

    override func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer, isAppend: Bool)
        throws(TreeError) -> Int
    {
        guard let command = unsafe String(validating: bytes, as: UTF8.self) else {
            throw TreeError(EINVAL, "A command is UTF-8 text; this is not.")
        }
        let outcome: Result<CommandAnswer, TreeError>
        do throws(TreeError) {
            outcome = .success(try translating(command))
        } catch {
            outcome = .failure(error)
        }
        state.withLock { state in
            state.answer = (try? outcome.get()) ?? .text(Array((commands.status ?? text()).utf8))
            state.end = offset + UInt64(bytes.count)
            state.start = nil
        }
        _ = try outcome.get()
        return bytes.count
    }

    private func translating(_ command: String) throws(TreeError) -> CommandAnswer {
        do {
            return try commands.execute(command)
        } catch {
            throw TreeError(error)
        }
    }
}
