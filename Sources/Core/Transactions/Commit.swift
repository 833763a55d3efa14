/// What a commit does to the space, told from its redo log alone: so that its own thread and
/// whoever recovers it after a crash run the same code.
///
/// Every step changes only lines whose word is this commit's lock, and a line's word changes
/// last; so each step can be repeated, and be repeated in part, by another process.
@safe
struct LoggedCommit {
    let log: RedoLog
    let entryCount: Int
    let fillCount: Int
    /// The line word that marks this commit's locks.
    let lock: UInt64
    private unowned(unsafe) let spaceReference: Space

    /// The lines of the entries, if the commit is this process's own.
    private let targets: UnsafeMutablePointer<WriteTarget>?

    init(
        log: RedoLog, entryCount: Int, fillCount: Int, lock: UInt64, space: Space,
        targets: UnsafeMutablePointer<WriteTarget>? = nil
    ) {
        unsafe self.targets = targets
        self.log = log
        self.entryCount = entryCount
        self.fillCount = fillCount
        self.lock = lock
        unsafe spaceReference = space
    }

    private var space: Space { unsafe spaceReference }

    /// The word and region of an address of the log; the log names only regions that exist.
    @inline(__always)
    private func region(of address: UInt64) -> RegionMapping {
        let number = address >> Address.regionShift
        if let region = space.regions[number] { return region }
        guard let region = space.mapRegion(Int(number)) else {
            fatalError("the redo log names region \(number), which the space does not have")
        }
        return region
    }

    /// Where the line of an entry lies.
    @inline(__always)
    private func target(_ index: Int) -> WriteTarget {
        if let targets = unsafe targets { return unsafe targets[index] }
        let address = log[index].address.loadRelaxed()
        return WriteTarget(region(of: address), address & (Address.regionSize - 1))
    }

    /// Puts the logged bytes into all lines that are still locked: fills first, entries over them.
    func writeBack() {
        for index in 0..<fillCount { writeBackFill(log.fill(index)) }
        for index in 0..<entryCount {
            let entry = log[index]
            let target = target(index)
            guard target.lineWord.loadRelaxed() == lock else { continue }
            var mask = entry.mask.loadRelaxed()
            if mask == .max {
                for byte in stride(from: 0, to: UInt64(Address.lineSize), by: 8) {
                    target.data[Int(byte)].store(entry.data(byte).loadRelaxed())
                }
                mask = 0
            }
            while mask != 0 {
                let byte = UInt64(mask.trailingZeroBitCount) & ~7
                let bytes = mask >> byte & 0xff
                mask &= ~(0xff << byte)
                let cell = target.data[Int(byte)]
                let value = entry.data(byte).loadRelaxed()
                // Releasing: a reader who sees these bytes sees the lock when it looks again.
                cell.store(
                    bytes == 0xff ? value : LineBytes.merge(value, into: cell.loadRelaxed(), bytes))
            }
            space.failpoints.hit(.writeBackSome)
        }
    }

    private func writeBackFill(_ fill: LogFill) {
        let region = region(of: fill.start.loadRelaxed())
        let start = fill.start.loadRelaxed()
        let end = fill.end
        let stride = fill.stride.loadRelaxed()
        let headerOffset = fill.headerOffset.loadRelaxed()
        let header = fill.header.loadRelaxed()
        var position = start
        var inObject: UInt64 = 0
        while position < end {
            let lineEnd = min((position | 63) + 1, end)
            let offset = position & (Address.regionSize - 1)
            let isLocked = region.lineWord(offset).loadRelaxed() == lock
            var target = offset
            while position < lineEnd {
                if isLocked {
                    region.dataWord(target).store(inObject == headerOffset ? header : 0)
                }
                target += 8
                position += 8
                inObject += 8
                if inObject == stride { inObject = 0 }
            }
            space.failpoints.hit(.writeBackSome)
        }
    }

