import TestSupport
import Testing

@testable import RainbowCore

/// The rule of the cluster, one part of it at a time.
@Suite struct MeldTests {
    /// A log that is made record by record, and the rule that takes it.
    struct Log {
        var meld: Meld
        private(set) var records: [(record: Record, index: LogIndex)] = []
        private var numbers: [Member: UInt64] = [:]

        init(windowSize: Int = 100, claimLength: Int = 5) {
            meld = Meld(windowSize: windowSize, claimLength: claimLength)
        }

        mutating func add(
            _ content: Record.Content, by sender: Member, number: UInt64? = nil
        ) throws -> Meld.Outcome {
            numbers[sender] = number ?? (numbers[sender] ?? 0) + 1
            let record = Record(
                sender: sender, number: numbers[sender]!, position: meld.position, hash: meld.hash,
                milliseconds: 1000, content: content)
            records.append((record, LogIndex(UInt64(records.count) * 10 + 10)))
            return try meld.meld(record, at: records.last!.index)
        }

        mutating func propose(_ intentions: Intention..., by sender: Member) throws -> [Bool] {
            try add(.intentions(intentions), by: sender).commits
        }
    }

    static let first = Member(machine: 1, epoch: 1)
    static let second = Member(machine: 2, epoch: 2)

    static func write(_ line: UInt64) -> LineWrite {
        LineWrite(address: line << 6, mask: 0xff, words: [line, 0, 0, 0, 0, 0, 0, 0])
    }

    static func intention(
        slot: UInt32 = 0, stamp: UInt64, reads: [UInt64] = [], writes: [UInt64] = []
    ) -> Intention {
        Intention(
            slot: slot, sequence: 1, stamp: stamp,
            reads: reads.map { .init(page: $0 >> 6, mask: 1 << ($0 & 63)) },
            writes: writes.map(write))
    }

    static func joined(_ log: Log = Log()) throws -> Log {
        var log = log
        _ = try log.add(.join, by: first)
        _ = try log.add(.join, by: second)
        return log
    }

