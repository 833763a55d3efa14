import CLinux
import Glibc

/// The signals that concern a program that this process runs: taken from a descriptor while it
/// runs, so that they can be passed on, and left alone at all other times.
///
/// A signal that this process ignores stays ignored, as nohup(1) and background jobs of a shell
/// want it; the program has inherited that.
final class SignalForwarder {
    struct Received: Equatable {
        var signal: Int32
        /// Sent by the terminal: the whole process group has it, so the program too.
        var isFromTerminal: Bool
    }

    /// Those that end a program that does not care for them.
    static let ending = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM]
    static let others = [SIGWINCH]

    /// Can be read when there is a signal.
    let descriptor: Int32
    /// What the program starts with.
    private(set) var inheritedMask = sigset_t()
    private var taken = sigset_t()

    init() throws(CommandFailure) {
        unsafe sigemptyset(&taken)
        for signal in SignalForwarder.ending + SignalForwarder.others
        where rainbow_ignores_signal(signal) == 0 {
            unsafe sigaddset(&taken, signal)
        }
        // A program that closes its input is no reason to end.
        unsafe sigaddset(&taken, SIGPIPE)
        // Where the end of children is ignored, the kernel keeps no exit status.
        rainbow_reset_signal(SIGCHLD)
        descriptor = unsafe signalfd(-1, &taken, Int32(SFD_CLOEXEC | SFD_NONBLOCK))
        guard descriptor >= 0 else {
            let reason = FileError(path: "", errno: errno).reason
            throw CommandFailure(.atomic, "Signals cannot be watched: \(reason)")
        }
    }

    deinit { close(descriptor) }

    /// From here on signals wait in the descriptor.
    func start() { unsafe sigprocmask(SIG_BLOCK, &taken, &inheritedMask) }

    /// Back to how it was: what was not taken from the descriptor now has its usual effect.
    func stop() {
        unsafe sigprocmask(SIG_SETMASK, &inheritedMask, nil)
    }

    /// The next signal that waits.
    func next() -> Received? {
        var info = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        guard unsafe read(descriptor, &info, size) == size else { return nil }
        return Received(
            signal: Int32(info.ssi_signo),
            isFromTerminal: info.ssi_code == rainbow_signal_from_kernel)
    }

    /// Takes all that wait; returns the first one that ends a program.
    func takeEnding() -> Int32? {
        var found: Int32?
        while let received = next() {
            guard SignalForwarder.ending.contains(received.signal) else { continue }
            found = found ?? received.signal
        }
        return found
    }
}
