import CFuse
import Glibc
import RainbowCore
import Synchronization

/// Follows the commits of the space, whichever mount or program makes them: tells the kernel which
/// of the attributes it keeps are old, and those who wait for commits that there was one.
///
/// It does so from a thread of its own that holds no lock: a notification can wait in the kernel
/// for a request that waits for this daemon.
@safe struct Follower: @unchecked Sendable {
    let feed: CommitFeed
    let system: FileSystem

    /// While nobody listens and commits come in without a pause, one notification in this time
    /// stands for them all, so that a writer does not wake the thread with each commit.
    private static let restMicrosecondsMax = 5_000
    private static let wakeMilliseconds = 1_000
    /// While somebody listens, news is handed on at least this often.
    private static let batchMicroseconds = 1_000
    /// Then the thread works a part of the time only, which leaves the processors to the writers:
    /// it rests this many times as long as it worked, which is not long after a single commit.
    private static let restsPerWork = 3

    func follow(_ thread: HelperThread) {
        var known: UInt64 = 0
        while !thread.isEnding {
            let first = feed.next(milliseconds: Self.wakeMilliseconds)
            system.kept.tick()
            guard let first else { continue }
            let began = Self.microseconds()
            handOn(first, began, &known, thread)
            let rest =
                system.hasListeners
                ? (Self.microseconds() - began) * Self.restsPerWork : Self.restMicrosecondsMax
            thread.pause(microseconds: min(rest, Self.restMicrosecondsMax))
        }
    }

    /// - Parameter known: the version of the last event before.
    private func handOn(
        _ first: CommitFeed.Event, _ began: Int, _ known: inout UInt64, _ thread: HelperThread
    ) {
        var event = first
        while true {
            // Who is told of a commit must not find attributes from before it.
            system.kept.take(event, knownUpTo: known)
            system.kept.takeDirectories()
            known = event.version
            system.tree.events.take(event)
            system.polls.take(event)
            system.pages.take(event)
            let isDue =
                system.hasListeners && Self.microseconds() - began >= Self.batchMicroseconds
            guard !isDue, !thread.isEnding, let next = feed.next() else { break }
            event = next
        }
        system.pages.dropStale()
        system.parked.answerReady()
        system.polls.notify()
    }

    private static func microseconds() -> Int {
        Int(SystemClock.monotonicNanoseconds / 1000)
    }
}