    @Test("Who read what was written after its stamp loses, and gets a position all the same")
    func conflict() throws {
        var log = try Self.joined()
        let outcome = try log.add(
            .intentions([
                Self.intention(stamp: 0, reads: [1, 2], writes: [1]),
                Self.intention(stamp: 0, reads: [2], writes: [2]),
                Self.intention(stamp: 0, reads: [1], writes: [9]),
            ]), by: Self.first)
        #expect(outcome.commits == [true, true, false] && outcome.firstPosition == 1)
        #expect(log.meld.position == 3 && outcome.counts && !outcome.hasOtherHash)
        // What lost has written nothing.
        #expect(
            try log.propose(
                Self.intention(stamp: 1, reads: [1, 9]), Self.intention(stamp: 1, reads: [2]),
                by: Self.second) == [true, false])
        let blind = Self.intention(stamp: 0, writes: [1])
        #expect(try log.propose(blind, by: Self.second) == [true])
        // Nobody can have applied what is not decided yet.
        #expect(try log.propose(Self.intention(stamp: 100), by: Self.second) == [false])
    }

    @Test("Ranges and fills are reads and writes of all their lines")
    func ranges() throws {
        var log = try Self.joined()
        var filling = Self.intention(stamp: 0)
        filling.fills = [.init(start: 4096 + 32, stride: 40, count: 10, headerOffset: 0, header: 1)]
        #expect(try log.propose(filling, by: Self.first) == [true])
        // Bytes 4128 to 4528: lines 64 to 70.
        for line in 62...73 as ClosedRange<UInt64> {
            let reads = Self.intention(stamp: 0, reads: [line])
            #expect(try log.propose(reads, by: Self.first) == [!(64...70).contains(line)])
        }
        for range in [0..<64, 0..<65, 70..<71, 71..<1 << 58, 0..<1 << 58] as [Range<UInt64>] {
            var reads = Self.intention(stamp: 0)
            reads.ranges = [range]
            let commits = range.upperBound <= 64 || range.lowerBound > 70
            #expect(try log.propose(reads, by: Self.first) == [commits])
        }
    }

    @Test("A stamp older than the window loses")
    func window() throws {
        var log = try Self.joined(Log(windowSize: 3))
        for _ in 0..<3 { _ = try log.propose(Self.intention(stamp: 0), by: Self.first) }
        #expect(log.meld.windowStart == 0)
        #expect(try log.propose(Self.intention(stamp: 0), by: Self.first) == [true])
        #expect(log.meld.windowStart == 1)
        #expect(try log.propose(Self.intention(stamp: 0), by: Self.first) == [false])
        #expect(try log.propose(Self.intention(stamp: 2), by: Self.first) == [true])
    }

    @Test("A record that is sent twice is taken once, and none of an epoch that is over")
    func epochs() throws {
        var log = try Self.joined()
        let intention = Self.intention(stamp: 0)
        #expect(try log.propose(intention, by: Self.first) == [true])
        #expect(try !log.add(.intentions([intention]), by: Self.first, number: 2).counts)
        #expect(log.meld.position == 1)
        let next = Member(machine: 1, epoch: 7)
        #expect(try !log.add(.intentions([intention]), by: next, number: 9).counts)
        #expect(try log.add(.join, by: next, number: 1).counts)
        #expect(try !log.add(.intentions([intention]), by: Self.first).counts)
        #expect(try !log.add(.join, by: Self.first).counts)
        #expect(try log.propose(intention, by: next) == [true])
        // A fence of an older epoch has no effect.
        #expect(try log.add(.fence(Self.first), by: Self.second).counts)
        #expect(try log.propose(intention, by: next) == [true])
        #expect(try log.add(.fence(next), by: Self.second).counts)
        #expect(try !log.add(.intentions([intention]), by: next).counts)
        #expect(log.meld.senders[1]?.commits == [true])
        #expect(log.meld.senders[1]?.decidedNumber == 3)
    }

    @Test(
        "While a claim holds others lose, until its transaction, its length, its release, its fence"
    )
    func claims() throws {
        var log = try Self.joined()
        let (own, other) = (Self.intention(slot: 4, stamp: 0), Self.intention(slot: 5, stamp: 0))
        func claim(isLong: Bool = false) throws {
            _ = try log.add(.claim(slot: 4, isLong: isLong), by: Self.first)
            #expect(log.meld.claim?.holder == Self.first)
        }
        try claim()
        // Slots of other machines have the same numbers.
        #expect(try log.propose(own, other, by: Self.second) == [false, false])
        _ = try log.add(.claim(slot: 4, isLong: true), by: Self.second)
        #expect(log.meld.claim?.holder == Self.first)
        #expect(try log.propose(other, own, other, by: Self.first) == [false, true, true])
        try claim()
        let six = Array(repeating: other, count: 6)
        #expect(
            try log.add(.intentions(six), by: Self.second).commits
                == [false, false, false, false, false, true])
        try claim(isLong: true)
        #expect(try !log.add(.intentions(six), by: Self.second).commits.contains(true))
        _ = try log.add(.release, by: Self.second)
        #expect(log.meld.claim != nil)
        _ = try log.add(.release, by: Self.first)
        #expect(log.meld.claim == nil)
        try claim(isLong: true)
        _ = try log.add(.fence(Self.first), by: Self.second)
        #expect(log.meld.claim == nil)
    }

    @Test("Parts are writes of the first transaction that follows, all of them or none")
    func parts() throws {
        var log = try Self.joined(Log(windowSize: 4))
        func part(_ index: Int, _ line: UInt64) throws {
            _ = try log.add(.part(index: index, [Self.write(line)]), by: Self.first)
        }
        func commit(partCount: Int) throws -> Meld.Outcome {
            let intentions = [
                Self.intention(stamp: log.meld.position, writes: [3]),
                Self.intention(stamp: log.meld.position),
            ]
            return try log.add(.intentions(intentions, partCount: partCount), by: Self.first)
        }
        try part(0, 1)
        try part(1, 2)
        var outcome = try commit(partCount: 2)
        #expect(
            outcome.commits == [true, true] && outcome.parts == [Self.write(1), Self.write(2)])
        let stamp = outcome.firstPosition - 1
        #expect(
            try log.propose(
                Self.intention(stamp: stamp, reads: [1]), Self.intention(stamp: stamp, reads: [4]),
                by: Self.second) == [false, true])
        try part(0, 1)
        #expect(try commit(partCount: 2).commits == [false, true])
        // They are gone now.
        outcome = try commit(partCount: 1)
        #expect(outcome.commits == [false, true] && outcome.parts == [])
        // Begun again, with one that comes out of turn, and without any.
        try part(0, 1)
        try part(0, 7)
        #expect(try commit(partCount: 1).parts == [Self.write(7)])
        try part(1, 1)
        #expect(try commit(partCount: 1).commits == [false, true])
        try part(0, 1)
        #expect(try commit(partCount: 0).commits == [true, true])
        // One that is older than the window.
        try part(0, 1)
        for _ in 0..<4 { _ = try log.propose(by: Self.second) }
        #expect(try commit(partCount: 1).commits == [false, true])
        try part(0, 1)
        for _ in 0..<3 { _ = try log.propose(by: Self.second) }
        #expect(try commit(partCount: 1).commits == [true, true])
    }

    @Test("A sender that decided otherwise is noticed")
    func hashes() throws {
        var log = try Self.joined()
        _ = try log.propose(Self.intention(stamp: 0), by: Self.first)
        let (position, hash) = (log.meld.position, log.meld.hash)
        _ = try log.propose(Self.intention(stamp: 0), by: Self.first)
        func hasOtherHash(_ position: UInt64, _ hash: UInt64) throws -> Bool {
            let record = Record(
                sender: Self.second, number: 9, position: position, hash: hash, milliseconds: 0,
                content: .release)
            var meld = log.meld
            return try meld.meld(record, at: LogIndex(1000)).hasOtherHash
        }
        #expect(
            try !hasOtherHash(position, hash) && !hasOtherHash(log.meld.position, log.meld.hash))
        #expect(try hasOtherHash(position, hash + 1) && hasOtherHash(log.meld.position, hash))
        #expect(try hasOtherHash(log.meld.position + 1, hash))
    }

    @Test("The newest writes are those of a dictionary, also when many lines have passed")
    func newestWrites() {
        var random = SeededGenerator(seed: printedSeed("newest writes"))
        var table = NewestWrites()
        var all: [UInt64: UInt64] = [:]
        for position in 1...3000 as ClosedRange<UInt64> {
            let windowStart = position > 700 ? position - 700 : 0
            for _ in 0..<2 {
                let line = random.next() % 6000
                table.note(line, at: position, windowStart: windowStart)
                all[line] = position
            }
            let line = random.next() % 6000
            #expect(max(table[line], windowStart) == max(all[line] ?? 0, windowStart))
            guard position % 20 == 0 else { continue }
            let range = line..<line + 1 + (random.next() % 3 == 0 ? 100_000 : random.next() % 9)
            let ranges = [0..<line / 3, line / 3 + 1..<line / 3 + line / 4 + 1, range].filter {
                lines in
                !lines.isEmpty && (lines == range || lines.upperBound < line && position % 3 == 0)
            }
            let isNewer = all.contains { write in
                ranges.contains { $0.contains(write.key) } && write.value > windowStart + 300
            }
            #expect(table.isAnyLine(of: ranges, newerThan: windowStart + 300) == isNewer)
        }
    }
}

