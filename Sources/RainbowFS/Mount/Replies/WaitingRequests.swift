import CFuse
import CLinux
import Glibc
import RainbowCore
import Synchronization

/// The requests that found something taken by another process, a line, the serial mode, the table
/// of snapshots: they have changed nothing, keep no thread, and are run again from their messages
/// when that is over. Interrupted, they are answered at once, and what they wanted is not done.
///
/// Who writes: the thread that gives a request up, the one thread that runs them again, and the
/// thread in which libfuse tells of an interrupt. A request is answered by the one who takes it out
/// of the table. While it is run again, libfuse knows it twice; an interrupt then reaches the first
/// one.
final class WaitingRequests: Sendable {
    private enum State {
        /// While libfuse is being told of the request it must not be answered: libfuse holds it.
        case arriving
        case waiting
        case running
    }

    private struct Waiting {
        var message: KernelMessage
        var operation: Operation
        var wait: Wait
        var since: UInt64
        var number: UInt64
        var state = State.arriving
        var isInterrupted = false
    }

    private struct Table {
        /// By the address of the request.
        var requests: [UInt: Waiting] = [:]
        var count: UInt64 = 0
    }

    private let table = Mutex(Table())
    private let space: Space
    private let arrivals: Semaphore

    /// A change of a directory keeps all who look for names there waiting in the kernel, so it
    /// waits no longer than this.
    static let directorySecondsMax: UInt64 = 5
    private static let lookMicrosecondsMin = 100
    private static let lookMicrosecondsMax = 10_000

    init(_ space: Space) {
        self.space = space
        arrivals = Semaphore()
    }

    var isEmpty: Bool { table.withLock { $0.requests.isEmpty } }

    /// Keeps a request that this thread works on until `wait` is over.
    func add(_ request: fuse_req_t, _ operation: Operation, _ wait: Wait) {
        let rerun = KernelChannel.rerun
        guard rerun == 0 else {
            unsafe fuse_reply_none(request)
            return addAgain(rerun, wait)
        }
        let number = UInt(bitPattern: request)
        let message = KernelMessage()
        table.withLock { table in
            table.count += 1
            table.requests[number] = Waiting(
                message: message, operation: operation, wait: wait,
                since: SystemClock.monotonicNanoseconds, number: table.count)
        }
        unsafe fuse_req_interrupt_func(
            request,
            { request, _ in
                guard let request = unsafe request else { return }
                unsafe FileSystem.of(request).waiting.interrupt(request)
            }, nil)
        settle(number)
        arrivals.signal()
    }

    private func addAgain(_ number: UInt, _ wait: Wait) {
        table.withLock { $0.requests[number]?.wait = wait }
        settle(number)
    }

    /// Lets a request wait, unless its caller was interrupted while it could not be answered.
    private func settle(_ number: UInt) {
        let isInterrupted = table.withLock { table in
            guard table.requests[number]?.isInterrupted == false else {
                return table.requests.removeValue(forKey: number) != nil
            }
            table.requests[number]?.state = .waiting
            return false
        }
        if isInterrupted { fail(number, EINTR) }
    }

    /// libfuse calls this with the request held: at most once, perhaps while it arrives or runs.
    private func interrupt(_ request: fuse_req_t) {
        let number = UInt(bitPattern: request)
        let isOurs = table.withLock { table in
            guard table.requests[number]?.state == .waiting else {
                table.requests[number]?.isInterrupted = true
                return false
            }
            return table.requests.removeValue(forKey: number) != nil
        }
        if isOurs { fail(number, EINTR) }
    }

    private func fail(_ number: UInt, _ error: Int32) {
        guard let request = unsafe fuse_req_t(bitPattern: number) else { return }
        unsafe Reply(request).fail(error)
    }

    /// Whether the caller of the request that this thread runs again was interrupted.
    var isRerunInterrupted: Bool {
        let rerun = KernelChannel.rerun
        return rerun != 0 && table.withLock { $0.requests[rerun]?.isInterrupted ?? false }
    }
}

/// The thread that runs them again.
extension WaitingRequests {
    func serve(_ session: OpaquePointer, _ thread: HelperThread) {
        var rest = Self.lookMicrosecondsMin
        var seen: UInt64 = 0
        while !thread.isEnding {
            if isEmpty { arrivals.wait(milliseconds: 1_000) }
            let hasRun = unsafe look(session, thread)
            let count = table.withLock { $0.count }
            // Soon after something happened, then less and less often.
            rest =
                hasRun || count != seen
                ? Self.lookMicrosecondsMin : min(rest * 2, Self.lookMicrosecondsMax)
            seen = count
            if !isEmpty { thread.pause(microseconds: rest) }
        }
    }

