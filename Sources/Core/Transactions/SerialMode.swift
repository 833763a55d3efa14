import Glibc

/// The end of optimism: a transaction that lost often enough gets the space to itself.
///
/// Invariant: while `serial` names a live slot, no other commit passes `isAllowedBesideSerial`.
/// The holder's run can be disturbed only by commits that had passed it before, each once, so the
/// holder commits after at most as many restarts as there are slots. Others keep no lock while they
/// wait, and read-only transactions do not wait at all. The holder runs optimistically as ever,
/// so a holder that is killed is recovered like any other.
extension Transaction {
    /// Restarts after which a transaction runs in serial mode.
    static var optimisticRunsMax: Int { 8 }

    private var serial: SharedWord { owner.meta[SpaceLayout.serialOffset] }
    private var mark: UInt64 { UInt64(slot.index) + 1 }

    /// Whether the commit, whose locks are held, may go on. The locks are full barriers: either
    /// this commit sees the holder, or the holder's next run sees this commit's locks.
    mutating func isAllowedBesideSerial() -> Bool {
        let holder = serial.load()
        return holder == 0 || holder == mark
    }

    /// Waits for the end of serial mode, or until `isInterrupted`.
    mutating func waitForSerial() {
        var backoff = Backoff()
        var looks = 0
        while !isAllowedBesideSerial(), !isInterrupted {
            if backoff.wait() { attendSerial(&looks) }
        }
    }

    @usableFromInline
    mutating func prepareRestart() throws(TransactionError) {
        try throwIfInterrupted()
        restarts += 1
        slot.restarts.storeRelaxed(slot.restarts.loadRelaxed() &+ 1)
        if conflictLine != 0 { recordConflict() }
        guard restarts >= Transaction.optimisticRunsMax, !isSerial else { return }
        takeSerial()
        try throwIfInterrupted()
    }

    /// Waits until it has serial mode, or until `isInterrupted`.
    mutating func takeSerial() {
        var backoff = Backoff()
        var looks = 0
        while !isInterrupted {
            if serial.compareExchange(0, mark) {
                isSerial = true
                return
            }
            if backoff.wait() { attendSerial(&looks) }
        }
    }

    mutating func throwIfInterrupted() throws(TransactionError) {
        guard isInterrupted else { return }
        isInterrupted = false
        throw .interrupted
    }

    /// What is to be done while the wait goes on, some of it at every 64th look only.
    private mutating func attendSerial(_ looks: inout Int) {
        recoverDeadHolder()
        looks += 1
        if looks & 63 == 0 { isInterrupted = owner.isInterrupted }
    }

    mutating func releaseSerial() {
        guard isSerial else { return }
        isSerial = false
        serial.store(0)
    }

    private mutating func recoverDeadHolder() {
        let holder = serial.load()
        if holder != 0, holder != mark { owner.recoverIfDead(slot: Int(holder) - 1) }
    }

    /// Ends a transaction, committed or given up.
    @inlinable
    mutating func end() {
        isActive = false
        if restarts != 0 { endContended() }
    }

    @usableFromInline
    mutating func endContended() {
        restarts = 0
        releaseSerial()
    }
}

extension Space {
    /// Sets what a thread whose commit waits for a transaction in serial mode asks meanwhile: true
    /// makes it give up, with `TransactionError.interrupted`. Whoever is told that a write did not
    /// happen must not find it done when the wait is over.
    public func setInterruptCheck(_ check: @escaping @Sendable () -> Bool) {
        interruptCheck.withLock { $0 = check }
    }

    fileprivate var isInterrupted: Bool { interruptCheck.withLock { $0 }() }

    /// Waits until every commit that is taking locks now has drawn its version or given up. Those
    /// that begin later see whatever the caller stored, with a full barrier, before the call.
    /// - Returns: false if one took longer than the time allowed.
    func awaitCommitsUnderWay(milliseconds: Int = 10) -> Bool {
        let limit = SystemCalls.nanoseconds(of: CLOCK_MONOTONIC) + UInt64(milliseconds) * 1_000_000
        for index in 0..<SpaceLayout.slotCountMax {
            let slot = Slot(meta: meta, index: index)
            guard slot.owner.load() != 0 else { continue }
            let seen = slot.state.load()
            guard Slot.phase(of: seen) == .locking else { continue }
            var backoff = Backoff()
            while slot.state.load() == seen {
                guard backoff.wait() else { continue }
                recoverIfDead(slot: index)
                guard slot.state.load() == seen else { break }
                if SystemCalls.nanoseconds(of: CLOCK_MONOTONIC) > limit { return false }
            }
        }
        return true
    }
}
