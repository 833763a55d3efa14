/// The bytes of a record, least significant byte first. Each record has one form only.
///
///     0   format 2, kind 2, machine 4, epoch 8, number 8, position 8, hash 8, milliseconds 8
///     40  by kind:
///         join, release  nothing
///         intentions     count 4, parts 4, the intentions
///         part           index 4, count 4, the writes
///         claim          slot 4, long 4
///         fence          machine 4, epoch 8
///     intention  slot 4, sequence 8, stamp 8, user 4, process 4, command 16, count of reads 4, of
///                ranges 4, of fills 4, of writes 4, then these
///     read       page 8, mask 8
///     range      first line 8, count 8
///     fill       start 8, stride 8, count 8, header offset 8, header 8
///     write      address 8, mask 8, the bytes that the mask names
extension Record {
    static let format: UInt16 = 1
    /// A store of values takes no more; what is larger is sent in parts.
    public static let sizeMax = 1 << 20
    /// Parts of an intention: more than the redo log of a slot can need.
    static let partCountMax = 16

    private enum Kind: UInt16 {
        case join = 1
        case intentions, part, claim, release, fence
    }

    /// The record as bytes.
    public var encoded: [UInt8] {
        var writer = ByteWriter()
        switch content {
        case .join:
            writeHead(.join, to: &writer)
        case .intentions(let intentions, let partCount):
            writeHead(.intentions, to: &writer)
            writer.writeCount(intentions.count)
            writer.writeCount(partCount)
            for intention in intentions { intention.write(to: &writer) }
        case .part(let index, let writes):
            writeHead(.part, to: &writer)
            writer.writeCount(index)
            writer.writeCount(writes.count)
            for write in writes { write.write(to: &writer) }
        case .claim(let slot, let isLong):
            writeHead(.claim, to: &writer)
            writer.write(slot)
            writer.write(UInt32(isLong ? 1 : 0))
        case .release:
            writeHead(.release, to: &writer)
        case .fence(let member):
            writeHead(.fence, to: &writer)
            writer.write(member.machine)
            writer.write(member.epoch)
        }
        return writer.bytes
    }

    private func writeHead(_ kind: Kind, to writer: inout ByteWriter) {
        writer.write(Record.format)
        writer.write(kind.rawValue)
        writer.write(sender.machine)
        for number in [sender.epoch, number, position, hash, milliseconds] { writer.write(number) }
    }

    /// - Throws: if the bytes are no record, whatever they are.
    public init(_ bytes: [UInt8]) throws(RecordError) {
        guard bytes.count <= Record.sizeMax else { throw .tooLong }
        var reader = ByteReader(bytes)
        guard try reader.read() == Record.format else { throw .unknownFormat }
        guard let kind = Kind(rawValue: try reader.read()) else { throw .unknownFormat }
        let machine: UInt32 = try reader.read()
        sender = Member(machine: machine, epoch: try reader.read())
        number = try reader.read()
        position = try reader.read()
        hash = try reader.read()
        milliseconds = try reader.read()
        content = try Record.readContent(kind, &reader)
        try reader.finish()
    }

    private static func readContent(
        _ kind: Kind, _ reader: inout ByteReader
    ) throws(RecordError) -> Content {
        switch kind {
        case .join:
            return .join
        case .intentions:
            let count = try reader.readCount(ofSize: Intention.sizeMin)
            let partCount: UInt32 = try reader.read()
            try reader.check(partCount <= (count > 0 ? partCountMax : 0))
            var intentions: [Intention] = []
            intentions.reserveCapacity(count)
            for _ in 0..<count { intentions.append(try Intention(&reader)) }
            return .intentions(intentions, partCount: Int(partCount))
        case .part:
            let index: UInt32 = try reader.read()
            try reader.check(index < partCountMax)
            let count = try reader.readCount(ofSize: LineWrite.sizeMin)
            return .part(index: Int(index), try LineWrite.readAll(count, &reader))
        case .claim:
            let slot: UInt32 = try reader.read()
            let isLong: UInt32 = try reader.read()
            try reader.check(isLong <= 1)
            return .claim(slot: slot, isLong: isLong == 1)
        case .release:
            return .release
        case .fence:
            let machine: UInt32 = try reader.read()
            return .fence(Member(machine: machine, epoch: try reader.read()))
        }
    }
}

extension Intention {
    /// The bytes of one that reads and writes nothing.
    fileprivate static let sizeMin = 60
    static let fillCountMax = RedoLog.fillCountMax

