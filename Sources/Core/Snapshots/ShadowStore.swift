/// The undo versions of lines that open snapshots need: the file `shadow` of a space.
///
/// A committer that overwrites a line which some snapshot may still read saves the line's bytes
/// here first, with the versions between which they held (`Transaction.saveUndoVersions`). One
/// record a line and overwriting, found by a hash table of chains:
///
///     file      32,768 heads of chains, then the records
///     record    0 sequence   8 line   16 from   24 until   32 next   40 node   64 data
///
/// A record is alive while its sequence number is odd. Committers take records from the free list
/// or from the end, and push them on their chain; only the sweeper, of whom there is one at a
/// time (`SnapshotTable.withLock`), takes records out of chains and frees them. Nobody ever waits:
/// a reader copies a record and then looks whether it still has the sequence number that it began
/// with; a record that was freed and taken for another line meanwhile has another one.
///
/// Invariant: for each line and each snapshot S that is not stale, either the line's word is not
/// newer than S, or a record of the line has from <= S < until, or nobody had written the line at
/// S: then it was zeros.
@safe
struct ShadowStore: Sendable {
    static let chainCount = 1 << 15
    static let recordSize = 128
    static let recordsOffset = chainCount * 8
    /// Records that fit into the file, which is sparse.
    static let recordCountMax = 1 << 28
    static let fileSize = UInt64(recordsOffset + recordCountMax * recordSize)
    /// Records that get memory at once.
    static let batch = 1024
    static let bytesMaxDefault: UInt64 = 256 << 20

    private let meta: SharedMemory
    private let memory: SharedMemory
    private let descriptor: Int32

    private init(meta: SharedMemory, descriptor: Int32) throws(SystemError) {
        self.meta = meta
        self.descriptor = descriptor
        memory = unsafe SharedMemory(
            try SystemCalls.map(descriptor, offset: 0, count: ShadowStore.fileSize))
    }

    /// Maps the file of a space, made if it is not there; repeated harmlessly.
    static func open(
        in folder: SpaceFolder, _ meta: SharedMemory
    ) throws(SpaceError) -> ShadowStore {
        let descriptor = try folder.openOrMakeFile(SpaceDirectory.shadowFile)
        do throws(SystemError) {
            if try SystemCalls.status(of: descriptor).size < fileSize {
                try SystemCalls.checkLimit(ofSize: fileSize)
                try SystemCalls.reserve(descriptor, offset: 0, count: UInt64(recordsOffset))
                try SystemCalls.truncate(descriptor, size: fileSize)
            }
            return try ShadowStore(meta: meta, descriptor: descriptor)
        } catch {
            SystemCalls.close(descriptor)
            throw .system(error)
        }
    }

    func unmap() {
        unsafe SystemCalls.unmap(memory.base, count: ShadowStore.fileSize)
        SystemCalls.close(descriptor)
    }

    // MARK: What all processes share

    /// Head of the free list: tag << 32 | record + 1. The tag changes with each change.
    private var free: SharedWord { meta[SpaceLayout.shadowFreeOffset] }
    /// Records up to here were in use at some time, and have memory.
    private var end: SharedWord { meta[SpaceLayout.shadowEndOffset] }
    /// Records in chains.
    private var used: SharedWord { meta[SpaceLayout.shadowUsedOffset] }
    /// Records in chains after the last whole sweep.
    private var swept: SharedWord { meta[SpaceLayout.shadowSweptOffset] }

    static func bytesMax(_ meta: SharedMemory) -> UInt64 {
        let bytes = meta[SpaceLayout.shadowMaxOffset].load()
        return bytes == 0 ? bytesMaxDefault : bytes
    }

    /// Records that may be looked at; a link past them is damage.
    private var endOfRecords: UInt64 { min(end.load(), UInt64(ShadowStore.recordCountMax)) }

    private var recordsMax: UInt64 {
        min(
            ShadowStore.bytesMax(meta) / UInt64(ShadowStore.recordSize),
            UInt64(ShadowStore.recordCountMax))
    }

    static func bytesUsed(_ meta: SharedMemory) -> UInt64 {
        min(meta[SpaceLayout.shadowUsedOffset].load(), UInt64(recordCountMax)) * UInt64(recordSize)
    }

    /// Whether so much is in use that the oldest snapshot should go.
    var isUnderPressure: Bool { used.load() > recordsMax / 8 * 7 + recordsMax % 8 * 7 / 8 }

    /// Records that must be freed when no more can be had, so that this is not to be done again
    /// soon: an eighth of them, and what the limit is exceeded by.
    var excess: UInt64 {
        let used = used.load()
        return used - min(used, recordsMax) / 8 * 7
    }

    /// Whether something that was freed can be used again.
    var hasFreeRecord: Bool { free.load() & 0xffff_ffff != 0 }

    /// Whether sweeping everything is worth its time.
    var isSweepDue: Bool { used.load() / 2 > swept.load() &+ 512 }

