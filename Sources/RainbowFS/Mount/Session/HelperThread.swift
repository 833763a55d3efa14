import Glibc
import Synchronization

/// A thread beside those that answer requests. It keeps none of the signals that end the mount, and
/// is woken from its waits when it is to end.
final class HelperThread: @unchecked Sendable {
    private let body: @Sendable (HelperThread) -> Void
    private let ending = Atomic<Bool>(false)
    private var thread = pthread_t()

    /// Interrupts a wait; its handler does nothing.
    private static let wakeSignal = SIGUSR1

    /// - Throws: what says that the process may have no more threads.
    init(_ body: @escaping @Sendable (HelperThread) -> Void) throws(MountFailure) {
        self.body = body
        var (blocked, before) = (sigset_t(), sigset_t())
        unsafe sigfillset(&blocked)
        unsafe sigdelset(&blocked, Self.wakeSignal)
        unsafe pthread_sigmask(SIG_SETMASK, &blocked, &before)
        var action = sigaction()
        unsafe action.__sigaction_handler.sa_handler = { _ in }
        unsafe sigaction(Self.wakeSignal, &action, nil)
        let unretained = unsafe Unmanaged.passUnretained(self).toOpaque()
        let result = unsafe pthread_create(
            &thread, nil,
            { helper in
                guard let helper = unsafe helper else { return nil }
                let running = unsafe Unmanaged<HelperThread>.fromOpaque(helper)
                    .takeUnretainedValue()
                running.body(running)
                return nil
            }, unretained)
        unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
        guard result == 0 else {
            throw MountFailure(
                .mount,
                "no thread can be started (\(ErrorText.of(result))); see the limits of processes "
                    + "and memory, ulimit -u and -v")
        }
    }

    /// Whether the thread is to end.
    var isEnding: Bool { ending.load(ordering: .acquiring) }

    /// Lets the thread know that it is to end.
    func end() {
        ending.store(true, ordering: .releasing)
        pthread_kill(thread, Self.wakeSignal)
    }

    /// Returns when the thread has ended.
    func stop() {
        end()
        _ = pthread_join(thread, nil)
    }

    func pause(milliseconds: Int) {
        pause(microseconds: milliseconds * 1_000)
    }

    /// Sleeps for that time, or less when the thread is to end.
    func pause(microseconds: Int) {
        guard !isEnding else { return }
        var time = timespec(
            tv_sec: microseconds / 1_000_000, tv_nsec: microseconds % 1_000_000 * 1_000)
        unsafe nanosleep(&time, nil)
    }
}
