import Glibc

extension Transaction {
    /// Makes the transaction's writes visible, all at once, or none of them.
    ///
    /// The phases, in order: lock the write set, draw the version, validate the read set, save what
    /// open snapshots need of the lines, commit (one store), write back, unlock, publish. Before
    /// the one store a crash undoes the commit, after it a crash completes it.
    /// - Returns: false if the run must be repeated, or if the thread may not wait for what the
    ///   commit needs (`wait`).
    @usableFromInline
    mutating func commit() -> Bool {
        if isDoomed { return false }
        if entryCount == 0 && fillCount == 0 { return wait == nil }
        owner.timeline.note()
        var logged = announce()
        lockWriteSet(logged.lock)
        while let blocked = blocked {
            abandon(logged, version: 0)
            self.blocked = nil
            guard awaitEnd(of: blocked) else { return false }
            owner.timeline.note()
            logged = announce()
            lockWriteSet(logged.lock)
        }
        SharedWord.fence()
        failpoints.hit(.lockAll)
        guard isAllowedBesideSerial() else {
            abandon(logged, version: 0)
            _ = awaitEnd(of: .serial)
            return false
        }
        let version = drawTicket()
        // Nobody drew a version since the read version, so nothing can have changed.
        guard version == readVersion &+ 1 || validateReadSet(logged.lock) else {
            abandon(logged, version: version)
            return false
        }
        failpoints.hit(.validated)
        if snapshotTable.epoch.loadOrdered() != snapshotEpoch { refreshSnapshots() }
        let savesUndoVersions = needsUndoVersions
        if savesUndoVersions { saveUndoVersions(version) }
        let sequence = Slot.sequence(of: slot.state.loadRelaxed())
        slot.state.store(Slot.state(.committed, sequence))
        failpoints.hit(.committed)
        logged.writeBack()
        failpoints.hit(.writeBackAll)
        logged.unlock(version: version)
        failpoints.hit(.unlockAll)
        owner.ring.publish(logged, version: version, by: committer, node: owner.node)
        failpoints.hit(.ringPublished)
        slot.ticket.store(0)
        slot.state.store(Slot.state(.idle, sequence))
        slot.commits.storeRelaxed(slot.commits.loadRelaxed() &+ 1)
        lastCommit = version
        if savesUndoVersions || newestSnapshot != 0 && version & 63 == 0 { relieveSnapshotMemory() }
        return true
    }

    /// Says in the slot that a commit begins, and what its log holds.
    @inline(__always)
    private mutating func announce() -> LoggedCommit {
        let sequence = Slot.sequence(of: slot.state.loadRelaxed()) + 1
        slot.entryCount.storeRelaxed(UInt64(entryCount))
        slot.fillCount.storeRelaxed(UInt64(fillCount))
        slot.committer.storeRelaxed(committer.packed)
        // Orders the log and the counts before the state, and the state before the first lock.
        slot.state.store(Slot.state(.locking, sequence))
        failpoints.hit(.commitBegin)
        return unsafe LoggedCommit(
            log: log, entryCount: entryCount, fillCount: fillCount,
            lock: LineWord.lock(slot: slot.index, sequence: sequence), space: owner,
            targets: targets, fills: fills)
    }

    /// Locks every line of the log in address order, so that commits cannot wait in a circle.
    /// If another one keeps a line, `blocked` says which, and not all lines are locked.
    private mutating func lockWriteSet(_ lock: UInt64) {
        if fillCount == 0, entryCount <= 2 { return lockPair(lock) }
        if fillCount == 0, isAscending { return lockEntries(lock) }
        unsafe lockOrder.sort(log, entryCount: entryCount, fills, fillCount: fillCount)
        var nextFill = 0
        for position in 0..<entryCount {
            let index = lockOrder.entry(position)
            while nextFill < fillCount {
                let fill = unsafe fills[lockOrder.fill(nextFill)]
                guard fill.start <= log[index].address.loadRelaxed() | 63 else {
                    break
                }
                lockFill(fill, lock)
                nextFill += 1
            }
            lockEntry(index, lock)
            failpoints.hit(position == 0 ? .lockFirst : .lockSome)
        }
        while nextFill < fillCount {
            unsafe lockFill(fills[lockOrder.fill(nextFill)], lock)
            nextFill += 1
        }
    }

    /// Locks the lines of a write set that came in the order of addresses, as bulk writes do.
    private mutating func lockEntries(_ lock: UInt64) {
        for index in 0..<entryCount {
            lockEntry(index, lock)
            failpoints.hit(index == 0 ? .lockFirst : .lockSome)
        }
    }

    /// Locks one line or two, by far the most frequent write sets.
    @inline(__always)
    private mutating func lockPair(_ lock: UInt64) {
        var first = 0
        if entryCount == 2, log[0].address.loadRelaxed() > log[1].address.loadRelaxed() {
            first = 1
        }
        lockEntry(first, lock)
        failpoints.hit(.lockFirst)
        guard entryCount == 2 else { return }
        lockEntry(1 - first, lock)
        failpoints.hit(.lockSome)
    }

    @inline(__always)
    private mutating func lockEntry(_ index: Int, _ lock: UInt64) {
        let old = log[index].oldWord
        let word = unsafe targets[index].lineWord
        if !take(word, saving: old, lock) { lockFailed(log[index].address, old, word, lock) }
    }

