import Glibc
import Synchronization

/// What a thread has done so far for the request of the kernel that it works on.
///
/// A request that finds something taken is given up and run again later, so that no thread waits in
/// it (`WaitingRequests`). That is right only while it has changed nothing. Once it has, running it
/// again would change twice, and giving it up would tell the caller that nothing happened: it then
/// waits where it must and goes on to its end. A thread that works on no request never waits.
@safe struct RequestScope {
    /// The request's number for `interruptCheck`; 0: none.
    private var request: UInt = 0
    private var hasEffect = false

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
        unsafe current.pointee = RequestScope(request: request, hasEffect: false)
    }

    static func end() {
        unsafe current.pointee = RequestScope()
    }

    /// Something was changed that others can see, or that the request must not do twice.
    static func noteEffect() {
        unsafe existing?.pointee.hasEffect = true
    }

    /// Whether the thread may wait for what another process has.
    static var mayWait: Bool {
        guard let scope = unsafe existing?.pointee else { return false }
        return scope.request != 0 && scope.hasEffect
    }

    /// Whether the request can be given up, since nobody waits for it and it has changed nothing.
    static var shouldGiveUp: Bool {
        guard let scope = unsafe existing?.pointee, scope.request != 0, !scope.hasEffect else {
            return false
        }
        return interruptCheck.withLock { $0 }(scope.request)
    }
}
