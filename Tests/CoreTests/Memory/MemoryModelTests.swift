import Glibc
import RainbowCore
import TestSupport
import Testing

extension TransactionalMemory {
    /// Random transactions beside a plain array of bytes that says what they must read.
    @Suite struct MemoryModelTests {
        struct GivenUp: Error {}

        /// Pages somewhere, pages at the end of the region, pages across a word of the frame map.
        static let windows: [UInt64] = [
            0x8000, Address.regionSize - 16384, 64 * 4096 - 8192,
        ]

        @Test("Random transactions read what an array of bytes holds", arguments: 0..<6, windows)
        func random(run: Int, window: UInt64) throws {
            let seed = printedSeed("memory model, run \(run)") &+ UInt64(run)
            var generator = SeededGenerator(seed: seed)
            try withTestSpace("core") { space in
                let other = try Space.attach(space.name)
                defer { other.detach() }
                let start = Address(region: 1, offset: window)
                var model = MemoryModel(start: start, byteCount: 16384)
                for round in 0..<400 {
                    let operations = Int.random(in: 1...12, using: &generator)
                    let isGivenUp = Int.random(in: 0..<5, using: &generator) == 0
                    var tried = model
                    do {
                        try space.transact { tx in
                            tried = model
                            for _ in 0..<operations {
                                try tried.operate(&tx, &generator)
                            }
                            if isGivenUp { throw GivenUp() }
                        }
                        model = tried
                    } catch is GivenUp {
                        #expect(isGivenUp)
                    }
                    let reader = round % 2 == 0 ? space : other
                    try reader.transact { tx throws(TransactionError) in
                        try model.check(&tx, 0..<model.bytes.count)
                    }
                }
            }
        }
    }

    struct MemoryModel {
        let start: Address
        var bytes: [UInt8]
        var fillByteCount = 0

        init(start: Address, byteCount: Int) {
            self.start = start
            bytes = Array(repeating: 0, count: byteCount)
        }

        /// One random access, made in the transaction and in the model.
        mutating func operate(
            _ tx: inout Transaction, _ generator: inout SeededGenerator
        ) throws(TransactionError) {
            switch Int.random(in: 0..<12, using: &generator) {
            case 0: try access(&tx, UInt8.self, &generator)
            case 1: try access(&tx, Int16.self, &generator)
            case 2: try access(&tx, UInt32.self, &generator)
            case 3, 4: try access(&tx, Int64.self, &generator)
            case 5, 6: try write(&tx, range(&generator), &generator)
            case 7: try zero(&tx, range(&generator))
            case 8: try fill(&tx, &generator)
            case 9: try tx.reserve(start + range(&generator).lowerBound, count: 1)
            default: try check(&tx, range(&generator))
            }
        }

        /// Mostly short, at times long, never aligned on purpose.
        private func range(_ generator: inout SeededGenerator) -> Range<Int> {
            let longest = [1, 9, 70, 300, 5000, bytes.count].randomElement(using: &generator)!
            let count = Int.random(in: 1...longest, using: &generator)
            let first = Int.random(in: 0...bytes.count - count, using: &generator)
            return first..<first + count
        }

        private mutating func access<T: FixedWidthInteger>(
            _ tx: inout Transaction, _: T.Type, _ generator: inout SeededGenerator
        ) throws(TransactionError) {
            let size = MemoryLayout<T>.size
            let place = Int.random(in: 0..<bytes.count / size, using: &generator) * size
            var expected: T = 0
            for index in (0..<size).reversed() {
                expected = size == 1 ? 0 : expected << 8
                expected |= T(truncatingIfNeeded: bytes[place + index])
            }
            let found = try tx.load(start + place, as: T.self)
            #expect(found == expected)
            let value = T(truncatingIfNeeded: generator.next())
            try tx.store(value, at: start + place)
            for index in 0..<size {
                bytes[place + index] = UInt8(truncatingIfNeeded: value >> T(index * 8))
            }
        }

        private mutating func write(
            _ tx: inout Transaction, _ range: Range<Int>, _ generator: inout SeededGenerator
        ) throws(TransactionError) {
            let buffer = UnsafeMutableRawBufferPointer.allocate(
                byteCount: range.count, alignment: 1)
            defer { unsafe buffer.deallocate() }
            for index in range {
                bytes[index] = UInt8(truncatingIfNeeded: generator.next())
                unsafe buffer[index - range.lowerBound] = bytes[index]
            }
            try unsafe tx.write(
                start + range.lowerBound, from: UnsafeRawBufferPointer(buffer))
        }

        private mutating func zero(
            _ tx: inout Transaction, _ range: Range<Int>
        ) throws(TransactionError) {
            try tx.zero(start + range.lowerBound, count: range.count)
            for index in range { bytes[index] = 0 }
        }

        private mutating func fill(
            _ tx: inout Transaction, _ generator: inout SeededGenerator
        ) throws(TransactionError) {
            let stride = Int.random(in: 1...20, using: &generator) * 8
            let count = Int.random(in: 1...20, using: &generator)
            let last = bytes.count - stride * count
            let first = Int.random(in: 0...last / 8, using: &generator) * 8
            let offset = Int.random(in: 0..<stride / 8, using: &generator) * 8
            let header = generator.next()
            try tx.fill(
                start: start + first, stride: stride, count: count, headerOffset: offset,
                header: header)
            for index in 0..<stride * count {
                let inHeader = index % stride - offset
                let isHeader = 0..<8 ~= inHeader
                let byte = isHeader ? header >> UInt64(inHeader * 8) : 0
                bytes[first + index] = UInt8(truncatingIfNeeded: byte)
            }
        }

        /// Reads a range and compares it.
        func check(_ tx: inout Transaction, _ range: Range<Int>) throws(TransactionError) {
            let buffer = UnsafeMutableRawBufferPointer.allocate(
                byteCount: range.count, alignment: 1)
            defer { unsafe buffer.deallocate() }
            try unsafe tx.read(start + range.lowerBound, into: buffer)
            let isEqual = unsafe bytes.withUnsafeBytes { all in
                unsafe memcmp(all.baseAddress! + range.lowerBound, buffer.baseAddress!, range.count)
            }
            #expect(isEqual == 0, "bytes \(range) from \(start) differ")
        }
    }
}