    /// The line of an entry is not locked through the entry: a fill has it, or another commit.
    @inline(never)
    private mutating func lockFailed(
        _ address: SharedWord, _ old: SharedWord, _ word: SharedWord, _ lock: UInt64
    ) {
        old.storeRelaxed(LogEntry.unlocked)
        if word.load() != lock, blocked == nil { blocked = .line(at: address.loadRelaxed()) }
    }

    private mutating func lockFill(_ fill: LogFill, _ lock: UInt64) {
        guard let region = regions[containing: fill.start] else { return }
        for line in fill.firstLine..<fill.lineEnd {
            let word = region.lineWord(ofLine: line)
            if !take(word, saving: log.oldWord(of: fill, line: line), lock), word.load() != lock,
                blocked == nil
            {
                blocked = .line(at: line << Address.lineShift)
            }
            failpoints.hit(.lockSome)
        }
    }

    /// Locks one line; false if this commit has it already, or if another one keeps it for longer
    /// than a few yields of the processor: nobody waits for long with lines locked.
    @inline(__always)
    private mutating func take(_ word: SharedWord, saving old: SharedWord, _ lock: UInt64) -> Bool {
        let value = word.load()
        if value < LineWord.lockBit {
            // The old word is in the log before the lock is in the line: who undoes the lock
            // finds it.
            old.storeRelaxed(value)
            if word.compareExchange(value, lock) { return true }
        }
        return takeSlowly(word, saving: old, lock)
    }

    @inline(never)
    private mutating func takeSlowly(_ word: SharedWord, saving old: SharedWord, _ lock: UInt64)
        -> Bool
    {
        var backoff = Backoff()
        while true {
            let value = word.load()
            if value == lock { return false }
            if LineWord.isLocked(value) {
                // A line before this one is taken as well: all of them are given back.
                if blocked != nil { return false }
                if backoff.wait() {
                    owner.recoverIfDead(lock: value)
                    if word.load() == value { return false }
                }
                continue
            }
            old.storeRelaxed(value)
            if word.compareExchange(value, lock) { return true }
        }
    }

    /// Draws the commit's version; all its locks are held, so anyone who sees the version sees
    /// them.
    @inline(__always)
    private mutating func drawTicket() -> UInt64 {
        // A follower of the ring who misses a version must see that somebody may hold it.
        slot.ticket.storeRelaxed(1)
        failpoints.hit(.ticketAnnounced)
        let version = clock.next()
        SharedWord.fence()
        slot.ticket.store(version)
        failpoints.hit(.ticketDrawn)
        return version
    }

    private mutating func validateReadSet(_ lock: UInt64) -> Bool {
        for index in 0..<readSet.count {
            for line in readSet.lines(index) where !isUnchanged(line, lock: lock) {
                conflictLine = line
                return false
            }
        }
        countAvoidedFalseSharing(lock: lock)
        return true
    }

    /// Undoes the locks of a commit that cannot be; its version, if it drew one, is an empty
    /// commit.
    private mutating func abandon(_ logged: LoggedCommit, version: UInt64) {
        logged.rollBack()
        if version != 0 { owner.ring.publishNothing(version: version) }
        slot.ticket.store(0)
        slot.state.store(Slot.state(.idle, Slot.sequence(of: slot.state.loadRelaxed())))
    }
}

/// The clock in the space's own shared memory gives out versions, and with them the order of all
/// commits: one atomic addition a commit.
///
/// Versions rise by one a commit attempt. `next` comes after the caller's line locks in memory
/// order, and a version is visible through `now` before `next` returns.
@frozen
public struct SharedClock: Sendable {
    @usableFromInline let clock: SharedWord

    init(meta: SharedMemory) { clock = meta[SpaceLayout.clockOffset] }

    /// The newest version given out; a transaction that begins now sees all commits up to it.
    @inlinable public var now: UInt64 { clock.load() }

    /// `now`, in the one order of all full barriers.
    var latest: UInt64 { clock.loadOrdered() }

    /// A version greater than all given out before.
    @inlinable public func next() -> UInt64 { clock.add(1) }
}

/// For whom a transaction is committed: it stands with the commit in the ring, and in the slot, so
/// that who recovers the commit publishes it too.
public struct Committer: Equatable, Sendable {
    public var processID: UInt32
    public var userID: UInt32

    public init(processID: UInt32, userID: UInt32) {
        self.processID = processID
        self.userID = userID
    }

    /// This process itself.
    public static var current: Committer {
        Committer(processID: UInt32(bitPattern: SystemCalls.processID), userID: geteuid())
    }

    /// The commit ring has room for 31 bits of a process id; the kernel's have 22.
    private static let processMask: UInt32 = 0x7fff_ffff

    var packed: UInt64 { UInt64(userID) << 32 | UInt64(processID & Committer.processMask) }

    init(packed: UInt64) {
        userID = UInt32(truncatingIfNeeded: packed >> 32)
        processID = UInt32(truncatingIfNeeded: packed) & Committer.processMask
    }
}

extension Space {
    /// For whom this thread commits: the process itself, until a thread that works for others says
    /// so. It stays what it was set to if the space has no slot left for the thread, which then
    /// cannot commit anything.
    public var committer: Committer {
        get {
            guard let context = unsafe try? threadContext() else { return .current }
            return unsafe context.pointee.committer
        }
        set {
            guard let context = unsafe try? threadContext() else { return }
            unsafe context.pointee.committer = newValue
        }
    }
}
