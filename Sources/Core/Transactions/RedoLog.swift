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

    func fill(_ index: Int) -> LogFill {
        LogFill(
            memory: memory.advanced(by: index * RedoLog.fillSize),
            oldWords: memory.advanced(by: RedoLog.oldWordsOffset))
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

/// The initialisation of `count` equal objects, one after another.
struct LogFill {
    let memory: SharedMemory
    let oldWords: SharedMemory

    var start: SharedWord { memory[0] }
    var stride: SharedWord { memory[8] }
    var count: SharedWord { memory[16] }
    var headerOffset: SharedWord { memory[24] }
    var header: SharedWord { memory[32] }
    /// Index of the first line's old word.
    var firstOldWord: SharedWord { memory[40] }

    var end: UInt64 { start.loadRelaxed() + stride.loadRelaxed() * count.loadRelaxed() }
    var firstLine: UInt64 { start.loadRelaxed() >> Address.lineShift }
    /// The line behind the last one.
    var lineEnd: UInt64 { (end + 63) >> Address.lineShift }

    func contains(line: UInt64) -> Bool { line >= firstLine && line < lineEnd }

    func oldWord(ofLine line: UInt64) -> SharedWord {
        oldWords[Int(firstOldWord.loadRelaxed() + line - firstLine) * 8]
    }

    /// What the fill puts at an aligned address inside it.
    func value(at address: UInt64) -> UInt64 {
        let phase = (address - start.loadRelaxed()) % stride.loadRelaxed()
        return phase == headerOffset.loadRelaxed() ? header.loadRelaxed() : 0
    }
}
