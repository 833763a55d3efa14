import Glibc
import Synchronization

/// What a thread has done so far for the request of the kernel that it works on.
///
/// A request that finds something taken is given up and run again later, so that no thread waits in
/// it (`WaitingRequests`). That is right only while it has changed nothing. Once it has, running it
/// again would change twice, and giving it up would tell the caller that nothing happened: it then
/// waits where it must and goes on to its end. What can be undone waits, too, and is undone when
/// the caller is interrupted. A thread that works on no request never waits.
@safe struct RequestScope {
    /// The request's number for `interruptCheck`; 0: none.
    private var request: UInt = 0
    private var effect = Effect.none

    private enum Effect {
        case none, undoable, permanent
    }

    /// Whether the caller of a request was interrupted, so that it need not be done any more.
    static let interruptCheck = Mutex<@Sendable (UInt) -> Bool>({ _ in false })

    private static let ofThread = ThreadSpecific(RequestScope())

    /// Runs the work for a request, by its number.
    @inline(__always)
    static func serving<R>(_ request: UInt, _ work: () -> R) -> R {
        let scope = unsafe ofThread.current
        unsafe scope.pointee = RequestScope(request: request)
        defer { unsafe scope.pointee = RequestScope() }
        return work()
    }

    /// Something was changed that others can see, or that the request must not do twice.
    static func noteEffect() {
        unsafe ofThread.existing?.pointee.effect = .permanent
    }

    /// Runs a change of several transactions; if it fails, `undo` leaves nothing of it.
    static func undoably<R>(_ body: () throws -> R, undo: () -> Void) throws -> R {
        let scope = unsafe ofThread.current
        let before = unsafe scope.pointee.effect
        if before == .none { unsafe scope.pointee.effect = .undoable }
        do {
            let result = try body()
            unsafe scope.pointee.effect = .permanent
            return result
        } catch {
            unsafe scope.pointee.effect = .permanent
            undo()
            unsafe scope.pointee.effect = before
            throw error
        }
    }

    /// Whether the thread may wait for what another process has.
    static var mayWait: Bool {
        guard let scope = unsafe ofThread.existing?.pointee, scope.request != 0 else {
            return false
        }
        return scope.effect == .permanent || scope.effect == .undoable && !shouldGiveUp
    }

    /// Whether the request can be given up, since nobody waits for it and nothing of it lasts.
    static var shouldGiveUp: Bool {
        guard let scope = unsafe ofThread.existing?.pointee, scope.request != 0,
            scope.effect != .permanent
        else { return false }
        return interruptCheck.withLock { $0 }(scope.request)
    }
}

/// A value that each thread has for itself: made at the first use, freed when the thread ends.
/// Its type must be plain data.
final class ThreadSpecific<Value: BitwiseCopyable>: @unchecked Sendable {
    private let key: pthread_key_t
    private let initial: Value

    init(_ initial: Value) {
        var key = pthread_key_t()
        let result = unsafe pthread_key_create(&key) { unsafe $0?.deallocate() }
        precondition(result == 0, "no thread-specific key is left")
        self.key = key
        self.initial = initial
    }

    /// That of this thread; nil if it has not used it yet.
    var existing: UnsafeMutablePointer<Value>? {
        guard let memory = unsafe pthread_getspecific(key) else { return nil }
        return unsafe memory.assumingMemoryBound(to: Value.self)
    }

    /// That of this thread.
    var current: UnsafeMutablePointer<Value> {
        if let value = unsafe existing { return unsafe value }
        let value = UnsafeMutablePointer<Value>.allocate(capacity: 1)
        unsafe value.initialize(to: initial)
        unsafe pthread_setspecific(key, value)
        return unsafe value
    }
}
