import ArgumentParser
import Glibc
import RainbowCore
import Synchronization

/// The standard output of all commands. What cannot be written is an error, at the end at the
/// latest: a full disk must not look like an empty answer.
enum StandardOutput {
    private struct State {
        var pending: [UInt8] = []
        /// Why something could not be written; nothing more is written then.
        var failure: FileError?
    }

    private static let state = Mutex(State())
    private static let pendingBytesMax = 1 << 16

    /// Prints a line, or without an end a part of one. It may wait for `flush` or `finish`.
    static func print(_ text: some CustomStringConvertible, terminator: String = "\n") {
        state.withLock { state in
            state.pending += (text.description + terminator).systemBytes
            if state.pending.count > pendingBytesMax { flush(&state) }
        }
    }

    /// Writes what waits.
    static func flush() throws(CommandFailure) {
        try state.withLock { (state) throws(CommandFailure) in
            flush(&state)
            try check(state)
        }
    }

    /// Prints a line that must not wait.
    static func printNow(_ line: some CustomStringConvertible) throws(CommandFailure) {
        print(line)
        try flush()
    }

    /// Writes bytes after all that was printed.
    static func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        try state.withLock { (state) throws(FileError) in
            flush(&state)
            if let failure = state.failure { throw failure }
            do throws(FileError) {
                unsafe try FileText.write(bytes, to: STDOUT_FILENO, name)
            } catch {
                state.failure = error
                throw error
            }
        }
    }

    /// Writes what waits, and closes the file: some file systems say only then what is wrong.
    static func finish() throws(CommandFailure) {
        try state.withLock { (state) throws(CommandFailure) in
            flush(&state)
            if close(STDOUT_FILENO) != 0, errno != EBADF, state.failure == nil {
                state.failure = FileError(path: name, errno: errno)
            }
            try check(state)
        }
    }

    private static let name = "standard output"

    private static func flush(_ state: inout State) {
        let bytes = state.pending
        state.pending = []
        guard state.failure == nil, !bytes.isEmpty else { return }
        do throws(FileError) {
            try FileText.write(bytes, to: STDOUT_FILENO, name)
        } catch {
            state.failure = error
        }
    }

    private static func check(_ state: State) throws(CommandFailure) {
        guard let failure = state.failure else { return }
        throw CommandFailure(.refused, "The output cannot be written: \(failure.reason).")
    }
}

/// Why a command ends without having done its work: one sentence, and the exit status.
struct CommandFailure: Error, CustomStringConvertible {
    /// Exit statuses, as in the manual page.
    enum Status: Int32 {
        case arguments = 1
        case noMount = 2
        case refused = 3
        case damaged = 4
        /// Those of `atomic`, away from what its command may end with, as timeout(1) has them.
        case gaveUp = 75
        case atomic = 125
        case commandNotRunnable = 126
        case commandNotFound = 127
    }

    var status: Status
    var description: String

    init(_ status: Status, _ description: String) {
        self.status = status
        self.description = description
    }
}
