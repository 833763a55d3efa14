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
        case none, undoable, lasting
    }

    /// Whether the caller of a request was interrupted, so that it need not be done any more.
    static let interruptCheck = Mutex<@Sendable (UInt) -> Bool>({ _ in false })

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let result = unsafe pthread_key_create(&key) { memory in
            guard let memory = unsafe memory else { return }
            unsafe memory.assumingMemoryBound(to: RequestScope.self).deallocate()
        }
        precondition(result == 0, "no thread-specific key is left")
        return key
    }()

    private static var existing: UnsafeMutablePointer<RequestScope>? {
        guard let memory = unsafe pthread_getspecific(key) else { return nil }
        return unsafe memory.assumingMemoryBound(to: RequestScope.self)
    }

    private static var current: UnsafeMutablePointer<RequestScope> {
        if let scope = unsafe existing { return unsafe scope }
        let scope = UnsafeMutablePointer<RequestScope>.allocate(capacity: 1)
        unsafe scope.initialize(to: RequestScope())
        unsafe pthread_setspecific(key, scope)
        return unsafe scope
    }

    static func begin(_ request: UInt) {
        unsafe current.pointee = RequestScope(request: request)
    }

    static func end() {
        unsafe current.pointee = RequestScope()
    }

    /// Something was changed that others can see, or that the request must not do twice.
    static func noteEffect() {
        unsafe existing?.pointee.effect = .lasting
    }

    /// Runs a change of several transactions; if it fails, `undo` leaves nothing of it.
    static func undoably<R>(_ body: () throws -> R, undo: () -> Void) throws -> R {
        let scope = unsafe current
        let before = unsafe scope.pointee.effect
        if before == .none { unsafe scope.pointee.effect = .undoable }
        do {
            let result = try body()
            unsafe scope.pointee.effect = .lasting
            return result
        } catch {
            unsafe scope.pointee.effect = .lasting
            undo()
            unsafe scope.pointee.effect = before
            throw error
        }
    }

    /// Whether the thread may wait for what another process has.
    static var mayWait: Bool {
        guard let scope = unsafe existing?.pointee, scope.request != 0 else { return false }
        return scope.effect == .lasting || scope.effect == .undoable && !shouldGiveUp
    }

    /// Whether the request can be given up, since nobody waits for it and nothing of it lasts.
    static var shouldGiveUp: Bool {
        guard let scope = unsafe existing?.pointee, scope.request != 0,
            scope.effect != .lasting
        else { return false }
        return interruptCheck.withLock { $0 }(scope.request)
    }
}
