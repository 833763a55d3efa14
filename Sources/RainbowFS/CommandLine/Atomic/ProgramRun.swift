import CLinux
import Glibc

/// One run of a program to its end, with what goes in, what comes out, and the signals for it.
final class ProgramRun {
    private let process: ProgramProcess
    private let input: InputReplay
    private let output: Spool?
    private let signals: SignalForwarder
    /// The end of the program's output that is read; -1 if there is none, or no longer.
    private var outputEnd: Int32 = -1
    /// What went wrong here: the program is not to blame.
    private var failure: CommandFailure?
    /// The last signal that was passed on and that usually ends a program.
    private(set) var endingSignal: Int32?

    /// Starts the program.
    /// - Parameters:
    ///   - output: takes what the program prints; nil: it prints by itself.
    ///   - signals: in use, so that none is lost between the start and now.
    init(
        _ setup: ProgramSetup, input: InputReplay, output: Spool?, signals: SignalForwarder
    ) throws(CommandFailure) {
        self.input = input
        self.output = output
        self.signals = signals
        var setup = setup
        defer { for end in [setup.input, setup.output] { if let end { close(end) } } }
        if output != nil {
            var ends: [Int32] = [-1, -1]
            guard unsafe rainbow_pipe2(&ends, O_CLOEXEC) == 0 else {
                throw CommandFailure(
                    .atomic, "No pipe can be made: \(FileError(path: "", errno: errno).reason)")
            }
            // Not on the program's end, which expects to wait.
            _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
            (outputEnd, setup.output) = (ends[0], ends[1])
        }
        do throws(FileError) {
            setup.input = try input.beginRun()
        } catch {
            throw ProgramRun.inputFailure(error)
        }
        process = try ProgramProcess(setup, signals: signals)
    }

    deinit { closeOutput() }

    /// Waits for the end of the program.
    func wait() throws(CommandFailure) -> ProgramEnd {
        let end = waitWithStreams()
        keepRest()
        attempt { () throws(FileError) in try input.endRun() }
        if let failure { throw failure }
        return end
    }

    private func waitWithStreams() -> ProgramEnd {
        while true {
            // poll(2) skips what is negative.
            var requests = [process.descriptor, signals.descriptor, outputEnd].map {
                pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
            }
            requests += input.pollRequests
            guard unsafe poll(&requests, nfds_t(requests.count), -1) >= 0 else { continue }
            if requests[2].revents != 0 { _ = readOutput() }
            attempt { () throws(FileError) in try input.advance(requests[3...]) }
            if requests[1].revents != 0 { passSignalsOn() }
            if requests[0].revents != 0 { return process.end() }
        }
    }

    private func passSignalsOn() {
        while let received = signals.next() {
            // Of this process's own writing to a program that closed its input.
            guard received.signal != SIGPIPE else { continue }
            if SignalForwarder.ending.contains(received.signal) { endingSignal = received.signal }
            if !received.isFromTerminal { process.send(received.signal) }
        }
    }

    /// Keeps what the program has printed up to now: what background jobs print later is too late.
    private func keepRest() {
        var left: Int32 = 0
        if outputEnd >= 0 { _ = unsafe ioctl(outputEnd, UInt(FIONREAD), &left) }
        while left > 0, case let count = readOutput(bytesMax: Int(left)), count > 0 {
            left -= Int32(count)
        }
        closeOutput()
    }

    /// Keeps some of what the program has printed; returns how much, 0 if there is nothing.
    private func readOutput(bytesMax: Int = .max) -> Int {
        guard let output, outputEnd >= 0 else { return 0 }
        let size = min(bytesMax, 1 << 16)
        return unsafe withUnsafeTemporaryAllocation(byteCount: size, alignment: 16) { buffer in
            let count = unsafe read(outputEnd, buffer.baseAddress, buffer.count)
            guard count > 0 else {
                if count == 0 { closeOutput() }
                return 0
            }
            do throws(FileError) {
                unsafe try output.append(.init(rebasing: buffer[..<count]))
            } catch {
                failure = CommandFailure(
                    .atomic,
                    "What the command prints cannot be kept: \(error.path): \(error.reason)."
                        + " TMPDIR can name another folder; --stream keeps nothing.")
                closeOutput()
            }
            return failure == nil ? count : 0
        }
    }

    private func closeOutput() {
        if outputEnd >= 0 { close(outputEnd) }
        outputEnd = -1
    }

    private func attempt(_ body: () throws(FileError) -> Void) {
        do throws(FileError) {
            try body()
        } catch {
            failure = ProgramRun.inputFailure(error)
            input.abandonRun()
        }
    }

    private static func inputFailure(_ error: FileError) -> CommandFailure {
        CommandFailure(
            .atomic, "The command's input cannot be kept: \(error.path): \(error.reason).")
    }
}