    /// Runs those again whose wait is over, in the order in which they came.
    ///
    /// - Returns: whether there was one.
    private func look(_ session: OpaquePointer, _ thread: HelperThread) -> Bool {
        let waiting = table.withLock { table in
            table.requests.filter { $0.value.state == .waiting }
                .sorted { $0.value.number < $1.value.number }
                .map { ($0.key, $0.value.wait) }
        }
        var isOver: [Wait: Bool] = [:]
        var hasRun = false
        for (number, wait) in waiting where !thread.isEnding {
            let goes = isOver[wait] ?? space.isOver(wait)
            isOver[wait] = goes
            if goes {
                unsafe runAgain(number, session)
                hasRun = true
            } else {
                refuseIfLate(number)
            }
        }
        return hasRun
    }

    private func runAgain(_ number: UInt, _ session: OpaquePointer) {
        let message = table.withLock { table -> KernelMessage? in
            guard table.requests[number]?.state == .waiting else { return nil }
            table.requests[number]?.state = .running
            return table.requests[number]?.message
        }
        guard let message else { return }
        unsafe message.runAgain(as: number, in: session)
        let isAnswered = table.withLock { table in
            guard table.requests[number]?.state == .running else { return false }
            table.requests[number] = nil
            return true
        }
        // The kernel has its answer; only what libfuse knows of the first run is left.
        if isAnswered, let request = unsafe fuse_req_t(bitPattern: number) {
            unsafe fuse_reply_none(request)
        }
    }

    private func refuseIfLate(_ number: UInt) {
        let limit = SystemClock.monotonicNanoseconds
        let late = table.withLock { table -> Waiting? in
            guard let waiting = table.requests[number], waiting.state == .waiting,
                waiting.operation.changesDirectory,
                waiting.since + Self.directorySecondsMax * 1_000_000_000 < limit
            else { return nil }
            return table.requests.removeValue(forKey: number)
        }
        guard let late, let request = unsafe fuse_req_t(bitPattern: number) else { return }
        let call = unsafe Call(request)
        unsafe call.system.fail(
            Reply(request), sentence(late.wait), late.operation, for: call.caller)
    }

    private func sentence(_ wait: Wait) -> TreeError {
        let what =
            wait.isForSerial
            ? "A transaction in serial mode" : wait.line.map { "A commit to \($0)" } ?? "A snapshot"
        let who = space.holder(of: wait).map { " of the process \($0.processID)" } ?? ""
        return TreeError(
            EBUSY,
            "\(what)\(who) did not end within \(Self.directorySecondsMax) seconds, so this change"
                + " no longer waits for it. Nothing was changed; try again, or see what that"
                + " process does.")
    }

    /// Answers all, when the mount ends.
    func end() {
        let numbers = table.withLock { table in
            defer { table.requests = [:] }
            return Array(table.requests.keys)
        }
        for number in numbers { fail(number, ENOTCONN) }
    }
}

extension Operation {
    /// Whether the kernel keeps the directory for itself meanwhile.
    fileprivate var changesDirectory: Bool {
        switch self {
        case .mkdir, .unlink, .rmdir, .symlink, .rename, .create, .link, .mknod: true
        default: false
        }
    }
}

/// A POSIX semaphore, which must stay where it was made.
@safe final class Semaphore: @unchecked Sendable {
    private let semaphore: UnsafeMutablePointer<sem_t>

    init() {
        unsafe semaphore = .allocate(capacity: 1)
        unsafe semaphore.initialize(to: sem_t())
        unsafe sem_init(semaphore, 0, 0)
    }

    deinit {
        unsafe sem_destroy(semaphore)
        unsafe semaphore.deallocate()
    }

    func signal() { unsafe _ = sem_post(semaphore) }

    /// For that time at most.
    func wait(milliseconds: Int) {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        time.tv_nsec += milliseconds % 1000 * 1_000_000
        time.tv_sec += milliseconds / 1000 + time.tv_nsec / 1_000_000_000
        time.tv_nsec %= 1_000_000_000
        unsafe _ = rainbow_semaphore_wait(semaphore, CLOCK_MONOTONIC, &time)
    }
}
