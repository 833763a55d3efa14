extension Transaction {
    /// Copies bytes of the space into a buffer, all of the same moment.
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
            let place = unsafe target + Int(position - address.rawValue)
            if next - position == 64, unsafe readWholeLine(position, of: region, into: place) {
                readSet.insert(position >> Address.lineShift)
            } else {
                unsafe try readLine(position..<next, of: region, into: place)
            }
            position = next
        }
    }

    /// Copies a line that nobody has written since the snapshot, this transaction included; false
    /// if it is none.
    @inline(__always)
    private mutating func readWholeLine(
        _ address: UInt64, of region: RegionMapping, into target: UnsafeMutableRawPointer
    ) -> Bool {
        let offset = address & (Address.regionSize - 1)
        guard (writeFilter >> (address >> Address.lineShift & 63)) & 1 == 0,
            region.isPresent(offset)
        else { return false }
        let lineWord = region.lineWord(offset)
        let before = lineWord.load()
        guard before <= snapshot else { return false }
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
            do throws(OutOfMemory) {
                try owner.pageSource.provide(
                    firstPage: page, pageCount: Int(last - page + 1), in: region)
            } catch {
                throw .outOfMemory
            }
            return
        }
    }

    /// The newest version of any line of a range, at the transaction's moment; 0 if nobody wrote
    /// it.
    public mutating func version(
        of address: Address, count: Int
    ) throws(TransactionError) -> UInt64 {
        guard count > 0 else { return 0 }
        let region = try region(of: address, count: count)
        var newest: UInt64 = 0
        for line in address.line...(address + (count - 1)).line {
            let offset = line << Address.lineShift & (Address.regionSize - 1)
            if region.isPresent(offset) {
                let word = try readableWord(of: region, at: line << Address.lineShift)
                newest = max(newest, word > snapshot ? try oldVersion(ofLine: line) : word)
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
        let offset = bytes.lowerBound & (Address.regionSize - 1)
        let line = bytes.lowerBound >> Address.lineShift
        if (writeFilter >> (line & 63)) & 1 != 0 {
            return unsafe try readOwnLine(bytes, into: target)
        }
        while true {
            guard region.isPresent(offset) else {
                unsafe target.initializeMemory(as: UInt8.self, repeating: 0, count: bytes.count)
                break
            }
            let before = try readableWord(of: region, at: bytes.lowerBound)
            if before > snapshot {
                unsafe try readOldLine(bytes, into: target)
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
        var place = unsafe target
        while position < bytes.upperBound {
            let offset = position & (Address.regionSize - 1)
            let value = region.dataWord(offset & ~7).load()
            let count = min(8 - (position & 7), bytes.upperBound - position)
            if count == 8 {
                unsafe place.storeBytes(of: value, as: UInt64.self)
            } else {
                unsafe storeBytes(of: value >> ((position & 7) * 8), count: Int(count), to: place)
            }
            position += count
            unsafe place += Int(count)
        }
    }

    private mutating func readOwnLine(
        _ bytes: Range<UInt64>, into target: UnsafeMutableRawPointer
    ) throws(TransactionError) {
        var position = bytes.lowerBound
        var place = unsafe target
        while position < bytes.upperBound {
            let value = try loadWordSlowly(position & ~7)
            let count = min(8 - (position & 7), bytes.upperBound - position)
            unsafe storeBytes(of: value >> ((position & 7) * 8), count: Int(count), to: place)
            position += count
            unsafe place += Int(count)
        }
    }

    mutating func storeBytes(
        of value: UInt64, count: Int, to place: UnsafeMutableRawPointer
    ) {
        for index in 0..<count {
            unsafe place.storeBytes(
                of: UInt8(truncatingIfNeeded: value >> (UInt64(index) * 8)), toByteOffset: index,
                as: UInt8.self)
        }
    }
}
