/// The place in the snapshot table whose version a transaction reads.
struct FixedView {
    var index: Int
    var serialNumber: UInt64
}

/// Committing while snapshots are open.
extension Transaction {
    /// Looks at the snapshot table again.
    ///
    /// The commit's version was drawn before its epoch was read, and both are full barriers: every
    /// snapshot older than the version is in the table, or pending there.
    @inline(never)
    mutating func refreshSnapshots() {
        snapshotEpoch = snapshotTable.epoch.loadOrdered()
        newestSnapshot = snapshotTable.newest
    }

    /// Whether the commit is about to overwrite bytes that an open snapshot may read: those not
    /// newer than the newest one. Rarely, since each line needs saving once a snapshot.
    @inline(__always)
    var needsUndoVersions: Bool {
        if newestSnapshot == 0 { return false }
        for index in 0..<entryCount where isOld(log[index].oldWord.loadRelaxed()) { return true }
        return fillCount > 0
    }

    /// Whether an open snapshot may read a line that had this word. Not if nobody had written it:
    /// then it was zeros; nor `LogEntry.unlocked`: a line under a fill is saved there.
    @inline(__always)
    private func isOld(_ word: UInt64) -> Bool { word &- 1 < newestSnapshot }

    /// Keeps the bytes that the commit is about to overwrite and that an open snapshot may read.
    /// All lines are locked. Nothing is overwritten before all of this is done, so a recovered
    /// commit needs none of it; one that is undone leaves records that are true all the same.
    @inline(never)
    mutating func saveUndoVersions(_ version: UInt64) {
        for index in 0..<entryCount {
            let from = log[index].oldWord.loadRelaxed()
            guard isOld(from) else { continue }
            let line = log[index].address.loadRelaxed() >> Address.lineShift
            save(line, from: from, until: version, data: unsafe targets[index].data)
            failpoints.hit(.undoVersionSaved)
        }
        for index in 0..<fillCount { unsafe saveUndoVersions(of: fills[index], version) }
    }

    /// Keeps the bytes of one line, if need be at the cost of the oldest snapshots.
    private mutating func save(
        _ line: UInt64, from: UInt64, until: UInt64, data: SharedMemory
    ) {
        while !shadow.save(line: line, from: from, until: until, node: owner.node, data: data) {
            guard owner.makeRoomForUndoVersions() else {
                return evictSnapshots(notOlderThan: from)
            }
            refreshSnapshots()
            if !isOld(from) { return }
        }
    }

    private mutating func saveUndoVersions(of fill: LogFill, _ version: UInt64) {
        guard let region = regions[containing: fill.start] else { return }
        for line in fill.firstLine..<fill.lineEnd {
            let from = log.oldWord(of: fill, line: line).loadRelaxed()
            guard isOld(from) else { continue }
            let offset = Address(line: line).offset
            save(line, from: from, until: version, data: region.data.advanced(by: Int(offset)))
        }
    }

    /// A line's old bytes cannot be kept: every snapshot that could need them is evicted.
    private mutating func evictSnapshots(notOlderThan version: UInt64) {
        snapshotTable.evict(notOlderThan: version)
        refreshSnapshots()
    }

    /// Makes sure that undo versions stay within their memory, after a commit that saved some, and
    /// now and then after others: the limit may have been lowered.
    @inline(never)
    mutating func relieveSnapshotMemory() {
        guard shadow.isUnderPressure else { return }
        owner.relieveSnapshotMemory()
    }
}

/// Reading at the fixed view of a snapshot.
extension Transaction {
    /// Whether it reads one version for as long as it lives, however many operations that are.
    var readsFixedView: Bool { view != nil }

    /// Begins a run that only reads, at a snapshot.
    mutating func begin(at snapshot: Snapshot) {
        begin()
        fix(at: snapshot)
        beginOperation()
        isReadOnly = true
    }

    mutating func fix(at snapshot: Snapshot) {
        readVersion = snapshot.version
        view = FixedView(index: snapshot.index, serialNumber: snapshot.serialNumber)
    }

    /// Ends a run at a snapshot.
    mutating func endAtSnapshot() {
        view = nil
        wait = nil
        isReadOnly = owner.isReadOnly
        end()
    }

    /// - Throws: `stale` if the snapshot is.
    mutating func checkView() throws(TransactionError) {
        if !canReadView { throw staleView() }
    }

    /// Makes sure, at the beginning of an operation at a fixed view, that what it is going to read
    /// is still that of the view: the pages of a stale one may have been evicted, and have frames
    /// again.
    /// - Throws: `stale` if the view is, and pages were evicted in this space.
    @usableFromInline
    mutating func checkFixedView() throws(TransactionError) {
        if !isFixedViewSound { throw staleView() }
    }

    var isFixedViewSound: Bool {
        owner.meta[SpaceLayout.evictionsOffset].load() == 0 || canReadView
    }

    /// Whether the read version is one that all who evict or reclaim know of.
    var canReadView: Bool {
        guard let view else { return true }
        let entry = snapshotTable[view.index]
        return entry.version.loadOrdered() == readVersion
            && entry.serialNumber.load() == view.serialNumber
    }

    /// The eight bytes at an aligned address, as of the read version.
    mutating func loadUndoWord(_ address: UInt64) throws(TransactionError) -> UInt64 {
        var words = InlineArray<8, UInt64>(repeating: 0)
        try findUndo(address >> Address.lineShift, into: &words)
        readSet.insert(address >> Address.lineShift)
        return words[Int(address & 63) / 8]
    }

    /// The version of a line as of the read version; 0 if nobody had written it.
    mutating func undoVersion(ofLine line: UInt64) throws(TransactionError) -> UInt64 {
        var words = InlineArray<8, UInt64>(repeating: 0)
        return try findUndo(line, into: &words)
    }

    /// Copies bytes of one line, as of the read version.
    mutating func readUndoLine(
        _ bytes: Range<UInt64>, into target: UnsafeMutableRawPointer
    ) throws(TransactionError) {
        var words = InlineArray<8, UInt64>(repeating: 0)
        try findUndo(bytes.lowerBound >> Address.lineShift, into: &words)
        var position = bytes.lowerBound
        var location = unsafe target
        while position < bytes.upperBound {
            let value = words[Int(position & 63) / 8] >> ((position & 7) * 8)
            let count = min(8 - (position & 7), bytes.upperBound - position)
            unsafe storeBytes(of: value, count: Int(count), to: location)
            position += count
            unsafe location += Int(count)
        }
    }

    /// The words of a line, as of the read version, which its line word is newer than.
    /// - Returns: the version that wrote them.
    @discardableResult
    private mutating func findUndo(
        _ line: UInt64, into words: inout InlineArray<8, UInt64>
    ) throws(TransactionError) -> UInt64 {
        try undoVersion(of: line, into: &words)?.from ?? 0
    }

    /// Who overwrote a line first since the read version; nil if nobody had written it before.
    mutating func overwriter(ofLine line: UInt64) -> ShadowVersion? {
        var words = InlineArray<8, UInt64>(repeating: 0)
        return (try? undoVersion(of: line, into: &words)) ?? nil
    }

    private mutating func undoVersion(
        of line: UInt64, into words: inout InlineArray<8, UInt64>
    ) throws(TransactionError) -> ShadowVersion? {
        // Either this thread sees that the snapshot ended, or the process that ends it waits for
        // this run.
        try checkView()
        let found = try shadow.find(line: line, at: readVersion, into: &words)
        // Only now is it sure that nothing that was needed had been freed.
        try checkView()
        return found
    }
}
