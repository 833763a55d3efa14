/// The lines that a transaction has read, as runs of up to 64 lines: number << 6 | length - 1.
///
/// A line may stand in it more than once; before the buffer grows, `compact` sorts and joins, so
/// its size follows the number of different lines.
@frozen @safe @usableFromInline
struct ReadSet {
    @usableFromInline var runs: UnsafeMutablePointer<UInt64>
    @usableFromInline var count = 0
    @usableFromInline var capacity = 1024
    /// The line after the last run, and the line before: a sequential reader extends the run.
    @usableFromInline var lastLine = UInt64.max
    private var compactions = 0

    @usableFromInline init() { unsafe runs = .allocate(capacity: 1024) }

    /// Frees the buffer; the set must not be used any more.
    func deallocate() { unsafe runs.deallocate() }

    @inlinable
    mutating func removeAll() {
        count = 0
        lastLine = .max
    }

    @inlinable
    mutating func insert(_ line: UInt64) {
        if line == lastLine { return }
        if line == lastLine &+ 1, count > 0, unsafe runs[count &- 1] & 63 != 63 {
            unsafe runs[count &- 1] &+= 1
        } else {
            if count == capacity { makeRoom() }
            unsafe runs[count] = line << 6
            count &+= 1
        }
        lastLine = line
    }

    /// Lines of a run of the set.
    func lines(_ index: Int) -> Range<UInt64> {
        let run = unsafe runs[index]
        return run >> 6..<(run >> 6) + (run & 63) + 1
    }

    @usableFromInline
    mutating func makeRoom() {
        compact()
        guard count > capacity / 2 else { return }
        let larger = UnsafeMutablePointer<UInt64>.allocate(capacity: capacity * 2)
        unsafe larger.update(from: runs, count: count)
        unsafe runs.deallocate()
        unsafe runs = larger
        capacity *= 2
    }

    /// Joins the runs to as few as hold their lines, none of them twice; the order of the runs has
    /// no meaning.
    private mutating func compact() {
        compactions += 1
        unsafe HeapSort.sort(runs, count: count)
        var kept = 0
        for index in 0..<count {
            var lines = lines(index)
            if kept > 0 {
                let end = self.lines(kept - 1).upperBound
                guard lines.upperBound > end else { continue }
                lines = max(lines.lowerBound, end)..<lines.upperBound
                if lines.lowerBound == end {
                    let joined = unsafe min(UInt64(lines.count), 63 - runs[kept - 1] & 63)
                    unsafe runs[kept - 1] += joined
                    lines = end + joined..<lines.upperBound
                    if lines.isEmpty { continue }
                }
            }
            unsafe runs[kept] = lines.lowerBound << 6 | UInt64(lines.count - 1)
            kept += 1
        }
        count = kept
        lastLine = .max
    }
}

extension ReadSet {
    var position: Transaction.ReadPosition {
        Transaction.ReadPosition(
            count: count, lastRun: count > 0 ? unsafe runs[count - 1] : 0, lastLine: lastLine,
            compactions: compactions)
    }

    mutating func cut(to position: Transaction.ReadPosition) {
        guard compactions == position.compactions else { return }
        count = position.count
        if count > 0 { unsafe runs[count - 1] = position.lastRun }
        lastLine = position.lastLine
    }
}

extension Transaction {
    /// Moves the read version to the present, if everything read so far still holds there.
    ///
    /// Invariant: a line in the read set whose word is unlocked and not newer than the *old*
    /// one has the bytes that were read, at the new version too: a commit that will change it
    /// with a version up to the new one held its lock before it drew that version.
    mutating func extendReadVersion() throws(TransactionError) {
        let now = clock.now
        for index in 0..<readSet.count {
            for line in readSet.lines(index) where !isUnchanged(line, lock: 0) {
                conflictLine = line
                throw conflict()
            }
        }
        readVersion = now
    }

    /// Whether a line that was read still is what it was: not newer than the read version, and
    /// locked by nobody but the holder of `lock` (0 for nobody), whose log then tells the word
    /// before.
    mutating func isUnchanged(_ line: UInt64, lock: UInt64) -> Bool {
        let address = line << Address.lineShift
        guard let region = regions[containing: address] else { return false }
        let offset = Address(address).offset
        // A page is evicted only with lines that nobody's read version is older than. A fixed view
        // that is stale is not waited for.
        guard isUnevicted(address, in: region) else { return canReadView }
        let word = region.lineWord(offset).load()
        if word <= readVersion { return true }
        guard word == lock else { return false }
        if let index = entryIndex(ofLine: line),
            log[index].oldWord.loadRelaxed() != LogEntry.unlocked
        {
            return log[index].oldWord.loadRelaxed() <= readVersion
        }
        for index in 0..<fillCount where unsafe fills[index].contains(line: line) {
            return unsafe log.oldWord(of: fills[index], line: line).loadRelaxed() <= readVersion
        }
        return false
    }
}
