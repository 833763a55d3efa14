import RainbowCore

/// What processes that are being killed do to a space, and what must hold afterwards.
///
/// Each step of a worker is one transaction that counts the worker's counter up, copies the count
/// into lines on several pages, moves money between two of all workers' accounts, turns three
/// nodes of a ring that all workers share, and at times fills an array again. So a commit that is
/// torn, lost or done twice shows. Workers acknowledge each committed count on the scoreboard.
public struct CrashWorkload: Sendable {
    public static let accountCount = 64
    public static let ringCount = 64
    public static let openingBalance: Int64 = 1000
    public static let journalCount = 5
    static let fillStride = 48
    static let fillHeaderOffset = 16

    public var workerCount: Int
    /// How many steps of a worker pass between those that fill its array.
    public var fillInterval: UInt64 = 8
    /// How many steps pass between those that write a page that nobody wrote before; 0: none do.
    public var freshPageInterval: UInt64 = 64

    public init(workerCount: Int) { self.workerCount = workerCount }

    public static func account(_ index: Int) -> Address {
        Address(region: 1, offset: 0x10000 + UInt64(index) * 40)
    }

    public static func ringNode(_ index: Int) -> Address {
        Address(region: 1, offset: 0x20000 + UInt64(index) * 512)
    }

    static func block(_ worker: Int) -> Address {
        Address(region: 1, offset: 0x40000 + UInt64(worker) * 0x10000)
    }

    public static func counter(_ worker: Int) -> Address { block(worker) }
    static func journal(_ worker: Int, _ index: Int) -> Address {
        block(worker) + 64 * (1 + index * 37)
    }
    static func fillCount(_ worker: Int) -> Address { block(worker) + 0x8000 }
    static func fillObjects(_ worker: Int) -> Address { block(worker) + 0x8008 }
    public static func fillArea(_ worker: Int) -> Address { block(worker) + 0x9020 }
    public static func freshPage(_ worker: Int, _ count: UInt64) -> Address {
        Address(region: 1, offset: UInt64(worker + 1) << 34 | count << 12)
    }

    /// Opens the accounts and closes the ring.
    public func prepare(_ space: Space) throws {
        try space.transact { tx throws(TransactionError) in
            for index in 0..<Self.accountCount {
                try tx.store(Self.openingBalance, at: Self.account(index))
            }
            for index in 0..<Self.ringCount {
                try tx.store((index + 1) % Self.ringCount, at: Self.ringNode(index))
            }
        }
    }

    /// One transaction of a worker.
    /// - Returns: the worker's count, which is committed.
    public func step(
        _ space: Space, worker: Int, _ generator: inout SeededGenerator
    ) throws -> UInt64 {
        let from = Int.random(in: 0..<Self.accountCount, using: &generator)
        let to = Int.random(in: 0..<Self.accountCount, using: &generator)
        let node = Int.random(in: 0..<Self.ringCount, using: &generator)
        let objects = Int.random(in: 1...64, using: &generator)
        return try space.transact { tx throws(TransactionError) in
            let count = try tx.load(Self.counter(worker), as: UInt64.self) + 1
            try tx.store(count, at: Self.counter(worker))
            for index in 0..<Self.journalCount {
                try tx.store(count, at: Self.journal(worker, index))
            }
            try Self.transferBetween(&tx, from, to)
            try Self.turnRing(&tx, node)
            if count % fillInterval == 0 {
                try Self.fill(&tx, worker, count, objects)
            }
            if freshPageInterval != 0, count % freshPageInterval == 0 {
                try tx.store(count, at: Self.freshPage(worker, count / freshPageInterval))
            }
            return count
        }
    }

    public static func transferBetween(
        _ tx: inout Transaction, _ from: Int, _ to: Int
    ) throws(TransactionError) {
        let amount = try tx.load(account(from), as: Int64.self) / 10 + 1
        try tx.store(try tx.load(account(from), as: Int64.self) - amount, at: account(from))
        try tx.store(try tx.load(account(to), as: Int64.self) + amount, at: account(to))
    }

    /// Takes the node after `first` out of the ring and puts it in one place further on.
    public static func turnRing(_ tx: inout Transaction, _ first: Int) throws(TransactionError) {
        let second: Int = try tx.load(ringNode(first))
        let third: Int = try tx.load(ringNode(second))
        let fourth: Int = try tx.load(ringNode(third))
        try tx.store(third, at: ringNode(first))
        try tx.store(fourth, at: ringNode(second))
        try tx.store(second, at: ringNode(third))
    }

