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
        guard owner != 0, !nodes.isAlive(Int(owner) - 1) else { return }
        recoverIf(slot) { $0 == owner && !nodes.isAlive(Int(owner) - 1) }
    }

    /// Recovers all slots of dead nodes, before this node's first transaction.
    ///
    /// This node may have the number of a dead one. To others that one now seems to live, whether
    /// it owns a slot or was recovering one: so nobody but this node can end either, and it leaves
    /// nothing of both behind.
    func recoverAll() {
        let mark = UInt64(node) + 1
        for index in 0..<SpaceLayout.slotCountMax {
            _ = Slot(meta: meta, index: index).recoverer.compareExchange(mark, 0)
        }
        for index in 0..<SpaceLayout.slotCountMax {
            let slot = Slot(meta: meta, index: index)
            var backoff = Backoff()
            while slot.owner.load() == mark {
                recoverIf(slot) { $0 == mark }
                // Another process may have claimed the slot just before: it may give up, finding
                // the owner alive, or be killed.
                if slot.owner.load() == mark { _ = backoff.wait() }
            }
            recoverIfDead(slot: index)
        }
    }

    /// Recovers a slot unless its owner, looked at again once the slot is claimed, is another.
    private func recoverIf(_ slot: Slot, _ isDue: (_ owner: UInt64) -> Bool) {
        recoveryMutex.withLock { _ in
            let mark = UInt64(node) + 1
            while true {
                let other = slot.recoverer.load()
                if other == mark { break }
                if other != 0, nodes.isAlive(Int(other) - 1) { return }
                if slot.recoverer.compareExchange(other, mark) { break }
            }
            if isDue(slot.owner.load()) { recover(slot) }
            slot.recoverer.store(0)
        }
    }

    /// Brings a slot to its end, forward or back, and frees it.
    private func recover(_ slot: Slot) {
        failpoints.hit(.recoverBegin)
        let state = slot.state.load()
        let sequence = Slot.sequence(of: state)
        let ticket = slot.ticket.load()
        let commit = unsafe LoggedCommit(
            log: RedoLog(meta: meta, slot: slot.index), entryCount: Int(slot.entryCount.load()),
            fillCount: Int(slot.fillCount.load()),
            lock: LineWord.lock(slot: slot.index, sequence: sequence), space: self)
        let owner = Int(slot.owner.load()) - 1
        switch Slot.phase(of: state) {
        case .idle: break
        case .locking:
            commit.rollBack()
            failpoints.hit(.recoverSome)
            if ticket > 1 { ring.publishNothing(version: ticket, node: owner) }
        case .committed:
            commit.writeBack()
            failpoints.hit(.recoverSome)
            commit.unlock(version: ticket)
            ring.publish(commit, version: ticket, node: owner)
        }
        slot.ticket.store(0)
        slot.state.store(Slot.state(.idle, sequence))
        failpoints.hit(.recoverEnd)
        let serial = meta[SpaceLayout.serialOffset]
        _ = serial.compareExchange(UInt64(slot.index) + 1, 0)
        recoveries.wrappingAdd(1, ordering: .relaxed)
        slot.owner.store(0)
    }
}
