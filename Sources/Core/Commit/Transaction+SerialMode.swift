/// The end of optimism: a transaction that writes and lost often enough gets the space to itself;
/// one that only reads goes on at a snapshot (`Fallback`).
///
/// Invariant: while `serial` names a live slot, no other commit passes `isAllowedBesideSerial`.
/// The holder's run can be disturbed only by commits that had passed it before, each once, so the
/// holder commits after at most as many restarts as there are slots. Others keep no lock while they
/// wait, and read-only transactions do not wait at all. The holder runs optimistically as ever,
/// so a holder that is killed is recovered like any other.
extension Transaction {
    /// Restarts after which a transaction that writes runs in serial mode.
    static var optimisticRunsMax: Int { 8 }
    /// The same for one that has written nothing so far: most of those that lose while they read
    /// come to write in one of the next runs, and a snapshot would be for nothing.
    static var readingRunsMax: Int { 16 }

    private var serial: SharedWord { owner.meta[SpaceLayout.serialOffset] }
    private var holderWord: UInt64 { UInt64(slot.index) + 1 }

    /// Whether the commit, whose locks are held, may go on. There is a full barrier between the
    /// locks and this look: either this commit sees the holder, or the holder's next run sees this
    /// commit's locks.
    mutating func isAllowedBesideSerial() -> Bool {
        let holder = serial.loadOrdered()
        return holder == 0 || holder == holderWord && isSerialOrWrongly
    }

    /// True for the holder. If the word names this slot wrongly, it is damaged, and is cleared.
    private var isSerialOrWrongly: Bool {
        if !isSerial { _ = serial.compareExchange(holderWord, 0) }
        return true
    }

    /// Prepares the next run of a body that could not be committed.
    /// - Throws: `busy`, if the thread may not wait for what the run could not go on without.
    @usableFromInline
    mutating func prepareRestart() throws(TransactionError) {
        try throwIfBusy()
        restarts += 1
        slot.restarts.storeRelaxed(slot.restarts.loadRelaxed() &+ 1)
        if conflictLine != 0 { recordConflict() }
        reading.store(0)
        if entryCount > 0 || fillCount > 0 || fallback == .writes { isWriter = true }
        leaveSnapshot()
        guard restarts >= Transaction.optimisticRunsMax, !isSerial else { return }
        guard isWriter else {
            if restarts >= Transaction.readingRunsMax { takeFallbackSnapshot() }
            return
        }
        try takeSerial()
    }

    /// Waits until it has serial mode.
    /// - Throws: `busy` if the thread may not wait for that.
    mutating func takeSerial() throws(TransactionError) {
        while !serial.compareExchange(0, holderWord) {
            guard awaitEnd(of: .serial) else { return try throwIfBusy() }
        }
        SharedWord.fence()
        isSerial = true
    }

    mutating func releaseSerial() {
        guard isSerial else { return }
        isSerial = false
        serial.store(0)
    }

    /// Ends a transaction, committed or given up.
    @inlinable
    mutating func end() {
        isActive = false
        reading.store(0)
        if restarts != 0 { endContended() }
    }

    @usableFromInline
    mutating func endContended() {
        restarts = 0
        isWriter = false
        wait = nil
        leaveSnapshot()
        fallback = .none
        releaseSerial()
    }
}

/// How a run goes on that lost too often.
enum Fallback: Equatable {
    case none
    /// It has written nothing so far: it reads at a snapshot, where nobody can make it lose.
    case snapshot(Snapshot)
    /// It read at a snapshot and came to write: the next run writes, in serial mode.
    case writes

    static func == (left: Fallback, right: Fallback) -> Bool {
        switch (left, right) {
        case (.none, .none), (.writes, .writes): true
        case (.snapshot(let left), .snapshot(let right)): left === right
        default: false
        }
    }
}

/// Readers that lose: no writer waits for them, and they wait for none.
extension Transaction {
    /// Takes a snapshot for the next run. Without one, for want of memory or of a place in the
    /// table, the run is as optimistic as the ones before.
    private mutating func takeFallbackSnapshot() {
        guard let snapshot = try? owner.takeSnapshot(.fallback, "fallback") else { return }
        fallback = .snapshot(snapshot)
    }

    /// Begins a run at the snapshot that was taken for it, if one was.
    @usableFromInline
    mutating func beginContended() {
        guard case .snapshot(let snapshot) = fallback else { return }
        fix(at: snapshot)
        beginOperation()
        isReadOnly = true
        guard !isFixedViewSound else { return }
        leaveSnapshot()
        begin()
    }

    private mutating func leaveSnapshot() {
        guard case .snapshot(let snapshot) = fallback else { return }
        fallback = .none
        view = nil
        isReadOnly = owner.isReadOnly
        snapshot.end()
    }

    /// The error for a write where none can be: a run at a fallback snapshot begins again as one
    /// that writes.
    mutating func refusedWrite() -> TransactionError {
        guard case .snapshot = fallback, !owner.isReadOnly else { return .readOnly }
        leaveSnapshot()
        fallback = .writes
        return conflict()
    }

    /// The error for a version that cannot be read any more: a run at a fallback snapshot begins
    /// again at another one.
    mutating func staleView() -> TransactionError {
        guard case .snapshot = fallback else { return .stale }
        return conflict()
    }
}

/// Waiting for what another has (`Space+Waiting.swift`).
extension Transaction {
    /// Notes what the run waits for and gives the error to throw.
    ///
    /// A run of `Space.transact` is lost by that, whatever its body does with the error; in an
    /// `OpenTransaction` and in a snapshot only the operation is.
    mutating func busy(_ wait: Wait) -> TransactionError {
        self.wait = wait
        if view == nil { isDoomed = true }
        return .busy(wait)
    }

    /// Throws what the run waits for, or what kept its commit from waiting, if it could not go on.
    @usableFromInline
    mutating func throwIfBusy() throws(TransactionError) {
        if let failure = commitFailure {
            commitFailure = nil
            throw failure
        }
        guard let wait else { return }
        self.wait = nil
        throw .busy(wait)
    }

    /// Waits until it is worth while to try again.
    /// - Returns: false if the thread may not wait; `wait` then tells for what. Also if that has no
    ///   end (`commitFailure`).
    mutating func awaitEnd(of wait: Wait) -> Bool {
        var backoff = Backoff()
        while true {
            guard backoff.wait() else { continue }
            if owner.isOver(wait) { return true }
            commitFailure = owner.failure(of: wait)
            if commitFailure != nil { return false }
            guard owner.mayWait else {
                self.wait = wait
                return false
            }
        }
    }
}
