/// The redo log of one slot: everything that a commit is going to write, in shared memory, so
/// that a survivor can finish it.
///
///     fills      16 x 64 B      {start, stride, count, header offset, header, first old word}
///     old words  8 B a line     what the lines of the fills held before they were locked
///     entries    128 B each     {line address, byte mask, old word, -, 64 bytes of data}
///
/// The running transaction buffers its writes right here; nobody else looks before `Slot.state`
/// says `locking`. The log is sparse: `reserveEntries` gives it memory before it is touched.
@frozen @safe @usableFromInline
struct RedoLog {
    @usableFromInline static let entrySize = 128
    static let fillCountMax = 16
    static let fillSize = 64
    static let oldWordsOffset = fillCountMax * fillSize
    /// Lines of one mebibyte, and two partly covered ones a fill.
    static let oldWordCountMax = 16384 + 2 * fillCountMax
    static let entriesOffset = (oldWordsOffset + oldWordCountMax * 8 + 4095) & ~4095
    /// Entries that fit.
    @usableFromInline static let entryCountMax = (SpaceLayout.logSize - entriesOffset) / entrySize

    /// The logs of the first slots have memory for some entries from the start: in a full memory,
    /// what is there can be changed by threads that never wrote before.
    static let readySlotCount = 64
    static let readySize = Address.pageSize

    @usableFromInline let memory: SharedMemory
    @usableFromInline let entries: SharedMemory

    init(meta: SharedMemory, slot: Int) {
        memory = meta.advanced(by: SpaceLayout.logsOffset + slot * SpaceLayout.logSize)
        entries = memory.advanced(by: RedoLog.entriesOffset)
    }

    @inlinable @inline(__always)
    subscript(index: Int) -> LogEntry {
        LogEntry(memory: entries.advanced(by: index * RedoLog.entrySize))
    }

    /// Where the entries of a slot's log begin in `meta`.
    static func entriesOffset(ofSlot index: Int) -> UInt64 {
        UInt64(SpaceLayout.logsOffset + index * SpaceLayout.logSize + entriesOffset)
    }

    /// A fill as the log has it.
    func loadFill(_ index: Int) -> LogFill {
        let words = memory.advanced(by: index * RedoLog.fillSize)
        return LogFill(
            start: words[0].load(), stride: words[8].load(), count: words[16].load(),
            headerOffset: words[24].load(), header: words[32].load(), firstOldWord: words[40].load()
        )
    }

    func storeFill(_ fill: LogFill, at index: Int) {
        let words = memory.advanced(by: index * RedoLog.fillSize)
        words[0].storeRelaxed(fill.start)
        words[8].storeRelaxed(fill.stride)
        words[16].storeRelaxed(fill.count)
        words[24].storeRelaxed(fill.headerOffset)
        words[32].storeRelaxed(fill.header)
        words[40].storeRelaxed(fill.firstOldWord)
    }

    /// What a line of a sound fill held before it was locked.
    func oldWord(of fill: LogFill, line: UInt64) -> SharedWord {
        memory[RedoLog.oldWordsOffset + Int(fill.firstOldWord + line - fill.firstLine) * 8]
    }
}

/// The buffered writes to one line.
@frozen @usableFromInline
struct LogEntry {
    @usableFromInline let memory: SharedMemory

    @inlinable init(memory: SharedMemory) { self.memory = memory }

    /// The address of the line's first byte.
    @inlinable var address: SharedWord { memory[0] }
    /// Bit i set: byte i of the line is written.
    @inlinable var mask: SharedWord { memory[8] }
    /// The line word before the lock.
    @inlinable var oldWord: SharedWord { memory[16] }

    /// The eight bytes at a multiple of eight in the line.
    @inlinable @inline(__always)
    func data(_ byteInLine: UInt64) -> SharedWord { memory[64 + Int(byteInLine)] }
}

/// The initialisation of `count` equal objects, one after another: a copy, since the log lies in
/// shared memory, where something else may write. Its numbers make sense: those of a transaction's
/// own fills are checked before they are logged, those of a log that is recovered when it is read.
struct LogFill {
    var start: UInt64
    var stride: UInt64
    var count: UInt64
    var headerOffset: UInt64
    var header: UInt64
    /// Index of the first line's old word.
    var firstOldWord: UInt64

    var end: UInt64 { start + stride * count }
    var firstLine: UInt64 { start >> Address.lineShift }
    /// The line after the last one.
    var lineEnd: UInt64 { (end + 63) >> Address.lineShift }

    func contains(line: UInt64) -> Bool { line >= firstLine && line < lineEnd }

    /// What the fill puts at an aligned address inside it.
    func value(at address: UInt64) -> UInt64 {
        (address - start) % stride == headerOffset ? header : 0
    }
}