    /// Unlocks all lines that are still locked, with the commit's version.
    func unlock(version: UInt64) {
        for index in 0..<fillCount {
            let fill = log.fill(index)
            let region = region(of: fill.start.loadRelaxed())
            for line in fill.firstLine..<fill.lineEnd {
                let word = region.lineWord(line << Address.lineShift & (Address.regionSize - 1))
                if word.loadRelaxed() == lock { word.store(version) }
                space.failpoints.hit(.unlockSome)
            }
        }
        for index in 0..<entryCount {
            let word = target(index).lineWord
            if word.loadRelaxed() == lock { word.store(version) }
            space.failpoints.hit(.unlockSome)
        }
    }

    /// Unlocks all lines that are locked, with the words they had before: the commit never was.
    func rollBack() {
        // A line that a fill covers was locked through the fill, which keeps its old word.
        for index in 0..<fillCount {
            let fill = log.fill(index)
            let region = region(of: fill.start.loadRelaxed())
            for line in fill.firstLine..<fill.lineEnd {
                let offset = line << Address.lineShift & (Address.regionSize - 1)
                let word = region.lineWord(offset)
                if word.loadRelaxed() == lock {
                    word.store(fill.oldWord(ofLine: line).loadRelaxed())
                }
                space.failpoints.hit(.abortSome)
            }
        }
        for index in 0..<entryCount {
            let word = target(index).lineWord
            if word.loadRelaxed() == lock { word.store(log[index].oldWord.loadRelaxed()) }
            space.failpoints.hit(.abortSome)
        }
    }

    /// Calls `body` with each page written and the mask of its lines; a page may come twice.
    @inline(__always)
    func forEachPage(_ body: (_ page: UInt64, _ lines: UInt64) -> Void) {
        var page = UInt64.max
        var lines: UInt64 = 0
        for index in 0..<entryCount {
            let line = log[index].address.loadRelaxed() >> Address.lineShift
            if line >> 6 != page {
                if lines != 0 { body(page, lines) }
                page = line >> 6
                lines = 0
            }
            lines |= 1 << (line & 63)
        }
        if lines != 0 { body(page, lines) }
        for index in 0..<fillCount {
            let fill = log.fill(index)
            var line = fill.firstLine
            while line < fill.lineEnd {
                let next = min((line | 63) + 1, fill.lineEnd)
                let count = next - line
                body(line >> 6, LineBytes.bits(count, from: line & 63))
                line = next
            }
        }
    }
}

extension Transaction {
    /// Makes the transaction's writes visible, all at once, or none of them.
    ///
    /// The phases, in order: lock the write set, draw the version, validate the read set, commit
    /// (one store), write back, unlock, publish. Before the one store a crash undoes the commit,
    /// after it a crash completes it.
    /// - Returns: false if the run must be repeated.
    @usableFromInline
    mutating func commit() -> Bool {
        if isDoomed { return false }
        if entryCount == 0 && fillCount == 0 { return true }
        let logged = announce()
        lockWriteSet(logged.lock)
        failpoints.hit(.lockAll)
        guard isAllowedBesideSerial() else {
            abandon(logged, version: 0)
            waitForSerial()
            return false
        }
        let version = drawTicket()
        // Nobody drew a version since the snapshot, so nothing can have changed.
        guard version == snapshot + 1 || validateReadSet(logged.lock) else {
            abandon(logged, version: version)
            return false
        }
        failpoints.hit(.validated)
        let sequence = Slot.sequence(of: slot.state.loadRelaxed())
        slot.state.store(Slot.state(.committed, sequence))
        failpoints.hit(.committed)
        logged.writeBack()
        failpoints.hit(.writeBackAll)
        logged.unlock(version: version)
        failpoints.hit(.unlockAll)
        owner.ring.publish(logged, version: version, node: owner.node)
        failpoints.hit(.ringPublished)
        slot.ticket.store(0)
        slot.state.store(Slot.state(.idle, sequence))
        slot.commits.storeRelaxed(slot.commits.loadRelaxed() &+ 1)
        lastCommit = version
        owner.timeline.note(version)
        return true
    }