    private func head(_ chain: Int) -> SharedWord { memory[chain * 8] }

    private func record(_ index: UInt64) -> ShadowRecord {
        ShadowRecord(
            memory: memory.advanced(
                by: ShadowStore.recordsOffset + Int(index) * ShadowStore.recordSize))
    }

    private static func chain(of line: UInt64) -> Int {
        Int(truncatingIfNeeded: (line &* 0x9e37_79b9_7f4a_7c15) >> 49)
    }

    // MARK: Committers

    /// Keeps the 64 bytes at `data`, which the line had in the versions `from` and later and which
    /// the commit `until` of `node` is about to overwrite. The line is locked by the caller.
    /// - Returns: false if there is no memory for it.
    func save(line: UInt64, from: UInt64, until: UInt64, node: Int, data: SharedMemory) -> Bool {
        guard let index = takeRecord() else { return false }
        let record = record(index)
        // Releasing: a reader who sees any of this sees that the record was free.
        record.line.store(line)
        record.from.store(from)
        record.until.store(until)
        record.node.store(UInt64(node))
        for byte in stride(from: 0, to: Address.lineSize, by: 8) {
            record.data(byte).store(data[byte].loadRelaxed())
        }
        let head = head(ShadowStore.chain(of: line))
        var next = head.load()
        // Before the record is alive: a reader who comes from where it was before goes on here.
        record.next.store(next)
        record.sequence.store(record.sequence.loadRelaxed() | 1)
        // Before the sweeper can find it.
        _ = used.add(1)
        while !head.compareExchange(next, index + 1) {
            next = head.load()
            record.next.store(next)
        }
        return true
    }

    private func takeRecord() -> UInt64? {
        while true {
            let head = free.load()
            let index = head & 0xffff_ffff
            // A list that leads out of range is not followed: what was freed stays unused.
            guard index != 0, index <= endOfRecords else { return takeFromEnd() }
            let next = record(index - 1).next.load() & 0xffff_ffff
            if free.compareExchange(head, ((head >> 32) &+ 1) << 32 | next) { return index - 1 }
        }
    }

    /// The record after all others, with memory.
    private func takeFromEnd() -> UInt64? {
        while true {
            let index = end.load()
            guard index < recordsMax else { return nil }
            let batch = UInt64(ShadowStore.batch)
            if index % batch == 0 {
                // Before the end moves past it, so that the later records of the batch have
                // memory too.
                let size = UInt64(ShadowStore.recordSize)
                do throws(SystemError) {
                    try SystemCalls.reserve(
                        descriptor, offset: UInt64(ShadowStore.recordsOffset) + index * size,
                        count: batch * size)
                } catch {
                    return nil
                }
            }
            if end.compareExchange(index, index + 1) { return index }
        }
    }

    // MARK: Readers

    /// The bytes that a line had at a version, and the versions between which it had them.
    /// - Parameter words: filled with the line's eight words.
    /// - Returns: nil if there is no record: then nobody had written the line by then, provided
    ///   that the snapshot is still registered afterwards.
    /// - Throws: `damaged` if the chain leads out of range, or in a circle.
    func find(
        line: UInt64, at version: UInt64, into words: inout InlineArray<8, UInt64>
    ) throws(TransactionError) -> ShadowVersion? {
        let chain = ShadowStore.chain(of: line)
        var restarts = 0
        restart: while true {
            restarts += 1
            // Sweeping makes a reader begin again now and then, but not forever.
            if restarts > ShadowStore.restartsMax { throw damage(line) }
            var index = head(chain).load()
            var steps: UInt64 = 0
            while index != 0 {
                let end = endOfRecords
                steps += 1
                guard index <= end, steps <= end else { throw damage(line) }
                let record = record(index - 1)
                let sequence = record.sequence.load()
                guard sequence & 1 == 1 else { continue restart }
                let found = ShadowVersion(
                    from: record.from.load(), until: record.until.load(),
                    node: Int(truncatingIfNeeded: record.node.load()))
                let recordLine = record.line.load()
                let next = record.next.load()
                let isIt = recordLine == line && found.from <= version && version < found.until
                if isIt {
                    for word in 0..<8 { words[word] = record.data(word * 8).load() }
                }
                guard record.sequence.load() == sequence,
                    ShadowStore.chain(of: recordLine) == chain
                else { continue restart }
                if isIt { return found }
                index = next
            }
            return nil
        }
    }

    private static let restartsMax = 10_000

    private func damage(_ line: UInt64) -> TransactionError {
        .damaged(Address(line: line))
    }
}

/// Between which versions a line had some bytes.
struct ShadowVersion {
    /// The commit that wrote them.
    var from: UInt64
    /// The commit that overwrote them, and its node.
    var until: UInt64
    var node: Int
}

/// One undo version of a line.
struct ShadowRecord {
    let memory: SharedMemory

