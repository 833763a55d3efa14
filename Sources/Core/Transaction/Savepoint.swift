/// A log entry as it was before the operation under way.
struct SavedEntry {
    var index: Int
    var mask: UInt64
    var data: InlineArray<8, UInt64>
}

/// Undoing one operation of a transaction that goes on.
///
/// Entries that the operation adds are cut off again; of those that were there each change is
/// preceded by a copy. Frames stay, and so does what was read.
extension Transaction {
    /// Begins an operation that can be undone.
    mutating func setSavepoint() -> Savepoint {
        savedEntryCount = entryCount
        savedFillCount = fillCount
        return Savepoint(
            entryCount: entryCount, fillCount: fillCount, fillLineCount: fillLineCount,
            fillByteCount: fillByteCount)
    }

    /// Ends the operation; its writes stay.
    mutating func releaseSavepoint() {
        savedEntryCount = 0
        savedFillCount = 0
        undoneEntries.removeAll(keepingCapacity: true)
    }

    /// Takes the writes of the operation back.
    mutating func rollBack(to savepoint: Savepoint) {
        for saved in undoneEntries.reversed() {
            let entry = log[saved.index]
            entry.mask.storeRelaxed(saved.mask)
            for word in 0..<8 { entry.data(UInt64(word * 8)).storeRelaxed(saved.data[word]) }
        }
        entryCount = savepoint.entryCount
        fillCount = savepoint.fillCount
        fillLineCount = savepoint.fillLineCount
        fillByteCount = savepoint.fillByteCount
        // The search for entries begins again; the filter and the highest line may stay too wide.
        writeIndex.removeAll()
        releaseSavepoint()
    }

    /// Whether anything was written: by the operation under way, or by the run if it is not part of
    /// an `OpenTransaction`.
    public var hasWritten: Bool {
        entryCount > savedEntryCount || fillCount > savedFillCount || !undoneEntries.isEmpty
    }

    /// Copies an entry that was there before the operation and is about to change.
    @usableFromInline
    mutating func saveEntry(_ index: Int) {
        let entry = log[index]
        var data = InlineArray<8, UInt64>(repeating: 0)
        for word in 0..<8 { data[word] = entry.data(UInt64(word * 8)).loadRelaxed() }
        undoneEntries.append(
            SavedEntry(index: index, mask: entry.mask.loadRelaxed(), data: data))
    }
}

/// Operations of a transaction that lives on between them.
extension Transaction {
    /// From here to `endOperation` the thread may touch pages. Its version is kept readable by the
    /// snapshot table.
    mutating func beginOperation() {
        reading.storeRelaxed(readVersion)
        SharedWord.compilerFence()
    }

    mutating func endOperation() { reading.store(0) }
}

/// What a transaction had written before an operation.
struct Savepoint {
    var entryCount: Int
    var fillCount: Int
    var fillLineCount: Int
    var fillByteCount: Int
}

/// Reads that the commit does not check.
extension Transaction {
    /// Where the read set stood.
    struct ReadPosition {
        var count: Int
        var lastRun: UInt64
        var lastLine: UInt64
        var compactions: Int
    }

    mutating func readPosition() -> ReadPosition { readSet.position }

    /// Forgets what was read since; keeps it if the set was rearranged meanwhile, which costs a
    /// needless conflict at worst.
    mutating func forgetReads(since position: ReadPosition) { readSet.cut(to: position) }

    /// Begins reads of which nothing is kept, however many they are.
    mutating func setReadsAside() -> ReadSet {
        let reads = readSet
        readSet = ReadSet()
        return reads
    }

    mutating func takeReadsBack(_ reads: ReadSet) {
        readSet.deallocate()
        readSet = reads
    }
}
