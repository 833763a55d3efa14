import Glibc
import RainbowCore
import Synchronization

/// Carries out the commands that are written to a file.
protocol CommandInterpreter: Sendable {
    /// Carries out some commands: all of them or none.
    func execute(_ commands: [Command]) throws -> CommandAnswer
    /// What can be read after a command that failed; nil for the text that the file began with.
    func status() throws -> String?
    /// Whether a line without an end may be the beginning of a longer one, as of a list.
    ///
    /// - Parameter commands: those of the lines before it.
    func mayContinue(_ line: ArraySlice<UInt8>, after commands: [Command]) -> Bool
}

extension CommandInterpreter {
    func status() throws -> String? { nil }

    func mayContinue(_ line: ArraySlice<UInt8>, after commands: [Command]) -> Bool { true }
}

/// An open file that takes commands: a text to read, and after commands their answers.
///
/// Programs write lists in pieces that end anywhere. So a line without an end waits where the
/// write may have been cut, until the next write completes it, or a read, fsync(2) or close(2)
/// takes it as it is.
final class OpenCommands: OpenFile, @unchecked Sendable {
    private struct State {
        var answers = CommandAnswers()
        /// The beginning of a line whose end may come with the next write.
        var waiting: [UInt8] = []
        /// Whether the write that was to complete the line did not come about: then nothing else
        /// does, since the line is not whole.
        var isWaitingForWrite = false
        /// Whether a command was carried out.
        var isUsed = false
    }

    private let text: @Sendable () throws -> String
    private let commands: any CommandInterpreter
    private let isRead: Bool
    private let state = Mutex(State())

    /// A write of at least this many bytes may be a piece of a longer text.
    static let pieceBytes = 4096

    /// - Parameters:
    ///   - text: what can be read before the first command; asked for at the first read.
    ///   - isRead: whether anybody can read the answers.
    init(
        text: @autoclosure @escaping @Sendable () throws -> String, isRead: Bool,
        _ commands: any CommandInterpreter
    ) {
        self.text = text
        self.isRead = isRead
        self.commands = commands
    }

    override func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer)
        throws(TreeError) -> Int
    {
        try takeWaitingLine()
        try makeText()
        return state.withLock { unsafe $0.answers.read(at: offset, into: buffer) }
    }

    override var textSize: UInt64? {
        guard (try? makeText()) != nil else { return nil }
        return state.withLock { $0.answers.statusBytes }
    }

    /// Makes the text, if nothing was written yet.
    private func makeText() throws(TreeError) {
        let isEmpty = state.withLock { $0.answers.isEmpty && !$0.isUsed }
        guard isEmpty else { return }
        let text = CommandAnswer.text(try TreeError.translating(text).systemBytes)
        state.withLock { if $0.answers.isEmpty { $0.answers.set(status: text) } }
    }

    override func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer, isAppend: Bool)
        throws(TreeError) -> Int
    {
        let (waiting, isUsed, isFull) = state.withLock { state in
            defer { state.waiting = [] }
            return (state.waiting, state.isUsed, state.answers.isFull)
        }
        var answers: [CommandAnswer] = []
        do throws(TreeError) {
            guard !isFull else { throw OpenCommands.unreadAnswers }
            let text = unsafe waiting + bytes
            var list = try CommandText(text)
            var line = text[list.rest...]
            let mayBeCut = bytes.count >= OpenCommands.pieceBytes || list.rest > 0
            if !mayBeCut || !commands.mayContinue(line, after: list.commands.map(\.command)) {
                if let last = try CommandText.command(line) { list.append(last, end: text.count) }
                line = []
            }
            let isUsed = isUsed || !list.commands.isEmpty
            guard isUsed || !line.isEmpty || bytes.count >= OpenCommands.pieceBytes else {
                throw CommandText.noCommand
            }
            let done = try carryOut(list.commands, &answers)
            let isWhole = done == list.commands.count
            // The writer writes the rest again, and is told then what is wrong with it.
            let count = isWhole ? bytes.count : list.commands[done - 1].end - waiting.count
            state.withLock { state in
                state.answers.noteWrite(at: offset, count: count)
                if isRead { for answer in answers { state.answers.add(answer) } }
                state.waiting = isWhole ? Array(line) : []
                state.isWaitingForWrite = false
                state.isUsed = isUsed
            }
            return count
        } catch {
            noteFailure(error, waiting, at: offset)
            throw error
        }
    }

    private static let unreadAnswers = TreeError(
        ENOBUFS,
        "Too many answers of this open file were not read. Read them, or open it for"
            + " writing only.")

    /// Carries out all commands in one transaction, or in several if that is too large.
    ///
    /// - Returns: how many were carried out, at least the first: the next one failed.
    private func carryOut(
        _ list: [(command: Command, end: Int)], _ answers: inout [CommandAnswer]
    ) throws(TreeError) -> Int {
        var (done, size) = (0, list.count)
        while done < list.count {
            let part = list[done..<min(done + size, list.count)].map(\.command)
            do throws(TreeError) {
                answers.append(try execute(part))
                done += part.count
            } catch {
                if error.errno == EFBIG, part.count > 1 {
                    size = part.count / 2
                } else if done > 0 {
                    return done
                } else {
                    throw error
                }
            }
        }
        return done
    }

    private func execute(_ list: [Command]) throws(TreeError) -> CommandAnswer {
        do {
            return try commands.execute(list)
        } catch {
            throw TreeError(error)
        }
    }

    /// Of a write that failed nothing stays, nor of the line that it was to complete; only one that
    /// has to wait or was interrupted may come again.
    private func noteFailure(_ error: TreeError, _ waiting: [UInt8], at offset: UInt64) {
        let isInterrupted = error.errno == EINTR || error.wait != nil
        let status = isInterrupted || !isRead ? nil : try? commands.status() ?? text()
        state.withLock { state in
            if isInterrupted {
                state.waiting = waiting
                state.isWaitingForWrite = true
            } else {
                state.answers.noteWrite(at: offset, count: 0)
                if let status { state.answers.set(status: .text(status.systemBytes)) }
            }
        }
    }

    // MARK: The line that waits

    override var wantsFlush: Bool { true }

    override var holdsBack: Bool { state.withLock { !$0.waiting.isEmpty } }

    override func flush() throws(TreeError) { try takeWaitingLine() }

    /// Takes the line that waits as it is.
    private func takeWaitingLine() throws(TreeError) {
        let line = state.withLock { state in
            defer { state.waiting = [] }
            return state.isWaitingForWrite ? [] : state.waiting
        }
        guard !line.isEmpty else { return }
        do throws(TreeError) {
            guard let command = try CommandText.command(line[...]) else { return }
            let answer = try execute([command])
            if isRead { state.withLock { $0.answers.add(answer) } }
        } catch {
            if error.errno == EINTR || error.wait != nil {
                state.withLock { $0.waiting = line }
            }
            throw error
        }
    }
}
