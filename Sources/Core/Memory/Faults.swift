import Glibc
import Synchronization

/// Calls into the kernel that fail on purpose, so that a test sees what each failure leaves.
///
/// Every call of `SystemCalls` that the kernel may refuse is counted while a plan is armed, and the
/// n-th one fails with the plan's error in place of being made. Without a plan a call costs a load
/// of one word for each call into the kernel, and nothing elsewhere.
@safe
enum Faults {
    /// How many plans are armed in this process.
    private static let armed = Atomic<Int>(0)

    /// Key of each thread's own plan.
    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        unsafe pthread_key_create(&key, nil)
        return key
    }()

    /// The plan of the whole process, from its environment.
    private static let ofProcess: FaultPlan? = {
        guard let text = unsafe getenv("RAINBOWFS_FAULT") else { return nil }
        return FaultPlan(unsafe String(cString: text))
    }()

    /// Arms what the environment says, once: `RAINBOWFS_FAULT=NAME[:N]`, as `EMFILE:3`.
    static func armFromEnvironment() { _ = armedFromEnvironment }
    private static let armedFromEnvironment: Void = {
        if ofProcess != nil { armed.wrappingAdd(1, ordering: .relaxed) }
    }()

    /// The error that the call about to be made is to fail with; nil: make it.
    @inline(__always)
    static func next() -> Int32? {
        armed.load(ordering: .relaxed) == 0 ? nil : nextArmed()
    }

    @inline(never)
    private static func nextArmed() -> Int32? {
        if let cell = unsafe pthread_getspecific(key) {
            return unsafe Unmanaged<FaultPlan>.fromOpaque(cell).takeUnretainedValue().next()
        }
        return ofProcess?.next()
    }

    /// Runs `body` on this thread with a plan that concerns no other thread.
    static func with<R>(_ plan: FaultPlan, _ body: () throws -> R) rethrows -> R {
        unsafe pthread_setspecific(key, Unmanaged.passUnretained(plan).toOpaque())
        armed.wrappingAdd(1, ordering: .relaxed)
        defer {
            armed.wrappingSubtract(1, ordering: .relaxed)
            pthread_setspecific(key, nil)
        }
        return try withExtendedLifetime(plan) { try body() }
    }
}

/// Which call into the kernel fails, and how.
final class FaultPlan: Sendable {
    private let error: Int32
    private let first: Int
    private let last: Int
    private let made = Atomic<Int>(0)

    /// - Parameters:
    ///   - first: the number of the first call that fails, from 1.
    ///   - count: how many fail from there on.
    init(_ error: Int32, atCall first: Int, count: Int = 1) {
        self.error = error
        self.first = first
        let (last, overflow) = first.addingReportingOverflow(count - 1)
        self.last = overflow ? .max : last
    }

    /// - Parameter text: `NAME` or `NAME:N`; nil if it is neither.
    convenience init?(_ text: String) {
        let parts = text.split(separator: ":")
        let errors = [
            "EMFILE": EMFILE, "ENOMEM": ENOMEM, "EIO": EIO, "EINTR": EINTR, "ENOSPC": ENOSPC,
        ]
        guard let error = parts.first.flatMap({ errors[String($0)] }) else { return nil }
        self.init(error, atCall: parts.count > 1 ? Int(parts[1]) ?? 1 : 1)
    }

    /// Calls that were counted so far, those that failed included.
    var callCount: Int { made.load(ordering: .relaxed) }
    /// Whether a call has failed.
    var hasStruck: Bool { callCount >= first }

    func next() -> Int32? {
        let number = made.wrappingAdd(1, ordering: .relaxed).newValue
        return number >= first && number <= last ? error : nil
    }
}

/// The named points of the protocol where a test can have the process killed.
public enum Failpoint: String, CaseIterable, Sendable {
    case commitBegin = "commit-begin"
    case lockFirst = "lock-first"
    case lockSome = "lock-some"
    case lockAll = "lock-all"
    case ticketAnnounced = "ticket-announced"
    case ticketDrawn = "ticket-drawn"
    case validated = "validated"
    case undoVersionSaved = "old-version-saved"
    case committed = "committed"
    case writeBackSome = "write-back-some"
    case writeBackAll = "write-back-all"
    case unlockSome = "unlock-some"
    case unlockAll = "unlock-all"
    case ringClaimed = "ring-claimed"
    case ringPublished = "ring-published"
    case abortSome = "abort-some"
    case recoverBegin = "recover-begin"
    case recoverSome = "recover-some"
    case recoverEnd = "recover-end"
    case frameReserved = "frame-reserved"
    case evictionBegins = "eviction-begins"
    case evictionLeaving = "eviction-leaving"
    case evictionPunching = "eviction-punching"
    case evictionPunched = "eviction-punched"
    case attachLocked = "attach-locked"
}

/// At most one armed failpoint: `RAINBOWFS_FAILPOINT=NAME[:N]` kills the process, as `kill -9`
/// would, when it reaches the place for the N-th time; `stop:NAME[:N]` stops it there, once, as
/// `kill -STOP` would. Costs one comparison elsewhere.
@safe
struct Failpoints: Sendable {
    private let armed: Failpoint?
    private let isStop: Bool
    private nonisolated(unsafe) let remaining: UnsafeMutablePointer<Atomic<Int>>?

    static let none = Failpoints(nil)

    /// - Parameter text: `NAME`, `NAME:N`, or one of these after `stop:`; anything else arms
    ///   nothing.
    init(_ text: String?) {
        var parts = (text ?? "").split(separator: ":")
        isStop = parts.first == "stop"
        if isStop { parts.removeFirst() }
        armed = parts.first.flatMap { Failpoint(rawValue: String($0)) }
        guard armed != nil else {
            unsafe remaining = nil
            return
        }
        let cell = UnsafeMutablePointer<Atomic<Int>>.allocate(capacity: 1)
        unsafe cell.initialize(to: Atomic(parts.count > 1 ? Int(parts[1]) ?? 1 : 1))
        unsafe remaining = cell
    }

    static func fromEnvironment() -> Failpoints {
        guard let text = unsafe getenv("RAINBOWFS_FAILPOINT") else { return .none }
        return Failpoints(unsafe String(cString: text))
    }

    @inline(__always)
    func hit(_ point: Failpoint) {
        if armed == point { dieIfDue() }
    }

    @inline(never)
    private func dieIfDue() {
        guard let remaining = unsafe remaining else { return }
        let left = unsafe remaining.pointee.wrappingSubtract(1, ordering: .relaxed).newValue
        if isStop {
            if left == 0 { SystemCalls.stopThread() }
        } else if left <= 0 {
            SystemCalls.die()
        }
    }
}
