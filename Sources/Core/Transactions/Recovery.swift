/// Finishing or undoing what a killed process left behind.
///
/// A slot whose node is dead is nobody's: its state tells whether its commit had happened, its log
/// what to do. One process at a time recovers a slot, the one named in `recoverer`; if that one
/// dies too, the next takes over and repeats the steps, all of which may be repeated
/// (`LoggedCommit`). The slot is free, and may be claimed anew, only when its last lock is gone.
extension Space {
    /// Recovers the slot that holds a line lock, if its process is dead.
    func recoverIfDead(lock: UInt64) {
        recoverIfDead(slot: LineWord.slot(of: lock))
    }

    func recoverIfDead(slot index: Int) {
        guard index < SpaceLayout.slotCountMax else { return }
        let slot = Slot(meta: meta, index: index)
        let owner = slot.owner.load()
        guard owner != 0, !nodes.isAlive(mark: owner) else { return }
        recoveryMutex.withLock { _ in
            while true {
                let other = slot.recoverer.load()
                if other != 0, nodes.isAlive(mark: other) { return }
                if slot.recoverer.compareExchange(other, nodes.ownMark) { break }
            }
            // Whoever had the claim before may have freed the slot, and another may have taken it.
            if slot.owner.load() == owner { recover(slot) }
            slot.recoverer.store(0)
        }
    }

    /// Recovers all slots of dead nodes.
    func recoverAll() {
        for index in 0..<SpaceLayout.slotCountMax { recoverIfDead(slot: index) }
    }

    /// Brings a slot to its end, forward or back, and frees it.
    private func recover(_ slot: Slot) {
        failpoints.hit(.recoverBegin)
        let state = slot.state.load()
        let sequence = Slot.sequence(of: state)
        let ticket = slot.ticket.load()
        let commit = commitUnderWay(of: slot, state)
        let owner = NodeTable.index(of: slot.owner.load())
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
        slot.readsOldVersions.store(0)
        slot.state.store(Slot.state(.idle, sequence))
        failpoints.hit(.recoverEnd)
        let serial = meta[SpaceLayout.serialOffset]
        _ = serial.compareExchange(UInt64(slot.index) + 1, 0)
        recoveries.wrappingAdd(1, ordering: .relaxed)
        slot.owner.store(0)
    }

    /// The commit that a slot was in, told by its log; nil if there was none, or if slot and log
    /// make no sense: then something else wrote into the files, nothing of it is followed, and
    /// `fsck` shows what stays locked.
    private func commitUnderWay(of slot: Slot, _ state: UInt64) -> LoggedCommit? {
        let entryCount = slot.entryCount.load()
        let fillCount = slot.fillCount.load()
        let entriesReserved = slot.logReserved.load() / UInt64(RedoLog.entrySize)
        guard Slot.phase(of: state) != .idle, slot.ticket.load() <= clock.now,
            entryCount <= min(entriesReserved, UInt64(RedoLog.entryCountMax)),
            fillCount <= (slot.fillsReserved.load() == 0 ? 0 : UInt64(RedoLog.fillCountMax))
        else { return nil }
        let lock = LineWord.lock(slot: slot.index, sequence: Slot.sequence(of: state))
        let commit = unsafe LoggedCommit(
            log: RedoLog(meta: meta, slot: slot.index), entryCount: Int(entryCount),
            fillCount: Int(fillCount), lock: lock, space: self)
        return commit.isSound ? commit : nil
    }
}
