import Glibc
import Synchronization

/// Runs `body` on `count` threads of their own at once, and waits for all.
public func onThreads(_ count: Int, _ body: @escaping @Sendable (_ index: Int) -> Void) {
    let threads = (0..<count).map { index in startThread { body(index) } }
    for thread in threads { pthread_join(thread, nil) }
}

/// Starts a thread that `pthread_join` waits for.
public func startThread(_ body: @escaping @Sendable () -> Void) -> pthread_t {
    var thread = pthread_t()
    let cell = unsafe Unmanaged.passRetained(ThreadBody(body)).toOpaque()
    let result = unsafe pthread_create(
        &thread, nil,
        { argument in
            unsafe Unmanaged<ThreadBody>.fromOpaque(argument!).takeRetainedValue().body()
            return nil
        }, cell)
    precondition(result == 0, "no thread could be started")
    return thread
}

private final class ThreadBody: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

/// Ends the whole run with a message if `body` takes longer than `seconds`: a lock that
/// nobody gives back must fail the tests, not hang them.
public func withDeadline<R>(
    seconds: Int, _ what: String, _ body: () throws -> R
) rethrows -> R {
    let deadline = Deadline()
    let thread = startThread { deadline.watch(seconds: seconds, what) }
    defer {
        deadline.cancel()
        pthread_join(thread, nil)
    }
    return try body()
}

private final class Deadline: @unchecked Sendable {
    private var descriptors: [Int32] = [0, 0]

    init() {
        let result = unsafe pipe(&descriptors)
        precondition(result == 0, "no pipe could be made")
    }

    deinit {
        close(descriptors[0])
        close(descriptors[1])
    }

    func cancel() {
        var byte: UInt8 = 0
        _ = unsafe write(descriptors[1], &byte, 1)
    }

    func watch(seconds: Int, _ what: String) {
        var request = pollfd(fd: descriptors[0], events: Int16(POLLIN), revents: 0)
        var left = seconds * 1000
        while left > 0 {
            // In slices: the time that a machine was asleep does not count.
            if unsafe poll(&request, 1, Int32(min(left, 1000))) > 0 { return }
            left -= 1000
        }
        fatalError("\(what) hangs: more than \(seconds) seconds")
    }
}

/// Returns when a commit from now on has a later time than one before. Commits are timed by the
/// kernel's clock of ticks, every 16 ms.
public func passCommitTime() {
    func milliseconds() -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME_COARSE, &time)
        return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
    }
    let begin = milliseconds()
    while milliseconds() < begin + 20 { usleep(1_000) }
}

/// Nanoseconds of the monotonic clock.
public func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