    private static func fill(
        _ tx: inout Transaction, _ worker: Int, _ count: UInt64, _ objects: Int
    ) throws(TransactionError) {
        try tx.fill(
            start: fillArea(worker), stride: fillStride, count: objects,
            headerOffset: fillHeaderOffset, header: count)
        // A store over the fill, on a line that it has locked.
        try tx.store(count + 1, at: fillArea(worker) + 8)
        try tx.store(count, at: fillCount(worker))
        try tx.store(objects, at: fillObjects(worker))
    }
}

extension CrashWorkload {
    /// For whom a worker says that it commits.
    public static func committer(_ worker: Int) -> Committer {
        Committer(processID: 4_000_000 + UInt32(worker), userID: 0xfedc_0000 + UInt32(worker))
    }

    /// How many steps of a worker are committed.
    public func count(_ space: Space, worker: Int) throws -> UInt64 {
        try space.transact { tx throws(TransactionError) in try tx.load(Self.counter(worker)) }
    }

    /// Everything that does not hold, as sentences; empty if all is well.
    /// - Parameter counts: for each worker the counts that are possible.
    public func violations(
        _ space: Space, counts: [ClosedRange<UInt64>]
    ) throws -> [String] {
        try space.transact { tx throws(TransactionError) in
            var found: [String] = []
            let sum = try Self.sum(&tx)
            let expected = Self.openingBalance * Int64(Self.accountCount)
            if sum != expected { found.append("the accounts hold \(sum), not \(expected)") }
            let length = try Self.ringLength(&tx)
            if length != Self.ringCount { found.append("the ring has \(length) nodes") }
            for worker in 0..<workerCount {
                found += try Self.violations(&tx, worker, counts[worker])
            }
            return found
        }
    }

    public static func sum(_ tx: inout Transaction) throws(TransactionError) -> Int64 {
        var sum: Int64 = 0
        for index in 0..<accountCount { sum += try tx.load(account(index), as: Int64.self) }
        return sum
    }

    /// Steps from node 0 back to it; 0 if they do not lead back.
    public static func ringLength(_ tx: inout Transaction) throws(TransactionError) -> Int {
        var node = 0
        for length in 1...ringCount {
            node = try tx.load(ringNode(node))
            if node == 0 { return length }
            guard 0..<ringCount ~= node else { return 0 }
        }
        return 0
    }

    private static func violations(
        _ tx: inout Transaction, _ worker: Int, _ possible: ClosedRange<UInt64>
    ) throws(TransactionError) -> [String] {
        var found: [String] = []
        let count = try tx.load(counter(worker), as: UInt64.self)
        if !possible.contains(count) {
            found.append("worker \(worker) has count \(count), not one of \(possible)")
        }
        for index in 0..<journalCount {
            let copy = try tx.load(journal(worker, index), as: UInt64.self)
            if copy != count {
                found.append("worker \(worker): line \(index) has \(copy), the counter \(count)")
            }
        }
        let header = try tx.load(fillCount(worker), as: UInt64.self)
        let objects: Int = try tx.load(fillObjects(worker))
        for index in 0..<objects {
            for word in stride(from: 0, to: fillStride, by: 8) {
                let value: UInt64 = try tx.load(fillArea(worker) + (index * fillStride + word))
                var expected = word == fillHeaderOffset ? header : 0
                if index == 0, word == 8 { expected = header + 1 }
                if value != expected {
                    found.append("worker \(worker): \(value) in object \(index) of fill \(header)")
                }
            }
        }
        return found
    }
}

/// Where workers leave their news on the scoreboard.
public enum BoardPlace {
    /// Lines in two regions, which one transaction changes.
    public static let linesOfTwoRegions = [
        Address(region: 1, offset: 0x8000), Address(region: 5, offset: 0x8000),
    ]

    /// Not zero: workers end.
    public static let stop = 0
    /// Free for each test.
    public static let shared = 8

    private static func first(_ worker: Int) -> Int { 64 + worker * 8 }
    /// The newest count that the worker knows to be committed.
    public static func acknowledged(_ worker: Int) -> Int { first(worker) }
    /// Steps since the worker's process began.
    public static func steps(_ worker: Int) -> Int { first(worker) + 1 }
    /// The worker's node + 1, once it is attached.
    public static func node(_ worker: Int) -> Int { first(worker) + 2 }
    /// A result of the worker.
    public static func result(_ worker: Int) -> Int { first(worker) + 3 }
}
