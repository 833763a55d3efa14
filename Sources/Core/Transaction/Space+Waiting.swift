import Glibc
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
        withLineWord(of: line) { word in
            let lock = word.load()
            guard LineWord.isLocked(lock) else { return true }
            recoverIfDead(lock: lock)
            return word.load() != lock
        } ?? true
    }

    /// Calls `body` with a line's word, if the line is in memory.
    private func withLineWord<R>(of line: Address, _ body: (SharedWord) -> R?) -> R? {
        guard let region = try? mapRegion(line.region) else { return nil }
        let result = whileTouching {
            region.isPresent(line.offset) ? body(region.lineWord(line.offset)) : nil
        }
        return result ?? nil
    }

    /// Why a wait will not be over by itself: the lock of a line is nobody's, or that of a killed
    /// process which cannot be recovered now. Nil if it may be.
    func failure(of wait: Wait) -> TransactionError? {
        guard let line = wait.line else { return nil }
        return withLineWord(of: line) { word in
            let lock = word.load()
            return LineWord.isLocked(lock) ? failure(ofLock: lock, at: word, line.rawValue) : nil
        }
    }

    /// The process that has a line locked, if that is known.
    public func holder(of wait: Wait) -> NodeInfo? {
        var slot = Int(clamping: meta[SpaceLayout.serialOffset].load()) - 1
        if let line = wait.line {
            let found = withLineWord(of: line) { $0.load() }
            guard let lock = found, LineWord.isLocked(lock) else { return nil }
            slot = LineWord.slot(of: lock)
        } else if !wait.isForSerial {
            return nil
        }
        guard 0..<SpaceLayout.slotCountMax ~= slot else { return nil }
        let node = NodeTable.index(of: Slot(meta: meta, index: slot).owner.load())
        return liveNodes.first { $0.index == node }
    }

    /// Waits until every commit that is taking locks now has drawn its version or given up. Those
    /// that begin later see whatever the caller stored, with a full barrier, before the call.
    /// - Returns: false if one took longer than the time allowed.
    func awaitCommitsUnderWay(milliseconds: Int = 10) -> Bool {
        SharedWord.fence()
        let limit = SystemCalls.deadline(milliseconds: milliseconds)
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
                if SystemCalls.isOver(limit) { return false }
            }
        }
        return true
    }
}
