import CFuse
import Glibc
import Synchronization

/// Requests that would wait for a transaction in serial mode, put off until it has ended, so that
/// no thread of the loop waits. A thread beside the loop works them off, in the order in which they
/// came.
final class PutOffChanges: @unchecked Sendable {
    private struct Change {
        /// The request's address, to see whether its caller was interrupted.
        var request: UInt
        var run: @Sendable () -> Void
    }

    private let changes = Mutex<[Change]>([])
    private let gate: SerialGate
    private var semaphore = sem_t()

    init(_ gate: SerialGate) {
        self.gate = gate
        unsafe sem_init(&semaphore, 0, 0)
        gate.setHooks(closed: { RequestsInWork.awaitChanges() }, opened: { [self] in wake() })
    }

    func add(_ request: fuse_req_t, _ run: @escaping @Sendable () -> Void) {
        let change = Change(request: UInt(bitPattern: request), run: run)
        changes.withLock { $0.append(change) }
        // The gate may have opened since it was looked at.
        if gate.isOpen(for: 0) { wake() }
    }

    private func wake() { unsafe sem_post(&semaphore) }

    /// Works off what was put off, whenever the gate opens, until the thread is to end.
    func serve(_ thread: HelperThread) {
        while !thread.isEnding {
            waitForWake()
            while !thread.isEnding, gate.isOpen(for: 0), let change = takeFirst() { change.run() }
        }
    }

    /// For a second at most, since the thread may be about to end.
    private func waitForWake() {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        time.tv_sec += 1
        unsafe _ = sem_timedwait(&semaphore, &time)
    }

    private func takeFirst() -> Change? {
        changes.withLock { $0.isEmpty ? nil : $0.removeFirst() }
    }

    /// Answers the callers who were interrupted; what they wanted is not done.
    func answerInterrupted() {
        let interrupted = changes.withLock { changes in
            let found = changes.filter { change in
                guard let request = unsafe fuse_req_t(bitPattern: change.request) else {
                    return false
                }
                return unsafe fuse_req_interrupted(request) != 0
            }
            changes.removeAll { change in found.contains { $0.request == change.request } }
            return found
        }
        for change in interrupted {
            guard let request = unsafe fuse_req_t(bitPattern: change.request) else { continue }
            unsafe _ = fuse_reply_err(request, EINTR)
        }
    }
}

extension Callbacks {
    /// `serve` for what may commit: it is put off while the commit would have to wait for a
    /// transaction of this mount. So `work` keeps nothing of the request's memory.
    static func serveChange<Answer>(
        _ request: fuse_req_t?, _ operation: Operation, at node: NodeID,
        _ work: @escaping @Sendable (Call) throws(TreeError) -> Answer,
        answer: @escaping @Sendable (consuming Reply, Answer) -> Void
    ) {
        guard let request = unsafe request else { return }
        if unsafe beginChange(request, node) {
            unsafe serve(request, operation, work, answer: answer)
            endChange()
            return
        }
        let number = UInt(bitPattern: request)
        unsafe FileSystem.of(request).putOff.add(request) {
            unsafe serveChange(
                fuse_req_t(bitPattern: number), operation, at: node, work, answer: answer)
        }
    }

    /// Whether a change at the node need not wait for a transaction in serial mode. If so, such a
    /// transaction waits for `endChange`.
    static func beginChange(_ request: fuse_req_t, _ node: NodeID) -> Bool {
        // In other moments only the control file commits.
        guard node.moment == 0 || node.at(moment: 0) == NodeID(.control)
        else { return true }
        let gate = unsafe FileSystem.of(request).forest.gate
        let place = unsafe RequestsInWork.current()
        unsafe place.pointee.isChanging.store(true, ordering: .sequentiallyConsistent)
        if gate.isOpen(for: node.moment) { return true }
        unsafe place.pointee.isChanging.store(false, ordering: .releasing)
        return false
    }

    static func endChange() {
        unsafe RequestsInWork.current().pointee.isChanging.store(false, ordering: .releasing)
    }
}
