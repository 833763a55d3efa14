/// Why bytes from the log, or a checkpoint, are not what they should be.
public enum RecordError: Error, Hashable, Sendable {
    /// The bytes end before what they announce does.
    case tooShort
    /// Bytes follow what has to be the end.
    case tooLong
    /// A format, or a kind of record, that this version does not know.
    case unknownFormat
    /// A number that makes no sense where it stands, with its offset.
    case badNumber(offset: Int)
    /// A checkpoint and the records that are melded again from it do not fit together.
    case otherLog
}

/// Takes numbers, least significant byte first, from bytes that anybody may have written.
struct ByteReader {
    private let bytes: [UInt8]
    private(set) var offset = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var remaining: Int { bytes.count - offset }

    @inline(__always)
    mutating func read<Number: FixedWidthInteger>(
        _: Number.Type = Number.self
    ) throws(RecordError) -> Number {
        guard remaining >= MemoryLayout<Number>.size else { throw .tooShort }
        let value = unsafe bytes.withUnsafeBytes { bytes in
            unsafe bytes.loadUnaligned(fromByteOffset: offset, as: Number.self)
        }
        offset += MemoryLayout<Number>.size
        return Number(littleEndian: value)
    }

    /// How many things follow that take at least `size` bytes each: never more than there can be.
    mutating func readCount(ofSize size: Int) throws(RecordError) -> Int {
        let count = Int(try read(UInt32.self))
        guard count <= remaining / size else { throw .tooShort }
        return count
    }

    mutating func readBits(count: Int) throws(RecordError) -> [Bool] {
        guard (count + 7) / 8 <= remaining else { throw .tooShort }
        var bits: [Bool] = []
        bits.reserveCapacity(count)
        var byte: UInt8 = 0
        for index in 0..<count {
            if index & 7 == 0 { byte = try read() }
            bits.append(byte >> UInt8(index & 7) & 1 != 0)
        }
        if count & 7 != 0 { try check(byte >> UInt8(count & 7) == 0) }
        return bits
    }

    /// Refuses what was read last.
    @inline(__always)
    func check(_ isGood: Bool) throws(RecordError) {
        if !isGood { throw .badNumber(offset: offset) }
    }

    func finish() throws(RecordError) {
        if remaining != 0 { throw .tooLong }
    }
}

/// Puts numbers after one another, as `ByteReader` takes them.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    @inline(__always)
    mutating func write<Number: FixedWidthInteger>(_ number: Number) {
        unsafe withUnsafeBytes(of: number.littleEndian) { unsafe bytes.append(contentsOf: $0) }
    }

    mutating func writeCount(_ count: Int) { write(UInt32(count)) }

    mutating func writeBits(_ bits: [Bool]) {
        for start in stride(from: 0, to: bits.count, by: 8) {
            var byte: UInt8 = 0
            for index in start..<min(start + 8, bits.count) where bits[index] {
                byte |= 1 << UInt8(index - start)
            }
            write(byte)
        }
    }
}
