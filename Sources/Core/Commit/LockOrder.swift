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

/// Sorting in place, without the temporary memory of the standard library's sort.
@safe
enum HeapSort {
    /// Sorts ascending; Williams, CACM 7(6), 1964. O(n log n), O(n) if the values are sorted; few
    /// values by insertion.
    static func sort(_ values: UnsafeMutablePointer<UInt64>, count: Int) {
        if count <= 16 { return unsafe insertionSort(values, count) }
        var isSorted = true
        for index in 1..<count where unsafe values[index - 1] > values[index] {
            isSorted = false
            break
        }
        if isSorted { return }
        for root in stride(from: count / 2 - 1, through: 0, by: -1) {
            unsafe siftDown(values, root, count)
        }
        for end in stride(from: count - 1, to: 0, by: -1) {
            unsafe swap(&values[0], &values[end])
            unsafe siftDown(values, 0, end)
        }
    }

    private static func insertionSort(_ values: UnsafeMutablePointer<UInt64>, _ count: Int) {
        var sorted = 1
        while sorted < count {
            let value = unsafe values[sorted]
            var location = sorted
            while location > 0, unsafe values[location - 1] > value {
                unsafe values[location] = values[location - 1]
                location -= 1
            }
            unsafe values[location] = value
            sorted += 1
        }
    }

    private static func siftDown(
        _ values: UnsafeMutablePointer<UInt64>, _ start: Int, _ count: Int
    ) {
        var root = start
        while true {
            var child = 2 * root + 1
            if child >= count { return }
            if child + 1 < count, unsafe values[child] < values[child + 1] { child += 1 }
            if unsafe values[root] >= values[child] { return }
            unsafe swap(&values[root], &values[child])
            root = child
        }
    }
}
