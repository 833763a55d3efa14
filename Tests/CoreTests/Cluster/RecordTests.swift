import TestSupport
import Testing

@testable import RainbowCore

/// The bytes of records: what was written comes back, and no bytes harm who reads them.
@Suite struct RecordTests {
    static func randomRecord(_ random: inout SeededGenerator) -> Record {
        let sender = Member(machine: UInt32.random(in: 0...9, using: &random), epoch: random.next())
        return Record(
            sender: sender, number: random.next(), position: random.next(), hash: random.next(),
            milliseconds: random.next(), content: randomContent(&random))
    }

    private static func randomContent(_ random: inout SeededGenerator) -> Record.Content {
        let count = Int.random(in: 0...4, using: &random)
        switch Int.random(in: 0..<9, using: &random) {
        case 0: return .join
        case 1: return .part(index: count, (0..<count).map { _ in randomWrite(&random) })
        case 2: return .claim(slot: 7, isLong: Bool.random(using: &random))
        case 3: return .release
        case 4: return .fence(Member(machine: 3, epoch: random.next()))
        default:
            let intentions = (0..<count).map { _ in randomIntention(&random) }
            return .intentions(intentions, partCount: count == 0 ? 0 : count - 1)
        }
    }

    private static func randomIntention(_ random: inout SeededGenerator) -> Intention {
        func some<Element>(_ make: (inout SeededGenerator) -> Element) -> [Element] {
            (0..<Int.random(in: 0...3, using: &random)).map { _ in make(&random) }
        }
        return Intention(
            slot: 5, sequence: random.next(), stamp: random.next(), user: 1000, process: 77,
            command: SIMD2(random.next(), random.next()),
            reads: some { .init(page: $0.next() >> 12, mask: $0.next() | 1) },
            ranges: randomRanges(&random),
            fills: some {
                .init(start: 4096, stride: 48, count: 9, headerOffset: 16, header: $0.next())
            }, writes: some(randomWrite))
    }

    /// Ascending ranges, up to the end of all lines.
    private static func randomRanges(_ random: inout SeededGenerator) -> [Range<UInt64>] {
        var bounds = Set(
            (0..<Int.random(in: 0...8, using: &random)).map { _ in random.next() >> 6 })
        if bounds.count % 2 == 1 { bounds.insert(1 << 58) }
        let sorted = bounds.sorted()
        return (0..<sorted.count / 2).map { sorted[$0 * 2]..<sorted[$0 * 2 + 1] }
    }

    private static func randomWrite(_ random: inout SeededGenerator) -> LineWrite {
        let mask = random.next() & random.next() | [1, 0xff, .max][Int(random.next() % 3)]
        var words = SIMD8<UInt64>()
        for byte in 0..<64 where mask >> UInt64(byte) & 1 != 0 {
            words[byte / 8] |= random.next() & 0xff << UInt64(byte % 8 * 8)
        }
        return LineWrite(address: random.next() & ~63, mask: mask, words: words)
    }

    @Test("What was encoded is decoded, and takes the bytes that it says")
    func roundTrip() throws {
        var random = SeededGenerator(seed: printedSeed("records"))
        for _ in 0..<300 {
            let record = Self.randomRecord(&random)
            #expect(try Record(record.encoded) == record)
        }
        let write = LineWrite(
            address: 64, mask: 0xff0, words: [0x1122_3344 << 32, 0x55, 0, 0, 0, 0, 0, 0])
        var record = Record(
            sender: Member(machine: 1, epoch: 2), number: 3, position: 4, hash: 5, milliseconds: 6,
            content: .part(index: 0, [write]))
        #expect(record.encoded.count == 48 + 8 + 16 + 8)
        record.content = .intentions([Intention(slot: 0, sequence: 1, stamp: 2)])
        #expect(record.encoded.count == 48 + 8 + 60)
    }

    /// Bytes that were changed, cut, or made up are refused, or are the one form of another record.
    @Test("Damaged bytes are an error or another record, and never a trap")
    func fuzz() {
        var random = SeededGenerator(seed: printedSeed("damaged records"))
        var counts = (refused: 0, taken: 0)
        for _ in 0..<3000 {
            var bytes = Self.randomRecord(&random).encoded
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes.removeLast(Int.random(in: 1...bytes.count, using: &random))
            case 1: bytes.append(UInt8(truncatingIfNeeded: random.next()))
            case 2:
                // Also counts and numbers of all sizes.
                let offset = Int.random(in: 0..<bytes.count, using: &random)
                for byte in offset..<min(offset + 4, bytes.count) { bytes[byte] = 0xff }
            default:
                for _ in 0..<3 {
                    let offset = Int.random(in: 0..<bytes.count, using: &random)
                    bytes[offset] = UInt8(truncatingIfNeeded: random.next())
                }
            }
            do throws(RecordError) {
                let record = try Record(bytes)
                #expect(record.encoded == bytes)
                counts.taken += 1
                // No numbers in it harm the rule.
                var meld = Meld()
                var join = record
                (join.content, join.number) = (.join, 0)
                _ = try meld.meld(join, at: LogIndex(1))
                _ = try meld.meld(record, at: LogIndex(2))
            } catch {
                counts.refused += 1
            }
        }
        #expect(counts.refused > 500 && counts.taken > 100)
    }

    @Test("Each bad number has its error")
    func errors() {
        let record = Record(
            sender: Member(machine: 1, epoch: 2), number: 3, position: 4, hash: 5, milliseconds: 6,
            content: .claim(slot: 1, isLong: true))
        let bytes = record.encoded
        func error(_ bytes: [UInt8]) -> RecordError? {
            do throws(RecordError) { _ = try Record(bytes) } catch { return error }
            return nil
        }
        func changed(_ offset: Int, to byte: UInt8) -> [UInt8] {
            var changed = bytes
            changed[offset] = byte
            return changed
        }
        #expect(error([]) == .tooShort)
        #expect(error(Array(bytes.dropLast())) == .tooShort)
        #expect(error(bytes + [0]) == .tooLong)
        #expect(error([UInt8](repeating: 1, count: Record.sizeMax + 1)) == .tooLong)
        #expect(error(changed(0, to: 9)) == .unknownFormat)
        #expect(error(changed(2, to: 99)) == .unknownFormat)
        #expect(
            error(changed(48, to: 2)) == nil && error(changed(52, to: 2)) == .badNumber(offset: 56))
        // A count that would need more memory than the record has bytes.
        var counted = Record(
            sender: Member(machine: 1, epoch: 2), number: 3, position: 4, hash: 5, milliseconds: 6,
            content: .intentions([])
        ).encoded
        for byte in 48..<52 { counted[byte] = 0xff }
        #expect(error(counted) == .tooShort)
    }
}
