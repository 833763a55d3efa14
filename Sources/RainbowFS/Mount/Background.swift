import CFuse
import Glibc

/// The way to the background: the parent waits at a pipe until the child says that the mount
/// answers, or what its exit status is to be, so that a shell's next command finds the mount.
struct Background {
    private let pipe: Int32

    enum Side {
        case parent(exitStatus: Int32)
        case child(Background)
    }

    /// Must run while the process has one thread and no space: threads and the locks that tell a
    /// node's life do not pass on to a child.
    static func start() throws(MountFailure) -> Side {
        var ends: [Int32] = [-1, -1]
        guard unsafe Glibc.pipe(&ends) == 0 else { throw failed("pipe") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let child = rainbow_fork()
        guard child >= 0 else { throw failed("fork") }
        if child > 0 {
            close(ends[1])
            return .parent(exitStatus: waitForStatus(ends[0], of: child))
        }
        setsid()
        return .child(Background(pipe: keepOnly(ends[1])))
    }

    /// Lets the parent go. After success nothing of the terminal is kept.
    func report(_ status: Int32) {
        if status == 0 { detachFromTerminal() }
        var byte = UInt8(truncatingIfNeeded: status)
        unsafe _ = write(pipe, &byte, 1)
        close(pipe)
    }

    private func detachFromTerminal() {
        unsafe _ = chdir("/")
        let null = unsafe open("/dev/null", O_RDWR)
        guard null >= 0 else { return }
        for standard in 0...2 { dup2(null, Int32(standard)) }
        if null > 2 { close(null) }
    }

    /// Closes what was inherited, but for standard input and output: whoever waits for the end of a
    /// pipe or for a lock must not wait for the mount.
    private static func keepOnly(_ descriptor: Int32) -> Int32 {
        let kept = STDERR_FILENO + 1
        if descriptor != kept { dup2(descriptor, kept) }
        _ = rainbow_close_from(UInt32(kept) + 1)
        _ = fcntl(kept, F_SETFD, FD_CLOEXEC)
        return kept
    }

    private static func waitForStatus(_ pipe: Int32, of child: pid_t) -> Int32 {
        var byte: UInt8 = 0
        while true {
            let count = unsafe read(pipe, &byte, 1)
            if count == 1 { return Int32(byte) }
            if count == 0 { break }
            guard errno == EINTR else { break }
        }
        var status: Int32 = 0
        unsafe _ = waitpid(child, &status, 0)
        MountLog.printError("the mount's process ended before the mount answered")
        return MountFailure.Status.mount.rawValue
    }

    private static func failed(_ call: String) -> MountFailure {
        MountFailure(.mount, "cannot go to the background (\(call): \(ErrorText.of(errno)))")
    }
}