/// Rules that begin with a checkpoint.
@Suite struct MeldCheckpointTests {
    /// A log of random records, good and bad ones.
    private static func randomLog(
        _ random: inout SeededGenerator, count: Int
    ) throws -> MeldTests.Log {
        var log = try MeldTests.joined(
            MeldTests.Log(windowSize: Int.random(in: 1...12, using: &random)))
        func number(_ range: Range<Int>) -> Int { Int.random(in: range, using: &random) }
        for _ in 0..<count {
            let sender = Member(machine: UInt32(number(1..<4)), epoch: UInt64(number(1..<4)))
            let intentions = (0..<number(1..<4)).map { _ in
                MeldTests.intention(
                    slot: UInt32(number(0..<2)),
                    stamp: UInt64(max(0, Int(log.meld.position) - number(0..<8))),
                    reads: (0..<number(0..<3)).map { _ in UInt64(number(0..<6)) },
                    writes: (0..<number(0..<3)).map { _ in UInt64(number(0..<6)) })
            }
            let contents: [Record.Content] = [
                .intentions(intentions, partCount: number(0..<2)), .intentions(intentions),
                .part(index: number(0..<2), [MeldTests.write(UInt64(number(0..<6)))]), .join,
                .claim(slot: 0, isLong: number(0..<4) == 0), .release, .fence(sender),
            ]
            let chosen = contents[[0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 6][number(0..<11)]]
            _ = try log.add(chosen, by: sender, number: number(0..<9) == 0 ? 3 : nil)
        }
        return log
    }

    @Test("A rule that begins with any checkpoint decides as one that saw the whole log")
    func sameVerdicts() throws {
        var random = SeededGenerator(seed: printedSeed("checkpoints"))
        for _ in 0..<60 {
            let log = try Self.randomLog(&random, count: 60)
            var meld = Meld(windowSize: Int(log.meld.windowSize), claimLength: 5)
            let begun = Int.random(in: 0..<log.records.count, using: &random)
            for (record, index) in log.records[..<begun] { _ = try meld.meld(record, at: index) }
            var other = try Meld(checkpoint: meld.checkpoint)
            #expect(other.index == meld.needed)
            for (record, index) in log.records where index > other.index {
                let isAgain = other.isMeldingAgain
                let outcome = try other.meld(record, at: index)
                if isAgain {
                    #expect(index <= meld.index)
                } else {
                    #expect(try meld.meld(record, at: index) == outcome)
                    #expect(other.checkpoint == meld.checkpoint)
                }
            }
            #expect(other.hash == log.meld.hash && other.claim == log.meld.claim)
        }
    }

    @Test("Bytes that are no checkpoint, and records of another log, are errors")
    func errors() throws {
        var random = SeededGenerator(seed: printedSeed("damaged checkpoints"))
        let log = try Self.randomLog(&random, count: 30)
        let checkpoint = log.meld.checkpoint
        for count in checkpoint.indices {
            #expect(throws: RecordError.self) { try Meld(checkpoint: Array(checkpoint[..<count])) }
        }
        for _ in 0..<2000 {
            var bytes = checkpoint
            let offset = Int.random(in: 0..<bytes.count, using: &random)
            bytes[offset] = UInt8(truncatingIfNeeded: random.next())
            guard var meld = try? Meld(checkpoint: bytes) else { continue }
            // It may be another checkpoint, and then the log is another.
            for (record, index) in log.records where index > meld.index {
                guard (try? meld.meld(record, at: index)) != nil else { break }
            }
        }
        var meld = try Meld(checkpoint: checkpoint)
        let (record, index) = log.records.last!
        #expect(throws: RecordError.otherLog) {
            try meld.meld(record, at: LogIndex(index.rawValue + 1))
        }
    }
}