    /// Says in the slot that a commit begins, and what its log holds.
    private mutating func announce() -> LoggedCommit {
        let sequence = Slot.sequence(of: slot.state.loadRelaxed()) + 1
        slot.entryCount.storeRelaxed(UInt64(entryCount))
        slot.fillCount.storeRelaxed(UInt64(fillCount))
        // Orders the log and the counts before the state, and the state before the first lock.
        slot.state.store(Slot.state(.locking, sequence))
        failpoints.hit(.commitBegin)
        return unsafe LoggedCommit(
            log: log, entryCount: entryCount, fillCount: fillCount,
            lock: LineWord.lock(slot: slot.index, sequence: sequence), space: owner,
            targets: targets)
    }

    /// Locks every line of the log in address order, so that commits cannot wait in a circle.
    private mutating func lockWriteSet(_ lock: UInt64) {
        if fillCount == 0, entryCount <= 2 { return lockPair(lock) }
        lockOrder.sort(log, entryCount: entryCount, fillCount: fillCount)
        var nextFill = 0
        for position in 0..<entryCount {
            let index = lockOrder.entry(position)
            while nextFill < fillCount {
                let fill = log.fill(lockOrder.fill(nextFill))
                guard fill.start.loadRelaxed() <= log[index].address.loadRelaxed() | 63 else {
                    break
                }
                lockFill(fill, lock)
                nextFill += 1
            }
            lockEntry(index, lock)
            failpoints.hit(position == 0 ? .lockFirst : .lockSome)
        }
        while nextFill < fillCount {
            lockFill(log.fill(lockOrder.fill(nextFill)), lock)
            nextFill += 1
        }
    }

    /// Locks one line or two, by far the most frequent write sets.
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
        if !take(word, saving: old, lock) { old.storeRelaxed(LogEntry.unlocked) }
    }

    private mutating func lockFill(_ fill: LogFill, _ lock: UInt64) {
        guard let region = regions[fill.start.loadRelaxed() >> Address.regionShift] else { return }
        for line in fill.firstLine..<fill.lineEnd {
            let word = region.lineWord(line << Address.lineShift & (Address.regionSize - 1))
            _ = take(word, saving: fill.oldWord(ofLine: line), lock)
            failpoints.hit(.lockSome)
        }
    }

    /// Locks one line, waiting for whoever has it; false if this commit has it already.
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
                if backoff.wait() { owner.recoverIfDead(lock: value) }
                continue
            }
            old.storeRelaxed(value)
            if word.compareExchange(value, lock) { return true }
        }
    }

    /// Draws the commit's version; all its locks are held, so whoever sees the version sees them.
    private mutating func drawTicket() -> UInt64 {
        // A follower of the ring who misses a version must see that somebody may hold it.
        slot.ticket.storeRelaxed(1)
        failpoints.hit(.ticketAnnounced)
        let version = clock.next()
        slot.ticket.store(version)
        failpoints.hit(.ticketDrawn)
        return version
    }

    private mutating func validateReadSet(_ lock: UInt64) -> Bool {
        for index in 0..<readSet.count {
            for line in readSet.lines(index) where !isUnchanged(line, lock: lock) { return false }
        }
        return true
    }

    /// Undoes the locks of a commit that cannot be; its version, if it drew one, is an empty
    /// commit.
    private mutating func abandon(_ logged: LoggedCommit, version: UInt64) {
        logged.rollBack()
        if version != 0 { owner.ring.publishNothing(version: version, node: owner.node) }
        slot.ticket.store(0)
        slot.state.store(Slot.state(.idle, Slot.sequence(of: slot.state.loadRelaxed())))
    }
}
