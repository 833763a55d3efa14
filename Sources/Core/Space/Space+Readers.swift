import Glibc

/// Who reads what: two facts of each thread, told by one word of its slot, and the snapshot table.
///
/// `Slot.reading` is not 0 while the thread *touches* memory that may be given back: for a run of
/// `transact`, for one operation of an `OpenTransaction`. It holds the version with which the run
/// began, so no run *reads* an older one; longer ones keep their version in the snapshot table.
///
/// The thread stores the word without a fence and then touches. The one that asks makes the barrier
/// for both (membarrier(2); Desnoyers et al., "User-Level Implementations of Read-Copy Update",
/// IEEE TPDS 23(2), 2012): first it makes something unreachable, then the barrier, and then it
/// looks at the words. A thread whose word is 0 by then finds it unreachable.
///
/// Nobody is kept waiting: what these functions cannot tell now, they do not tell, and the memory
/// stays. So a stopped process costs memory, and a killed one is recovered.
extension Space {
    /// No transaction and no snapshot reads an older version than this one, now or later; 0 if
    /// that cannot be told now.
    /// - Complexity: one look at each slot and each entry of the snapshot table.
    public var oldestReader: UInt64 {
        // In this order: a view that becomes stale is found by one of the two, or its reader finds
        // that out (`Transaction.checkFixedView`).
        let newest = clock.latest
        var oldest = min(newest, snapshotTable.oldest)
        guard makeBarrier() else { return 0 }
        for index in 0..<SpaceLayout.slotCountMax {
            let slot = Slot(meta: meta, index: index)
            if slot.reading.load() != 0 { recoverIfDead(slot: index) }
            guard let version = version(readBy: slot) else { return 0 }
            if version != 0 { oldest = min(oldest, version) }
        }
        return oldest
    }

    /// Waits until nobody reads a version older than this one, which has been drawn.
    /// - Returns: false if that took longer than the time allowed, or cannot be told.
    public func awaitReaders(before version: UInt64, milliseconds: Int = 10) -> Bool {
        let limit = SystemCalls.deadline(milliseconds: milliseconds)
        var backoff = Backoff()
        while oldestReader < version {
            _ = backoff.wait()
            if SystemCalls.isOver(limit) { return false }
        }
        return true
    }

    /// Waits until every run that touches memory now has ended, or its operation has. Runs that
    /// begin later see whatever the caller stored before the call. The caller's own run does not
    /// count.
    /// - Returns: false if one took longer than the time allowed, or if that cannot be told.
    func awaitRuns(milliseconds: Int = 10) -> Bool {
        guard makeBarrier() else { return false }
        let limit = SystemCalls.deadline(milliseconds: milliseconds)
        let own = slotOfThread
        for index in 0..<SpaceLayout.slotCountMax where index != own {
            let slot = Slot(meta: meta, index: index)
            guard let seen = version(readBy: slot) else { return false }
            guard seen != 0 else { continue }
            var backoff = Backoff()
            // Another version is another run's.
            while slot.reading.load() == seen {
                guard backoff.wait() else { continue }
                recoverIfDead(slot: index)
                guard slot.reading.load() == seen else { break }
                if SystemCalls.isOver(limit) { return false }
            }
        }
        return true
    }

    /// Runs `body` as part of this thread's run, or of one made for it: pages that have a frame
    /// keep it until it returns.
    /// - Returns: nil, without running it, if the space has no slot left for the thread.
    func whileTouching<R>(_ body: () -> R) -> R? {
        guard let context = unsafe try? threadContext() else { return nil }
        let reading = unsafe context.pointee.reading
        guard reading.loadRelaxed() == 0 else { return body() }
        reading.storeRelaxed(clock.now)
        SharedWord.compilerFence()
        defer { reading.store(0) }
        return body()
    }

    /// What a slot's run reads; 0 if there is none, nil if its process takes no part in barriers.
    private func version(readBy slot: Slot) -> UInt64? {
        let owner = slot.owner.load()
        guard owner != 0 else { return 0 }
        guard nodes.takesPartInBarriers(incarnation: owner) else { return nil }
        return slot.reading.load()
    }

    /// Whether this thread is in a run, which must not wait for itself.
    var isInRun: Bool {
        guard let slot = slotOfThread else { return false }
        return Slot(meta: meta, index: slot).reading.loadRelaxed() != 0
    }

    private func makeBarrier() -> Bool { (try? SystemCalls.barrier()) != nil }

    /// The slot of this thread's own transaction; nil if it has none yet.
    private var slotOfThread: Int? {
        guard !isGone, let cell = unsafe pthread_getspecific(threadKey) else { return nil }
        return unsafe cell.assumingMemoryBound(to: Transaction.self).pointee.slot.index
    }
}
