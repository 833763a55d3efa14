/// The order in which a commit takes its locks: entries and fills of the log by address.
@safe
struct LockOrder: ~Copyable {
    /// Line number << 16 | index in the log.
    private var entries: UnsafeMutablePointer<UInt64>
    private var capacity = 1024
    private var fills: UnsafeMutablePointer<UInt64>

    init() {
        unsafe entries = .allocate(capacity: 1024)
        unsafe fills = .allocate(capacity: RedoLog.fillCountMax)
    }

    deinit {
        unsafe entries.deallocate()
        unsafe fills.deallocate()
    }

    func entry(_ position: Int) -> Int { Int(unsafe entries[position] & 0xffff) }
    func fill(_ position: Int) -> Int { Int(unsafe fills[position] & 0xffff) }

    mutating func sort(
        _ log: RedoLog, entryCount: Int, _ logFills: UnsafeMutablePointer<LogFill>, fillCount: Int
    ) {
        if entryCount > capacity { grow(to: entryCount) }
        var index = 0
        while index < entryCount {
            let line = log[index].address.loadRelaxed() >> Address.lineShift
            unsafe entries[index] = line << 16 | UInt64(index)
            index += 1
        }
        unsafe HeapSort.sort(entries, count: entryCount)
        guard fillCount > 0 else { return }
        for index in 0..<fillCount {
            unsafe fills[index] = logFills[index].firstLine << 16 | UInt64(index)
        }
        unsafe HeapSort.sort(fills, count: fillCount)
    }

    private mutating func grow(to count: Int) {
        unsafe entries.deallocate()
        while capacity < count { capacity *= 2 }
        unsafe entries = .allocate(capacity: capacity)
    }
}
