/// Finishing or undoing what a killed process left.
///
/// A slot whose node is dead is nobody's: its state tells whether its commit had happened, its log
/// what to do. One process at a time recovers a slot, the one named in `recoverer`; if that one
/// dies too, the next takes over and repeats the steps, all of which may be repeated
/// (`LoggedCommit`). The slot is free, and may be claimed again, only when its last lock is gone.
///
/// A process that cannot look at a region just now, for want of descriptors or memory, leaves the
/// slot as it is: it tries again when it meets one of its locks, and others may be luckier.
extension Space {
    /// Recovers the slot that holds a line lock, if its process is dead.
    /// - Returns: what kept it from that.
    @discardableResult
    func recoverIfDead(lock: UInt64) -> SystemError? {
        recoverIfDead(slot: LineWord.slot(of: lock))
    }

    @discardableResult
    func recoverIfDead(slot index: Int) -> SystemError? {
        guard (0..<SpaceLayout.slotCountMax).contains(index), !isGone else { return nil }
        let slot = Slot(meta: meta, index: index)
        let owner = slot.owner.load()
        guard owner != 0, !nodes.isAlive(incarnation: owner) else { return nil }
        return recoveryMutex.withLock { _ in
            while true {
                let other = slot.recoverer.load()
                if other != 0, nodes.isAlive(incarnation: other) { return nil }
                if slot.recoverer.compareExchange(other, nodes.ownIncarnation) { break }
            }
            defer { slot.recoverer.store(0) }
            // The process that had the claim before may have freed the slot, and another may have
            // taken it.
            guard slot.owner.load() == owner else { return nil }
            do throws(SystemError) {
                try recover(slot)
                return nil
            } catch {
                return error
            }
        }
    }

    /// Recovers all slots of dead nodes.
    func recoverAll() {
        for index in 0..<SpaceLayout.slotCountMax { recoverIfDead(slot: index) }
    }

    /// Why a lock that somebody waits for will not go away: either no commit left it, or a dead
    /// process did and cannot be recovered now; nil if it may go away.
    /// - Parameter word: where the lock was found.
    func failure(
        ofLock lock: UInt64, at word: SharedWord, _ address: UInt64 = 0
    ) -> TransactionError? {
        if let cause = recoverIfDead(lock: lock) { return .unavailable(errno: cause.errno) }
        return isLockSound(lock, word) ? nil : .damaged(Address(address))
    }

    /// Whether a locked line belongs to a commit under way, or was unlocked meanwhile.
    func isLockSound(_ lock: UInt64, _ word: SharedWord) -> Bool {
        let index = LineWord.slot(of: lock)
        guard index < SpaceLayout.slotCountMax else { return word.load() != lock }
        let state = Slot(meta: meta, index: index).state.load()
        let isItsLock =
            LineWord.lock(slot: index, sequence: Slot.sequence(of: state)) == lock
            && Slot.phase(of: state) != .idle
        return isItsLock || word.load() != lock
    }

    /// Brings a slot to its end, forward or back, and frees it.
    /// - Throws: if the machine does not let this process look at what the commit changed.
    private func recover(_ slot: Slot) throws(SystemError) {
        failpoints.hit(.recoverBegin)
        let state = slot.state.load()
        let sequence = Slot.sequence(of: state)
        let ticket = slot.ticket.load()
        let fills = UnsafeMutablePointer<LogFill>.allocate(capacity: RedoLog.fillCountMax)
        defer { unsafe fills.deallocate() }
        let commit = unsafe try commitUnderWay(of: slot, state, ticket, fills)
        // The slot is in shared memory: whatever stands there names some node.
        let named = NodeTable.index(of: slot.owner.load())
        let owner = min(max(named, 0), SpaceLayout.nodeCountMax - 1)
        switch (Slot.phase(of: state), commit) {
        case (.idle, _), (_, nil): break
        case (.locking, let commit?):
            commit.rollBack()
            failpoints.hit(.recoverSome)
            if ticket > 1 { ring.publishNothing(version: ticket) }
        case (.committed, let commit?):
            // Without a ticket its thread had done everything.
            guard ticket > 1 else { break }
            commit.writeBack()
            failpoints.hit(.recoverSome)
            commit.unlock(version: ticket)
            ring.publish(
                commit, version: ticket, by: Committer(packed: slot.committer.load()), node: owner)
        }
        slot.ticket.store(0)
        slot.reading.store(0)
        slot.state.store(Slot.state(.idle, sequence))
        failpoints.hit(.recoverEnd)
        let serial = meta[SpaceLayout.serialOffset]
        _ = serial.compareExchange(UInt64(slot.index) + 1, 0)
        recoveries.wrappingAdd(1, ordering: .relaxed)
        slot.owner.store(0)
    }

    /// The commit that a slot was in, told by its log; nil if there was none, or if slot and log
    /// make no sense: then something else wrote into the files, nothing of it is followed, and
    /// A check shows what stays locked.
    /// - Parameter fills: room for those of the commit.
    private func commitUnderWay(
        of slot: Slot, _ state: UInt64, _ ticket: UInt64, _ fills: UnsafeMutablePointer<LogFill>
    ) throws(SystemError) -> LoggedCommit? {
        let entryCount = slot.entryCount.load()
        let fillCount = slot.fillCount.load()
        let entriesReserved = slot.logReserved.load() / UInt64(RedoLog.entrySize)
        // While the run was under way its pages kept their frames; they do until this is over.
        guard Slot.phase(of: state) != .idle, slot.reading.load() != 0, ticket <= clock.now,
            entryCount <= min(entriesReserved, UInt64(RedoLog.entryCountMax)),
            fillCount <= (slot.fillsReserved.load() == 0 ? 0 : UInt64(RedoLog.fillCountMax))
        else { return nil }
        let log = RedoLog(meta: meta, slot: slot.index)
        for index in 0..<Int(fillCount) { unsafe fills[index] = log.loadFill(index) }
        let lock = LineWord.lock(slot: slot.index, sequence: Slot.sequence(of: state))
        let commit = unsafe LoggedCommit(
            log: log, entryCount: Int(entryCount), fillCount: Int(fillCount), lock: lock,
            space: self, fills: fills)
        return try commit.isSound() ? commit : nil
    }
}
