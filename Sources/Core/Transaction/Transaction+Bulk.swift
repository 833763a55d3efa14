extension Transaction {
    /// Copies bytes of the space into a buffer, all of the same version.
    /// - Parameters:
    ///   - address: of the first byte; the whole range lies in one region.
    ///   - buffer: what is filled. Its bytes are undefined if an error is thrown.
    public mutating func read(
        _ address: Address, into buffer: UnsafeMutableRawBufferPointer
    ) throws(TransactionError) {
        guard buffer.count > 0, let target = buffer.baseAddress else { return }
        let region = try region(of: address, count: buffer.count)
        let end = address.rawValue + UInt64(buffer.count)
        var position = address.rawValue
        while position < end {
            let next = min((position | 63) + 1, end)
            let location = unsafe target + Int(position - address.rawValue)
            if next - position == 64, unsafe readWholeLine(position, of: region, into: location) {
                readSet.insert(position >> Address.lineShift)
            } else {
                unsafe try readLine(position..<next, of: region, into: location)
            }
            position = next
        }
    }

    /// Copies a line that nobody has written since the read version, this transaction included;
    /// false if it is none.
    @inline(__always)
    private mutating func readWholeLine(
        _ address: UInt64, of region: RegionMapping, into target: UnsafeMutableRawPointer
    ) -> Bool {
        let offset = Address(address).offset
        guard (writeFilter >> (address >> Address.lineShift & 63)) & 1 == 0,
            region.isPresent(offset)
        else { return false }
        let lineWord = region.lineWord(offset)
        let before = lineWord.load()
        guard before <= readVersion else { return false }
        for byte in stride(from: 0, to: UInt64(Address.lineSize), by: 8) {
            let value = region.dataWord(offset + byte).load()
            unsafe target.storeBytes(of: value, toByteOffset: Int(byte), as: UInt64.self)
        }
        return lineWord.loadRelaxed() == before
    }

    /// Copies a buffer's bytes into the space; they become visible with the commit.
    /// - Parameter address: of the first byte; the whole range lies in one region.
    /// - Throws: `outOfMemory`, or `tooLarge` past `bytesMax`.
    public mutating func write(
        _ address: Address, from buffer: UnsafeRawBufferPointer
    ) throws(TransactionError) {
        guard buffer.count > 0 else { return }
        try reserve(address, count: buffer.count)
        let region = try region(of: address.rawValue)
        let end = address.rawValue + UInt64(buffer.count)
        var position = address.rawValue
        while position < end {
            let isNew = position >> Address.lineShift > highestLine
            let entry =
                isNew
                ? try appendEntry(position & ~63, in: region) : try entry(forLineOf: position)
            let lineEnd = min((position | 63) + 1, end)
            let from = position & 63
            let count = lineEnd - position
            let bits = LineBytes.bits(count, from: from)
            entry.mask.storeRelaxed(entry.mask.loadRelaxed() | bits)
            if count == 64 {
                let source = unsafe buffer.baseAddress! + Int(position - address.rawValue)
                for byte in stride(from: 0, to: Address.lineSize, by: 8) {
                    let value = unsafe source.loadUnaligned(fromByteOffset: byte, as: UInt64.self)
                    entry.data(UInt64(byte)).storeRelaxed(value)
                }
                position = lineEnd
            }
            while position < lineEnd {
                let wordStart = position & ~7
                let wordEnd = min(wordStart + 8, lineEnd)
                let source = unsafe buffer.baseAddress! + Int(position - address.rawValue)
                let cell = entry.data(wordStart & 63)
                if wordEnd - position == 8 {
                    unsafe cell.storeRelaxed(source.loadUnaligned(as: UInt64.self))
                } else {
                    var value: UInt64 = 0
                    for index in 0..<Int(wordEnd - position) {
                        unsafe value |=
                            UInt64(source.load(fromByteOffset: index, as: UInt8.self))
                            << (UInt64(index) * 8)
                    }
                    let bytes = LineBytes.bits(wordEnd - position, from: position & 7)
                    let shifted = value << ((position & 7) * 8)
                    cell.storeRelaxed(LineBytes.merge(shifted, into: cell.loadRelaxed(), bytes))
                }
                position = wordEnd
            }
        }
    }

    /// Stores zeros over a range.
    public mutating func zero(_ address: Address, count: Int) throws(TransactionError) {
        guard count > 0 else { return }
        try reserve(address, count: count)
        let end = address.rawValue + UInt64(count)
        var position = address.rawValue
        while position < end {
            let next = min((position & ~7) + 8, end)
            let bytes = LineBytes.bits(next - position, from: position & 7)
            try storeWord(0, at: position & ~7, bytes: bytes)
            position = next
        }
    }

    /// Gives frames to all pages of a range ahead of writing it. They stay, whether or not the
    /// transaction commits.
    public mutating func reserve(_ address: Address, count: Int) throws(TransactionError) {
        guard count > 0 else { return }
        if isReadOnly { throw refusedWrite() }
        let region = try region(of: address, count: count)
        let first = address.offset >> Address.pageShift
        let last = (address.offset + UInt64(count) - 1) >> Address.pageShift
        for page in first...last where !region.isPresent(page << Address.pageShift) {
            let missing = Address(region: region.number, offset: page << Address.pageShift)
            return try whileBusy(missing) { pages throws(PageFailure) in
                try pages.provide(missing, pageCount: Int(last - page + 1), in: region)
            }
        }
    }

    /// The newest version of any line of a range, at the transaction's read version; 0 if nobody
    /// wrote it.
    public mutating func version(
        of address: Address, count: Int
    ) throws(TransactionError) -> UInt64 {
        guard count > 0 else { return 0 }
        let region = try region(of: address, count: count)
        var newest: UInt64 = 0
        for line in address.line...(address + (count - 1)).line {
            if try isResident(line << Address.lineShift, in: region) {
                let word = try readableWord(of: region, at: line << Address.lineShift)
                newest = max(newest, word > readVersion ? try undoVersion(ofLine: line) : word)
            }
            readSet.insert(line)
        }
        return newest
    }

    private mutating func region(
        of address: Address, count: Int
    ) throws(TransactionError) -> RegionMapping {
        guard count <= Address.regionSize, address.offset + UInt64(count) <= Address.regionSize
        else { throw .invalidAddress(address) }
        return try region(of: address.rawValue)
    }

    /// Reads bytes of one line: what is committed, with the transaction's own writes on top.
    private mutating func readLine(
        _ bytes: Range<UInt64>, of region: RegionMapping, into target: UnsafeMutableRawPointer
    ) throws(TransactionError) {
        let offset = Address(bytes.lowerBound).offset
        let line = bytes.lowerBound >> Address.lineShift
        if (writeFilter >> (line & 63)) & 1 != 0 {
            return unsafe try readOwnLine(bytes, into: target)
        }
        while true {
            guard try isResident(bytes.lowerBound, in: region) else {
                unsafe target.initializeMemory(as: UInt8.self, repeating: 0, count: bytes.count)
                break
            }
            let before = try readableWord(of: region, at: bytes.lowerBound)
            if before > readVersion {
                unsafe try readUndoLine(bytes, into: target)
                break
            }
            unsafe copyWords(bytes, from: region, into: target)
            if region.lineWord(offset).loadRelaxed() == before { break }
        }
        readSet.insert(line)
    }

    private mutating func copyWords(
        _ bytes: Range<UInt64>, from region: RegionMapping, into target: UnsafeMutableRawPointer
    ) {
        var position = bytes.lowerBound
        var location = unsafe target
        while position < bytes.upperBound {
            let offset = Address(position).offset
            let value = region.dataWord(offset & ~7).load()
            let count = min(8 - (position & 7), bytes.upperBound - position)
            if count == 8 {
                unsafe location.storeBytes(of: value, as: UInt64.self)
            } else {
                unsafe storeBytes(
                    of: value >> ((position & 7) * 8), count: Int(count), to: location)
            }
            position += count
            unsafe location += Int(count)
        }
    }

    private mutating func readOwnLine(
        _ bytes: Range<UInt64>, into target: UnsafeMutableRawPointer
    ) throws(TransactionError) {
        var position = bytes.lowerBound
        var location = unsafe target
        while position < bytes.upperBound {
            let value = try loadWordSlowly(position & ~7)
            let count = min(8 - (position & 7), bytes.upperBound - position)
            unsafe storeBytes(of: value >> ((position & 7) * 8), count: Int(count), to: location)
            position += count
            unsafe location += Int(count)
        }
    }

    mutating func storeBytes(
        of value: UInt64, count: Int, to location: UnsafeMutableRawPointer
    ) {
        for index in 0..<count {
            unsafe location.storeBytes(
                of: UInt8(truncatingIfNeeded: value >> (UInt64(index) * 8)), toByteOffset: index,
                as: UInt8.self)
        }
    }
}

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
