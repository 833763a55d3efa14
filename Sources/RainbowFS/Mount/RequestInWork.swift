import CFuse
import Glibc
import Synchronization

/// The request that a thread works on, so that it can be answered from elsewhere should the thread
/// be held up: it says who may answer, and whoever takes it first does.
@safe struct RequestInWork: ~Copyable {
    /// The request's address; 0 once somebody answers; `held` while somebody looks at it.
    private let request = Atomic<UInt>(0)
    /// Counts the requests of this thread, so that a watcher knows one again.
    private let count = Atomic<UInt64>(0)

    /// Whether the thread works on something that may commit (`Callbacks.serveChange`).
    let isChanging = Atomic<Bool>(false)

    private static let held: UInt = 1

    func begin(_ request: fuse_req_t) {
        count.store(count.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
        self.request.store(UInt(bitPattern: request), ordering: .releasing)
    }

    /// True for the one who may answer.
    func take(_ request: fuse_req_t) -> Bool {
        guard hold(UInt(bitPattern: request)) else { return false }
        self.request.store(0, ordering: .releasing)
        return true
    }

    /// Answers EINTR if the caller of the request was interrupted and the thread has been at it
    /// since `earlier`, which the last call returned.
    func answerIfInterrupted(since earlier: UInt64) -> UInt64 {
        let now = count.load(ordering: .acquiring)
        let number = request.load(ordering: .acquiring)
        guard now == earlier, number > Self.held, hold(number) else { return now }
        guard let raw = unsafe fuse_req_t(bitPattern: number), unsafe fuse_req_interrupted(raw) != 0
        else {
            request.store(number, ordering: .releasing)
            return now
        }
        request.store(0, ordering: .releasing)
        unsafe _ = fuse_reply_err(raw, EINTR)
        return now
    }

    /// Whether the caller of the request was interrupted, and has its answer or is to get one.
    var isInterrupted: Bool {
        let number = request.load(ordering: .acquiring)
        guard number != Self.held else { return false }
        guard let raw = unsafe fuse_req_t(bitPattern: number), hold(number) else { return true }
        defer { request.store(number, ordering: .releasing) }
        return unsafe fuse_req_interrupted(raw) != 0
    }

    private func hold(_ number: UInt) -> Bool {
        while true {
            let (exchanged, found) = request.compareExchange(
                expected: number, desired: Self.held, ordering: .acquiringAndReleasing)
            if exchanged { return true }
            if found != Self.held { return false }
            sched_yield()
        }
    }
}

/// The requests in work of all threads, one place a thread that lives as long as the thread.
enum RequestsInWork {
    /// How long the caller of a request that does not end waits after an interrupt, at least.
    static let patienceMilliseconds = 500

    /// The addresses of the places, and the counts they had when they were last looked at.
    private static let places = Mutex<[UInt: UInt64]>([:])

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let result = unsafe pthread_key_create(&key) { memory in
            RequestsInWork.remove(UInt(bitPattern: memory))
        }
        precondition(result == 0, "no thread-specific key is left")
        return key
    }()

    /// This thread's place.
    static func current() -> UnsafeMutablePointer<RequestInWork> {
        if let place = unsafe pthread_getspecific(key) {
            return unsafe place.assumingMemoryBound(to: RequestInWork.self)
        }
        let place = UnsafeMutablePointer<RequestInWork>.allocate(capacity: 1)
        unsafe place.initialize(to: RequestInWork())
        unsafe pthread_setspecific(key, place)
        let number = UInt(bitPattern: place)
        places.withLock { $0[number] = 0 }
        return unsafe place
    }

    private static func remove(_ number: UInt) {
        places.withLock { places in
            places[number] = nil
            guard let place = unsafe place(number) else { return }
            unsafe place.deinitialize(count: 1)
            unsafe place.deallocate()
        }
    }

    /// Answers the callers who were interrupted and whose request was in work at the last call
    /// already. What the thread then finds out is dropped.
    static func answerInterrupted() {
        places.withLock { places in
            for (number, seen) in places {
                guard let place = unsafe place(number) else { continue }
                places[number] = unsafe place.pointee.answerIfInterrupted(since: seen)
            }
        }
    }

    /// Whether this thread works on a change whose caller was interrupted, so that it must not be
    /// done any more.
    static var isChangeInterrupted: Bool {
        guard let raw = unsafe pthread_getspecific(key) else { return false }
        let place = unsafe raw.assumingMemoryBound(to: RequestInWork.self)
        return unsafe place.pointee.isChanging.load(ordering: .relaxed)
            && place.pointee.isInterrupted
    }

    /// Waits until no other thread works on a change that it has begun before this call.
    static func awaitChanges() {
        // Whoever asks does not change anything any more: two of them do not wait for each other.
        unsafe current().pointee.isChanging.store(false, ordering: .sequentiallyConsistent)
        let numbers = places.withLock { Array($0.keys) }
        for number in numbers {
            // Another mount's transaction in serial mode may keep one for seconds.
            while isChanging(number) { usleep(50) }
        }
    }

    private static func isChanging(_ number: UInt) -> Bool {
        places.withLock { places in
            guard places[number] != nil, let place = unsafe place(number) else { return false }
            return unsafe place.pointee.isChanging.load(ordering: .sequentiallyConsistent)
        }
    }

    private static func place(_ number: UInt) -> UnsafeMutablePointer<RequestInWork>? {
        unsafe UnsafeMutablePointer(bitPattern: number)
    }
}