    var sequence: SharedWord { memory[0] }
    var line: SharedWord { memory[8] }
    var from: SharedWord { memory[16] }
    var until: SharedWord { memory[24] }
    /// The next record of the chain or of the free list, + 1.
    var next: SharedWord { memory[32] }
    var node: SharedWord { memory[40] }

    func data(_ byteInLine: Int) -> SharedWord { memory[64 + byteInLine] }
}

/// Sweeping: for the holder of the snapshot table's lock only.
extension ShadowStore {
    /// Frees the records of some chains that no snapshot needs.
    /// - Parameter snapshots: the versions of all that are open, ascending.
    func sweep(_ chains: Range<Int>, snapshots: [UInt64]) {
        for chain in chains { sweep(chain, snapshots) }
    }

    /// Frees all records that no snapshot needs.
    /// - Returns: for each snapshot, how many records it needs that no younger one does: they could
    ///   be freed if it and all older ones were evicted.
    @discardableResult
    func sweepAll(snapshots: [UInt64]) -> [UInt64] {
        var needed = [UInt64](repeating: 0, count: snapshots.count)
        for chain in 0..<ShadowStore.chainCount {
            sweep(chain, snapshots) { needed[$0] += 1 }
        }
        swept.store(used.load())
        return needed
    }

    private func sweep(
        _ chain: Int, _ snapshots: [UInt64], onNeeded: (_ youngest: Int) -> Void = { _ in }
    ) {
        var link = head(chain)
        var isHead = true
        var index = link.load()
        var steps: UInt64 = 0
        // What lies past a link that leads out of range, or in a circle, is not swept.
        while index != 0, index <= endOfRecords, steps <= endOfRecords {
            steps += 1
            let record = record(index - 1)
            let next = record.next.load()
            let (from, until) = (record.from.load(), record.until.load())
            if let reader = ShadowStore.youngestReader(from, until, snapshots) {
                onNeeded(reader)
                link = record.next
                isHead = false
                index = next
            } else if isHead {
                // A committer may have pushed another record before it.
                if link.compareExchange(index, next) {
                    release(index - 1)
                    index = next
                } else {
                    index = link.load()
                }
            } else {
                link.store(next)
                release(index - 1)
                index = next
            }
        }
    }

    /// The index of the youngest snapshot that reads bytes of these versions; nil if none does.
    private static func youngestReader(
        _ from: UInt64, _ until: UInt64, _ snapshots: [UInt64]
    ) -> Int? {
        // After the last one that is older than the overwriting.
        var (low, high) = (0, snapshots.count)
        while low < high {
            let middle = (low + high) / 2
            if snapshots[middle] < until { low = middle + 1 } else { high = middle }
        }
        return low > 0 && snapshots[low - 1] >= from ? low - 1 : nil
    }

    private func release(_ index: UInt64) {
        let record = record(index)
        record.sequence.store(record.sequence.load() &+ 1)
        _ = used.add(0 &- 1)
        while true {
            let head = free.load()
            record.next.store(head & 0xffff_ffff)
            if free.compareExchange(head, ((head >> 32) &+ 1) << 32 | (index + 1)) { return }
        }
    }

    /// Frees everything and gives the memory back, except for the first batch. Nobody saves or
    /// reads a record any more.
    func reset() {
        let count = endOfRecords
        guard count != 0 else { return }
        for chain in 0..<ShadowStore.chainCount where head(chain).load() != 0 {
            head(chain).store(0)
        }
        free.store(0)
        used.store(0)
        swept.store(0)
        end.store(0)
        let batch = UInt64(ShadowStore.batch)
        guard count > batch else { return }
        let size = UInt64(ShadowStore.recordSize)
        // Without it the memory stays, and is used again.
        try? SystemCalls.punch(
            descriptor, offset: UInt64(ShadowStore.recordsOffset) + batch * size,
            count: (count - 1) / batch * batch * size)
    }

    /// Calls `report` with a sentence for each record that cannot be.
    /// - Parameter newest: gives the newest version at the time of the call.
    func check(newest: () -> UInt64, _ report: (String) -> Void) {
        var count: UInt64 = 0
        for chain in 0..<ShadowStore.chainCount {
            var index = head(chain).load()
            while index != 0 {
                // Again for each record: committers add some meanwhile.
                let end = endOfRecords
                guard index <= end else {
                    report("a chain of old versions leads to record \(index), there are \(end)")
                    return
                }
                guard count <= end else {
                    report("a chain of old versions leads in a circle")
                    return
                }
                let record = record(index - 1)
                let line = record.line.load()
                if record.sequence.load() & 1 == 0 {
                    report("record \(index - 1) of old versions is free, but in a chain")
                }
                if ShadowStore.chain(of: line) != chain {
                    report("the old version of line \(line) is in the wrong chain")
                }
                let (from, until) = (record.from.load(), record.until.load())
                if from >= until || until > newest() {
                    report("line \(line) has an old version from \(from) until \(until)")
                }
                count += 1
                index = record.next.load()
            }
        }
    }
}
