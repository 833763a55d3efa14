import CFuse
import CLinux
import Glibc

/// Going to the background: the parent waits until the child says that the mount answers, or what
/// its exit status is to be, so that a shell's next command finds the mount.
///
/// The child goes on only if the parent has heard it. A mount whose starter was interrupted or
/// killed ends again, and who is interrupted waits for that: a script that cleans up after Ctrl-C
/// then finds either a mount or none, and none that is about to come.
struct Background {
    private let socket: Int32

    enum Side {
        case parent(exitStatus: Int32)
        case child(Background)
    }

    private static let secondsToEnd = 10

    /// Must run while the process has one thread and no space: threads and the locks that tell a
    /// node's life do not pass on to a child.
    /// - Parameter descriptor: of a mount that is made already; it stays open.
    static func start(keeping descriptor: Int32?) throws(MountFailure) -> Side {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw failed("socketpair") }
        var ending = sigset_t()
        unsafe sigemptyset(&ending)
        for signal in [SIGHUP, SIGINT, SIGTERM] { unsafe sigaddset(&ending, signal) }
        var usual = sigset_t()
        unsafe sigprocmask(SIG_BLOCK, &ending, &usual)
        // If one of them came meanwhile, this process ends by it now.
        defer { unsafe sigprocmask(SIG_SETMASK, &usual, nil) }
        let child = rainbow_fork()
        guard child >= 0 else { throw failed("fork") }
        if child > 0 {
            close(ends[1])
            return .parent(exitStatus: waitForStatus(ends[0], of: child, orFor: ending))
        }
        setsid()
        keepOnly([ends[1], descriptor].compactMap { $0 })
        return .child(Background(socket: ends[1]))
    }

    /// Lets the parent go. After success nothing of the terminal is kept.
    /// - Returns: false if the parent is gone already, so that nobody knows of the mount.
    func report(_ status: Int32) -> Bool {
        if status == 0 { detachFromTerminal() }
        defer { close(socket) }
        var byte = UInt8(truncatingIfNeeded: status)
        guard unsafe send(socket, &byte, 1, Int32(MSG_NOSIGNAL)) == 1 else { return false }
        return Background.receive(from: socket) != nil
    }

    private func detachFromTerminal() {
        unsafe _ = chdir("/")
        let null = unsafe open("/dev/null", O_RDWR)
        guard null >= 0 else { return }
        for standard in 0...2 { dup2(null, Int32(standard)) }
        if null > 2 { close(null) }
    }

    /// Closes what was inherited, except for standard input and output: anyone who waits for the
    /// end of a pipe or for a lock must not wait for the mount.
    private static func keepOnly(_ descriptors: [Int32]) {
        var first = STDERR_FILENO + 1
        for kept in descriptors.sorted() {
            if kept > first { _ = rainbow_close_range(UInt32(first), UInt32(kept) - 1) }
            first = kept + 1
        }
        _ = rainbow_close_range(UInt32(first), .max)
    }

    private static func waitForStatus(
        _ socket: Int32, of child: pid_t, orFor ending: sigset_t
    ) -> Int32 {
        var ending = ending
        let signals = unsafe signalfd(-1, &ending, Int32(SFD_CLOEXEC))
        var ready = [
            pollfd(fd: socket, events: Int16(POLLIN), revents: 0),
            pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
        ]
        while unsafe poll(&ready, 2, -1) < 0, errno == EINTR {}
        if ready[1].revents != 0 {
            close(socket)
            awaitEnd(of: child)
            return MountFailure.Status.mount.rawValue
        }
        if var status = receive(from: socket) {
            unsafe _ = send(socket, &status, 1, Int32(MSG_NOSIGNAL))
            return Int32(status)
        }
        var status: Int32 = 0
        unsafe _ = waitpid(child, &status, 0)
        MountLog.printError("the mount's process ended before the mount answered")
        return MountFailure.Status.mount.rawValue
    }

    /// One byte; nil if the other side is gone.
    private static func receive(from socket: Int32) -> UInt8? {
        var byte: UInt8 = 0
        while true {
            let count = unsafe read(socket, &byte, 1)
            if count == 1 { return byte }
            guard count < 0, errno == EINTR else { return nil }
        }
    }

    /// For some time only: it could hang in the kernel.
    private static func awaitEnd(of child: pid_t) {
        var status: Int32 = 0
        for _ in 0..<secondsToEnd * 200 {
            guard unsafe waitpid(child, &status, WNOHANG) == 0 else { return }
            usleep(5000)
        }
    }

    private static func failed(_ call: String) -> MountFailure {
        MountFailure(.mount, "cannot go to the background (\(call): \(ErrorText.of(errno)))")
    }
}
