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

/// Descriptors 0, 1 and 2. Anyone who starts the program can have closed them; then the next file
/// that is opened, the control file of a transaction say, would be taken for standard output.
enum StandardDescriptors {
    /// Opens those that are closed, such that using them fails as before.
    static func occupy() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            _ = unsafe open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }

    /// Has a write past the limit of file sizes fail with EFBIG, as one to a full disk fails,
    /// rather than end the program. A program that is run has the signal as it was.
    static func failPastLimit() {
        var (action, before) = (sigaction(), sigaction())
        unsafe action.__sigaction_handler.sa_handler = { _ in }
        unsafe sigaction(SIGXFSZ, &action, &before)
        let isIgnored = unsafe before.__sigaction_handler.sa_handler.map {
            unsafe unsafeBitCast($0, to: Int.self) == 1
        }
        if isIgnored == true { unsafe sigaction(SIGXFSZ, &before, nil) }
    }
}
