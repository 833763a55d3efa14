import Synchronization

/// The one way of waiting. Nobody waits holding a lock for longer than a few processor yields: who
/// finds something taken looks again for some microseconds, helps if the owner is dead, gives its
/// own locks back, and then asks whether its thread may wait. A thread that may not gets
/// `TransactionError.busy`, and the transaction has done nothing.
extension Space {
    /// Sets what a thread that would have to wait asks first, and again while it waits: false makes
    /// it give up with `TransactionError.busy`. Without it threads wait as long as it takes.
    public func setWaitCheck(_ check: @escaping @Sendable () -> Bool) {
        waitCheck.withLock { $0 = check }
    }

    /// Whether this thread may wait.
    var mayWait: Bool { waitCheck.withLock { $0 }() }

    /// Whether who gave up because of `wait` has a chance now. Recovers what a dead process left.
    public func isOver(_ wait: Wait) -> Bool {
        if let line = wait.line { return isUnlocked(line) }
        guard wait.isForSerial else { return isSnapshotTableFree }
        let serial = meta[SpaceLayout.serialOffset]
        let holder = serial.load()
        guard holder != 0 else { return true }
        let index = Int(clamping: holder) - 1
        if index < SpaceLayout.slotCountMax, Slot(meta: meta, index: index).owner.load() != 0 {
            recoverIfDead(slot: index)
        } else {
            // Nobody who could have taken the mode: damage, or a slot that was given back with it.
            _ = serial.compareExchange(holder, 0)
        }
        return serial.load() != holder
    }

    private func isUnlocked(_ line: Address) -> Bool {
        guard let region = try? mapRegion(line.region), region.isPresent(line.offset) else {
            return true
        }
        let word = region.lineWord(line.offset)
        let lock = word.load()
        guard LineWord.isLocked(lock) else { return true }
        recoverIfDead(lock: lock)
        return word.load() != lock
    }

    /// Why a wait will not be over by itself: the lock of a line is nobody's, or that of a killed
    /// process which cannot be recovered now. Nil if it may be.
    func failure(of wait: Wait) -> TransactionError? {
        guard let line = wait.line, let region = try? mapRegion(line.region),
            region.isPresent(line.offset)
        else { return nil }
        let word = region.lineWord(line.offset)
        let lock = word.load()
        return LineWord.isLocked(lock) ? failure(ofLock: lock, at: word, line.rawValue) : nil
    }

    /// The process that has a line locked, if that is known.
    public func holder(of wait: Wait) -> NodeInfo? {
        var slot = Int(clamping: meta[SpaceLayout.serialOffset].load()) - 1
        if let line = wait.line {
            guard let region = try? mapRegion(line.region), region.isPresent(line.offset) else {
                return nil
            }
            let lock = region.lineWord(line.offset).load()
            guard LineWord.isLocked(lock) else { return nil }
            slot = LineWord.slot(of: lock)
        } else if !wait.isForSerial {
            return nil
        }
        guard 0..<SpaceLayout.slotCountMax ~= slot else { return nil }
        let node = NodeTable.index(of: Slot(meta: meta, index: slot).owner.load())
        return liveNodes.first { $0.index == node }
    }
}

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
    mutating func isWorthWaiting(_ wait: Wait) -> Bool {
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
