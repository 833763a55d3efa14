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

    mutating func waitForSerial() {
        var backoff = Backoff()
        while !isAllowedBesideSerial() {
            if backoff.wait() { recoverDeadHolder() }
        }
    }

    @usableFromInline
    mutating func prepareRestart() {
        restarts += 1
        slot.restarts.storeRelaxed(slot.restarts.loadRelaxed() &+ 1)
        guard restarts >= Transaction.optimisticRunsMax, !isSerial else { return }
        var backoff = Backoff()
        while !serial.compareExchange(0, mark) {
            if backoff.wait() { recoverDeadHolder() }
        }
        isSerial = true
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
        if isSerial {
            isSerial = false
            serial.store(0)
        }
    }
}