    fileprivate func write(to writer: inout ByteWriter) {
        writer.write(slot)
        writer.write(sequence)
        writer.write(stamp)
        writer.write(user)
        writer.write(process)
        writer.write(command[0])
        writer.write(command[1])
        for count in [reads.count, ranges.count, fills.count, writes.count] {
            writer.writeCount(count)
        }
        for read in reads {
            writer.write(read.page)
            writer.write(read.mask)
        }
        for range in ranges {
            writer.write(range.lowerBound)
            writer.write(range.upperBound - range.lowerBound)
        }
        for fill in fills {
            for number in [fill.start, fill.stride, fill.count, fill.headerOffset, fill.header] {
                writer.write(number)
            }
        }
        for write in writes { write.write(to: &writer) }
    }

    fileprivate init(_ reader: inout ByteReader) throws(RecordError) {
        slot = try reader.read()
        sequence = try reader.read()
        stamp = try reader.read()
        user = try reader.read()
        process = try reader.read()
        command = SIMD2(try reader.read(), try reader.read())
        let readCount = try reader.readCount(ofSize: 16)
        let rangeCount = try reader.readCount(ofSize: 16)
        let fillCount = try reader.readCount(ofSize: 40)
        let writeCount = try reader.readCount(ofSize: LineWrite.sizeMin)
        try reader.check(fillCount <= Intention.fillCountMax)
        reads = []
        reads.reserveCapacity(readCount)
        for _ in 0..<readCount {
            let read = PageRead(page: try reader.read(), mask: try reader.read())
            try reader.check(read.page >> (64 - Address.pageShift) == 0 && read.mask != 0)
            reads.append(read)
        }
        ranges = []
        for _ in 0..<rangeCount {
            let range = try Intention.readRange(&reader)
            if let last = ranges.last { try reader.check(last.upperBound < range.lowerBound) }
            ranges.append(range)
        }
        fills = []
        for _ in 0..<fillCount { fills.append(try Fill(&reader)) }
        let filled = fills.reduce(0) { $0 + $1.stride * $1.count }
        try reader.check(filled <= UInt64(Transaction.fillBytesMax))
        writes = try LineWrite.readAll(writeCount, &reader)
    }

    private static func readRange(
        _ reader: inout ByteReader
    ) throws(RecordError) -> Range<UInt64> {
        let (first, count): (UInt64, UInt64) = (try reader.read(), try reader.read())
        let lineCount: UInt64 = 1 << (64 - Address.lineShift)
        try reader.check(first < lineCount && count > 0 && count <= lineCount - first)
        return first..<first + count
    }
}

extension Intention.Fill {
    fileprivate init(_ reader: inout ByteReader) throws(RecordError) {
        start = try reader.read()
        stride = try reader.read()
        count = try reader.read()
        headerOffset = try reader.read()
        header = try reader.read()
        let (size, isTooLarge) = stride.multipliedReportingOverflow(by: count)
        try reader.check(
            !isTooLarge && size > 0 && size <= UInt64(Transaction.fillBytesMax)
                && (start | stride | headerOffset) & 7 == 0 && headerOffset < stride
                && Address(start).region == Address(start &+ (size - 1)).region)
    }
}

extension LineWrite {
    /// The bytes of a write of one byte.
    fileprivate static let sizeMin = 17

    fileprivate func write(to writer: inout ByteWriter) {
        writer.write(address)
        writer.write(mask)
        for index in 0..<8 {
            let bytes = mask >> UInt64(index * 8) & 0xff
            if bytes == 0xff {
                writer.write(words[index])
            } else if bytes != 0 {
                for byte in 0..<8 as Range<UInt64> where bytes >> byte & 1 != 0 {
                    writer.write(UInt8(truncatingIfNeeded: words[index] >> (byte * 8)))
                }
            }
        }
    }

    fileprivate static func readAll(
        _ count: Int, _ reader: inout ByteReader
    ) throws(RecordError) -> [LineWrite] {
        var writes: [LineWrite] = []
        writes.reserveCapacity(count)
        for _ in 0..<count { writes.append(try LineWrite(&reader)) }
        return writes
    }

    private init(_ reader: inout ByteReader) throws(RecordError) {
        address = try reader.read()
        mask = try reader.read()
        words = SIMD8()
        try reader.check(address % UInt64(Address.lineSize) == 0 && mask != 0)
        for index in 0..<8 {
            let bytes = mask >> UInt64(index * 8) & 0xff
            if bytes == 0xff {
                words[index] = try reader.read()
            } else if bytes != 0 {
                for byte in 0..<8 as Range<UInt64> where bytes >> byte & 1 != 0 {
                    words[index] |= UInt64(try reader.read(UInt8.self)) << (byte * 8)
                }
            }
        }
    }
}
