/// Finds the log entry of a line: an open-addressing hash table, private to the transaction.
///
/// Cells hold generation << 32 | entry index + 1, so that clearing is raising the generation. Small
/// write sets are searched directly, and lines beyond the highest one written need no search, so
/// entries enter the table only when a search has to find them.
@safe
struct WriteIndex: ~Copyable {
    static let directMax = 8

    private var cells: UnsafeMutablePointer<UInt64>
    private var capacity = 1024
    private var generation: UInt64 = 1
    /// Entries that are in the table.
    private(set) var count = 0

    init() {
        unsafe cells = .allocate(capacity: 1024)
        unsafe cells.initialize(repeating: 0, count: 1024)
    }

    deinit { unsafe cells.deallocate() }

    mutating func removeAll() {
        if count == 0 { return }
        count = 0
        generation += 1
        if generation >> 32 != 0 {
            unsafe cells.update(repeating: 0, count: capacity)
            generation = 1
        }
    }

    private func firstCell(of line: UInt64) -> Int {
        Int(truncatingIfNeeded: (line &* 0x9e37_79b9_7f4a_7c15) >> 32) & (capacity - 1)
    }

    func find(_ line: UInt64, in log: RedoLog) -> Int? {
        var cell = firstCell(of: line)
        while true {
            let value = unsafe cells[cell]
            guard value >> 32 == generation else { return nil }
            let index = Int(value & 0xffff_ffff) - 1
            if log[index].address.loadRelaxed() >> Address.lineShift == line { return index }
            cell = (cell + 1) & (capacity - 1)
        }
    }

    /// Adds entry `index` of the log, whose line is not in the table.
    mutating func insert(_ index: Int, in log: RedoLog) {
        if (count + 1) * 2 > capacity { grow(log) }
        enter(index, in: log)
        count += 1
    }

    private func enter(_ index: Int, in log: RedoLog) {
        var cell = firstCell(of: log[index].address.loadRelaxed() >> Address.lineShift)
        while unsafe cells[cell] >> 32 == generation { cell = (cell + 1) & (capacity - 1) }
        unsafe cells[cell] = generation << 32 | UInt64(index + 1)
    }

    private mutating func grow(_ log: RedoLog) {
        unsafe cells.deallocate()
        capacity *= 2
        unsafe cells = .allocate(capacity: capacity)
        unsafe cells.initialize(repeating: 0, count: capacity)
        generation = 1
        for index in 0..<count { enter(index, in: log) }
    }
}

/// Where a log entry's line lies in this process.
@frozen @safe @usableFromInline
struct WriteTarget {
    let lineWord: SharedWord
    /// The line's first eight bytes.
    let data: SharedMemory

    init(_ region: RegionMapping, _ offset: UInt64) {
        lineWord = region.lineWord(offset)
        data = region.data.advanced(by: Int(offset))
    }
}

extension LogEntry {
    /// The old word of an entry whose line was not locked through it.
    static let unlocked = UInt64.max
}

extension Transaction {
    /// The entry of the line of an address, added if there is none.
    @inlinable
    mutating func entry(forLineOf address: UInt64) throws(TransactionError) -> LogEntry {
        let line = address >> Address.lineShift
        if (writeFilter >> (line & 63)) & 1 != 0, line <= highestLine,
            let index = entryIndex(ofLine: line)
        {
            if index < savedEntryCount { saveEntry(index) }
            return log[index]
        }
        return try addEntry(line)
    }

    /// The index of a line's entry in the log.
    @usableFromInline
    mutating func entryIndex(ofLine line: UInt64) -> Int? {
        guard (writeFilter >> (line & 63)) & 1 != 0, line <= highestLine else { return nil }
        if entryCount > WriteIndex.directMax {
            while writeIndex.count < entryCount { writeIndex.insert(writeIndex.count, in: log) }
            return writeIndex.find(line, in: log)
        }
        for index in 0..<entryCount
        where log[index].address.loadRelaxed() == line << Address.lineShift { return index }
        return nil
    }

    @usableFromInline
    mutating func addEntry(_ line: UInt64) throws(TransactionError) -> LogEntry {
        let address = line << Address.lineShift
        let offset = Address(address).offset
        guard let region = regions[containing: address], region.isPresent(offset),
            !isReadOnly
        else {
            try reserve(Address(address), count: Address.lineSize)
            return try addEntry(line)
        }
        return try appendEntry(address, in: region)
    }

    /// Adds the entry of a line that has none and whose page has a frame.
    @inline(__always)
    mutating func appendEntry(
        _ address: UInt64, in region: RegionMapping
    ) throws(TransactionError) -> LogEntry {
        if entryCount == entryReserved { try reserveEntries() }
        let line = address >> Address.lineShift
        let entry = log[entryCount]
        entry.address.storeRelaxed(address)
        entry.mask.storeRelaxed(0)
        unsafe targets[entryCount] = WriteTarget(region, Address(address).offset)
        entryCount += 1
        writeFilter |= 1 << (line & 63)
        if line > highestLine { highestLine = line } else { isAscending = false }
        return entry
    }

    /// Gives memory to more entries of the log: 64 KiB at first, then twice as many each time.
    private mutating func reserveEntries() throws(TransactionError) {
        let present = entryReserved * RedoLog.entrySize
        let limit = RedoLog.entryCountMax * RedoLog.entrySize
        guard present < limit else { throw .tooLarge }
        let wanted = min(max(65536, present * 2), limit)
        let start = RedoLog.entriesOffset(ofSlot: slot.index)
        do throws(SystemError) {
            try SystemCalls.reserve(
                owner.metaDescriptor, offset: start + UInt64(present),
                count: UInt64(wanted - present))
        } catch {
            throw .outOfMemory
        }
        slot.logReserved.store(UInt64(wanted))
        entryReserved = wanted / RedoLog.entrySize
    }
}
