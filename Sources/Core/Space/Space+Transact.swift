import Glibc
import Synchronization

extension Space {
    /// Runs a transaction: `body` sees one version of the space, and what it writes becomes visible
    /// all at once when it returns, or never.
    ///
    /// `body` is run again, on a newer version, as often as it loses against other transactions,
    /// so it must have no other effects; after some losses it runs in serial mode, which commits
    /// for sure, or, as long as it writes nothing, at a snapshot, which cannot lose.
    /// - Parameter body: gets the transaction and passes errors of its operations on. Any other
    ///   error that it throws ends the transaction, undone.
    /// - Returns: what `body` returned in the run that was committed.
    /// - Throws: what `body` threw; `SpaceError.tooManySlots`, `.nested`, `.detached`;
    ///   `TransactionError.busy`, only after `setWaitCheck`.
    @inlinable
    public func transact<R, E: Error>(
        _ body: (inout Transaction) throws(E) -> R
    ) throws -> R {
        let context = unsafe try threadContext()
        if unsafe context.pointee.isActive { throw SpaceError.nested }
        defer { unsafe context.pointee.end() }
        while true {
            unsafe context.pointee.begin()
            if unsafe context.pointee.restarts != 0 { unsafe context.pointee.beginContended() }
            do {
                let result = unsafe try body(&context.pointee)
                if unsafe context.pointee.commit() { return result }
            } catch {
                // The run was consistent, so an error of the body's own is real.
                if unsafe !context.pointee.isDoomed {
                    unsafe context.pointee.countAbort()
                    throw error
                }
            }
            unsafe try context.pointee.prepareRestart()
        }
    }

    /// This thread's transaction, made at the thread's first call.
    @inlinable
    func threadContext() throws(SpaceError) -> UnsafeMutablePointer<Transaction> {
        // The key of a space that is detached may be another one's by now.
        if !isGone, let cell = unsafe pthread_getspecific(threadKey) {
            return unsafe cell.assumingMemoryBound(to: Transaction.self)
        }
        return unsafe try newThreadContext()
    }

    @usableFromInline
    func newThreadContext() throws(SpaceError) -> UnsafeMutablePointer<Transaction> {
        let context = unsafe try newContext()
        unsafe pthread_setspecific(threadKey, context)
        return unsafe context
    }

    /// A place for a transaction, of its own until `release`.
    func newContext() throws(SpaceError) -> UnsafeMutablePointer<Transaction> {
        if isGone { throw .detached }
        let context = unsafe try contexts.withLock { pool throws(SpaceError) in
            if let idle = unsafe pool.takeIdle() { return unsafe ContextCell(idle) }
            guard let slot = claimSlot() else {
                throw SpaceError.tooManySlots(SpaceLayout.slotCountMax)
            }
            return unsafe ContextCell(pool.make(Transaction(slot: slot, space: self)))
        }
        unsafe context.pointer.pointee.committer = .current
        return unsafe context.pointer
    }

    func release(_ context: UnsafeMutablePointer<Transaction>) {
        unsafe ContextPool.threadEnded(context)
    }

    /// Takes a free slot for this node.
    private func claimSlot() -> Slot? {
        for index in 0..<SpaceLayout.slotCountMax {
            let slot = Slot(meta: meta, index: index)
            if slot.owner.load() == 0, slot.owner.compareExchange(0, nodes.ownIncarnation) {
                slot.resetCounts()
                return slot
            }
        }
        return nil
    }
}

/// Carries a pointer out of a mutex.
@unsafe
struct ContextCell: @unchecked Sendable {
    let pointer: UnsafeMutablePointer<Transaction>
    init(_ pointer: UnsafeMutablePointer<Transaction>) { unsafe self.pointer = pointer }
}

/// The transactions of a process's threads, one a thread at a time; reused when a thread ends, so
/// that slots follow the number of threads that live at once.
@safe
struct ContextPool: @unchecked Sendable {
    private var all: [UnsafeMutablePointer<Transaction>] = unsafe []
    private var idle: [UnsafeMutablePointer<Transaction>] = unsafe []

    mutating func takeIdle() -> UnsafeMutablePointer<Transaction>? { unsafe idle.popLast() }

    mutating func make(_ transaction: consuming Transaction) -> UnsafeMutablePointer<Transaction> {
        let cell = UnsafeMutablePointer<Transaction>.allocate(capacity: 1)
        unsafe cell.initialize(to: transaction)
        unsafe all.append(cell)
        return unsafe cell
    }

    /// A key for the transactions of threads, which go back into the pool when their threads end.
    static func makeKey() throws(SpaceError) -> pthread_key_t {
        var key = pthread_key_t()
        _ = try SpaceError.system { () throws(SystemError) in
            try SystemCalls.make("make a key for the threads of the space") {
                errno = unsafe pthread_key_create(&key) { cell in
                    guard let cell = unsafe cell else { return }
                    unsafe ContextPool.threadEnded(cell.assumingMemoryBound(to: Transaction.self))
                }
                return errno == 0 ? 0 : -1
            }
        }
        return key
    }

    static func threadEnded(_ cell: UnsafeMutablePointer<Transaction>) {
        let space = unsafe cell.pointee.owner
        let carried = unsafe ContextCell(cell)
        space.contexts.withLock { pool in unsafe pool.idle.append(carried.pointer) }
    }

    /// Gives all slots back.
    mutating func releaseAll() {
        while let cell = unsafe all.popLast() {
            // The slot may soon be another thread's, which must not have the mode.
            unsafe cell.pointee.releaseSerial()
            unsafe cell.pointee.releaseSlot()
            unsafe cell.deinitialize(count: 1)
            unsafe cell.deallocate()
        }
        unsafe idle = []
    }
}

extension Transaction {
    /// Frees the slot and the buffers.
    func releaseSlot() {
        readSet.deallocate()
        unsafe targets.deallocate()
        unsafe fills.deallocate()
        slot.owner.store(0)
    }
}
