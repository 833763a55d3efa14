import CFuse
import Core
import Glibc
import Synchronization

/// Follows the commits of the space, whichever mount or program makes them, and tells the kernel
/// which of the attributes it keeps are old.
///
/// It does so from a thread of its own that holds no lock: a notification can wait in the kernel
/// for a request that waits for this daemon.
@safe final class Invalidator: @unchecked Sendable {
    private let session: OpaquePointer
    private let feed: CommitFeed
    private let kept: KeptAttributes
    private let isEnding = Atomic<Bool>(false)
    private var thread = pthread_t()

    /// While commits come in without a pause, one notification in this time stands for them all, so
    /// that a writer does not wake this thread with each commit.
    private static let pauseMicroseconds: UInt32 = 5_000
    private static let wakeMilliseconds = 1_000
    private static let wakeSignal = SIGUSR1

    init(_ session: OpaquePointer, feed: CommitFeed, kept: KeptAttributes) {
        unsafe self.session = session
        self.feed = feed
        self.kept = kept
    }

    func start() {
        // Signals that end the mount are for the thread of the session; one is left to end a wait.
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
            { invalidator in
                guard let invalidator = unsafe invalidator else { return nil }
                unsafe Unmanaged<Invalidator>.fromOpaque(invalidator).takeUnretainedValue().follow()
                return nil
            }, unretained)
        precondition(result == 0, "no thread can be started: \(ErrorText.of(result))")
        unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
    }

    /// Returns when the thread has ended.
    func stop() {
        isEnding.store(true, ordering: .releasing)
        pthread_kill(thread, Self.wakeSignal)
        _ = pthread_join(thread, nil)
    }

    private func follow() {
        while !isEnding.load(ordering: .acquiring) {
            guard feed.next(milliseconds: Self.wakeMilliseconds) != nil else { continue }
            while feed.next() != nil {}
            for node in kept.take() {
                // Attributes only (a negative offset); the kernel may not know the node any more.
                unsafe _ = fuse_lowlevel_notify_inval_inode(session, node.rawValue, -1, 0)
            }
            usleep(Self.pauseMicroseconds)
        }
    }
}
