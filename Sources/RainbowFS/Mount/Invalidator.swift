import CFuse
import Core

/// Follows the commits of the space, whichever mount or program makes them, and tells the kernel
/// which of the attributes it keeps are old.
///
/// It does so from a thread of its own that holds no lock: a notification can wait in the kernel
/// for a request that waits for this daemon.
@safe struct Invalidator: @unchecked Sendable {
    let session: OpaquePointer
    let feed: CommitFeed
    let kept: KeptAttributes

    /// While commits come in without a pause, one notification in this time stands for them all, so
    /// that a writer does not wake the thread with each commit.
    private static let pauseMilliseconds = 5
    private static let wakeMilliseconds = 1_000

    func follow(_ thread: HelperThread) {
        while !thread.isEnding {
            guard feed.next(milliseconds: Self.wakeMilliseconds) != nil else { continue }
            while !thread.isEnding, feed.next() != nil {}
            for node in kept.take() {
                // Attributes only (a negative offset); the kernel may not know the node any more.
                unsafe _ = fuse_lowlevel_notify_inval_inode(session, node.rawValue, -1, 0)
            }
            thread.pause(milliseconds: Self.pauseMilliseconds)
        }
    }
}
