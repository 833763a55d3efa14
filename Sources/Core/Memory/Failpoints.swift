import Glibc
import Synchronization

/// The named places of the commit protocol where a test can have the process killed.
public enum Failpoint: String, CaseIterable, Sendable {
    case commitBegin = "commit-begin"
    case lockFirst = "lock-first"
    case lockSome = "lock-some"
    case lockAll = "lock-all"
    case ticketAnnounced = "ticket-announced"
    case ticketDrawn = "ticket-drawn"
    case validated = "validated"
    case oldVersionSaved = "old-version-saved"
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
