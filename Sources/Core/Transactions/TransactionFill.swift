extension Transaction {
    /// Initialises `count` equal objects, one after another: zeros, and `header` in each.
    ///
    /// Costs one record in the log however many objects there are; the bytes are made at the
    /// commit. Beyond `fillBytesMax` in one transaction they take room in the log like any writes.
    /// - Parameters:
    ///   - start: address of the first object's lowest byte, a multiple of eight.
    ///   - stride: bytes from one object to the next, a multiple of eight.
    ///   - headerOffset: where in an object the header goes, a multiple of eight.
    /// - Throws: `invalidAddress` if one is no such multiple; `tooLarge` if these are more than
    ///   `fillBytesMax`, or the log is full.
    public mutating func fill(
        start: Address, stride: Int, count: Int, headerOffset: Int, header: UInt64
    ) throws(TransactionError) {
        guard start.rawValue & 7 == 0, stride > 0, stride & 7 == 0, count > 0,
            headerOffset & 7 == 0, headerOffset >= 0, headerOffset < stride
        else { throw .invalidAddress(start) }
        let (bytes, overflow) = stride.multipliedReportingOverflow(by: count)
        guard !overflow, bytes <= Transaction.fillBytesMax else { throw .tooLarge }
        try reserve(start, count: bytes)
        let end = start + bytes
        let isFull =
            fillCount == RedoLog.fillCountMax || fillByteCount + bytes > Transaction.fillBytesMax
        if isFull || overlapsWrites(start, end) {
            return try fillByStores(start, stride, count, headerOffset, header)
        }
        try reserveFills()
        let fill = LogFill(
            start: start.rawValue, stride: UInt64(stride), count: UInt64(count),
            headerOffset: UInt64(headerOffset), header: header,
            firstOldWord: UInt64(fillLineCount))
        unsafe fills[fillCount] = fill
        log.storeFill(fill, at: fillCount)
        fillLineCount += Int(fill.lineEnd - fill.firstLine)
        fillByteCount += bytes
        fillCount += 1
        writeFilter = .max
    }

    /// A fill comes below all stores of its transaction, so one over earlier writes is made of
    /// stores itself. Fills never share a line: the second would find it locked by the first.
    private mutating func overlapsWrites(_ start: Address, _ end: Address) -> Bool {
        for index in 0..<fillCount {
            let fill = unsafe fills[index]
            if start.line < fill.lineEnd, (end - 1).line >= fill.firstLine { return true }
        }
        let lines = start.line...(end - 1).line
        if lines.count < entryCount {
            return lines.contains { entryIndex(ofLine: $0) != nil }
        }
        for index in 0..<entryCount
        where lines.contains(log[index].address.loadRelaxed() >> Address.lineShift) { return true }
        return false
    }

    private mutating func fillByStores(
        _ start: Address, _ stride: Int, _ count: Int, _ headerOffset: Int, _ header: UInt64
    ) throws(TransactionError) {
        try zero(start, count: stride * count)
        for index in 0..<count {
            try store(header, at: start + (index * stride + headerOffset))
        }
    }

    private mutating func reserveFills() throws(TransactionError) {
        guard slot.fillsReserved.load() == 0 else { return }
        let start = UInt64(SpaceLayout.logsOffset + slot.index * SpaceLayout.logSize)
        do throws(SystemError) {
            try SystemCalls.reserve(
                owner.metaDescriptor, offset: start, count: UInt64(RedoLog.entriesOffset))
        } catch {
            throw .outOfMemory
        }
        slot.fillsReserved.store(1)
    }
}
