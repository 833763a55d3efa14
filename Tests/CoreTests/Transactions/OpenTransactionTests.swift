import Glibc
import Synchronization
import TestSupport
import Testing

@testable import RainbowCore

extension TransactionalMemory {
    /// Transactions that live as long as their owner wants.
    @Suite struct OpenTransactionTests {
        static let a = Address(region: 1, offset: 0x10000)
        static let b = Address(region: 1, offset: 0x20000)

        static func value(_ space: Space, _ address: Address) throws -> Int {
            try space.transact { tx in try tx.load(address) }
        }

        static func set(_ space: Space, _ address: Address, _ value: Int) throws {
            try space.transact { tx in try tx.store(value, at: address) }
        }

        @Test("It reads the version at its beginning and its own writes, which nobody else sees")
        func isolation() throws {
            try withTestSpace("core") { space in
                try Self.set(space, Self.a, 1)
                let open = try space.begin(name: "t")
                try Self.set(space, Self.a, 2)
                try Self.set(space, Self.b, 7)
                #expect(try open.perform { tx in try tx.load(Self.a, as: Int.self) } == 1)
                #expect(try open.perform { tx in try tx.load(Self.b, as: Int.self) } == 0)
                try open.perform { tx in try tx.store(10, at: Self.b) }
                #expect(try open.perform { tx in try tx.load(Self.b, as: Int.self) } == 10)
                #expect(try Self.value(space, Self.b) == 7)
                open.abort()
                #expect(open.state == .aborted)
                #expect(try Self.value(space, Self.b) == 7)
                #expect(throws: TransactionError.stale) { try open.perform { _ in } }
                #expect(throws: TransactionError.stale) { try open.commit() }
            }
        }

        @Test("It commits if nothing that it read has changed, and says what has if not")
        func validation() throws {
            try withTestSpace("core") { space in
                try Self.set(space, Self.a, 1)
                func run(changing address: Address?) throws -> OpenTransaction {
                    let open = try space.begin(name: "t")
                    try open.perform { tx in
                        try tx.store(try tx.load(Self.a, as: Int.self) + 1, at: Self.b)
                    }
                    if let address { try Self.set(space, address, 5) }
                    return open
                }
                let good = try run(changing: nil)
                let version = try good.commit()
                #expect(good.state == .committed(version: version))
                #expect(try Self.value(space, Self.b) == 2)
                // Writing blindly over another's write is no conflict.
                let blind = try run(changing: Self.b)
                #expect(blind.conflict == nil)
                try blind.commit()
                #expect(try Self.value(space, Self.b) == 2)
                let bad = try run(changing: Self.a)
                let expected = Conflict(
                    line: Self.a, version: space.usage.version, node: space.node)
                try Self.set(space, Self.a, 6)
                #expect(bad.conflict == expected)
                #expect(bad.state == .running)
                #expect(throws: TransactionError.conflict) { try bad.commit() }
                #expect(bad.state == .conflict(expected))
                #expect(bad.conflict == expected)
                try bad.restart()
                #expect(try bad.perform { tx in try tx.load(Self.a, as: Int.self) } == 6)
                try bad.commit()
            }
        }

        @Test("One that only reads commits always; peeking is not checked")
        func reading() throws {
            try withTestSpace("core") { space in
                try Self.set(space, Self.a, 1)
                let reader = try space.begin(name: "r")
                _ = try reader.perform { tx in try tx.load(Self.a, as: Int.self) }
                let peeker = try space.begin(name: "p")
                #expect(try peeker.peek { tx in try tx.load(Self.a, as: Int.self) } == 1)
                try peeker.perform { tx in try tx.store(1, at: Self.b) }
                #expect(peeker.readLines == [])
                #expect(peeker.writtenLines == [Self.b..<Self.b + 64])
                try Self.set(space, Self.a, 2)
                try reader.commit()
                try peeker.commit()
                #expect(try Self.value(space, Self.b) == 1)
            }
        }

        @Test("However many reads there were, none of a peek is checked")
        func peekingBesideManyReads() throws {
            try withTestSpace("core") { space in
                let far = Address(region: 1, offset: 0x10_0000)
                try Self.set(space, far, 1)
                // The read set holds 1,024 runs of lines before it is rearranged.
                for count in [1000, 1023, 1024, 1025] {
                    let open = try space.begin(name: "t")
                    for index in 0..<count {
                        try open.perform { tx in
                            _ = try tx.load(Self.a + index * 128, as: Int.self)
                        }
                    }
                    let lines = open.readLines
                    #expect(lines.count == count && lines[1] == Self.a + 128..<Self.a + 192)
                    try open.peek { tx in
                        for index in 0..<100 {
                            _ = try tx.load(far + index * 128, as: Int.self)
                        }
                    }
                    #expect(open.readLines == lines)
                    try open.perform { tx in try tx.store(1, at: Address(region: 1, offset: 8192)) }
                    try Self.set(space, far, 2)
                    try open.commit()
                }
            }
        }

        @Test("Lines that touch are told as one range")
        func ranges() throws {
            try withTestSpace("core") { space in
                let open = try space.begin(name: "t")
                try open.perform { tx in
                    for offset in [640, 0, 64, 704, 8, 256] {
                        _ = try tx.load(Self.a + offset, as: Int.self)
                    }
                    try tx.fill(
                        start: Self.b, stride: 64, count: 100, headerOffset: 0, header: 5)
                    try tx.store(1, at: Self.b + 6400)
                    try tx.store(1, at: Self.a)
                }
                #expect(
                    open.readLines == [
                        Self.a..<Self.a + 128, Self.a + 256..<Self.a + 320,
                        Self.a + 640..<Self.a + 768,
                    ])
                #expect(
                    open.writtenLines == [Self.a..<Self.a + 64, Self.b..<Self.b + 6464])
                open.abort()
                #expect(open.readLines == [] && open.writtenLines == [])
            }
        }

        @Test("An operation that fails takes its own writes back, no others")
        func savepoints() throws {
            struct Failure: Error {}
            try withTestSpace("core") { space in
                var generator = SeededGenerator(seed: printedSeed("savepoints"))
                let open = try space.begin(name: "t")
                var model = [Int](repeating: 0, count: 400)
                func address(_ index: Int) -> Address { Self.a + index * 24 }
                for round in 0..<300 {
                    var changed = model
                    let fails = Bool.random(using: &generator)
                    do {
                        try open.perform { tx in
                            for _ in 0..<Int.random(in: 1...40, using: &generator) {
                                let index = Int.random(in: 0..<400, using: &generator)
                                changed[index] = round * 1000 + index
                                try tx.store(changed[index], at: address(index))
                            }
                            if fails { throw Failure() }
                        }
                        model = changed
                    } catch is Failure {}
                    let seen = try open.perform { tx in
                        try (0..<400).map { try tx.load(address($0), as: Int.self) }
                    }
                    #expect(seen == model)
                }
                try open.commit()
                let seen = try space.transact { tx in
                    try (0..<400).map { try tx.load(address($0), as: Int.self) }
                }
                #expect(seen == model)
            }
        }

        @Test("A fill of a failed operation is undone too")
        func undoneFill() throws {
            try withTestSpace("core") { space in
                let open = try space.begin(name: "t")
                func fill(_ header: UInt64, thenThrow: Bool) throws {
                    try open.perform { tx in
                        try tx.fill(
                            start: Self.b, stride: 64, count: 100, headerOffset: 0, header: header)
                        if thenThrow { throw TransactionError.tooLarge }
                    }
                }
                #expect(throws: TransactionError.tooLarge) { try fill(3, thenThrow: true) }
                #expect(try open.perform { tx in try tx.load(Self.b, as: UInt64.self) } == 0)
                try fill(4, thenThrow: false)
                try open.commit()
                #expect(try space.transact { tx in try tx.load(Self.b, as: UInt64.self) } == 4)
            }
        }

        @Test("Of two with a write skew one commits")
        func writeSkew() throws {
            try withTestSpace("core") { space in
                let (one, two) = (try space.begin(name: "1"), try space.begin(name: "2"))
                for (open, read, written) in [(one, Self.a, Self.b), (two, Self.b, Self.a)] {
                    try open.perform { tx in
                        if try tx.load(read, as: Int.self) == 0 { try tx.store(1, at: written) }
                    }
                }
                try one.commit()
                #expect(throws: TransactionError.conflict) { try two.commit() }
                #expect(try Self.value(space, Self.a) + Self.value(space, Self.b) == 1)
            }
        }

        @Test("In serial mode it commits for sure, and the others wait until it ends")
        func serial() throws {
            try withTestSpace("core") { space in
                let open = try space.begin(name: "t")
                let isOver = Atomic<Bool>(false)
                let count = Atomic<Int>(0)
                let writer = startThread {
                    while !isOver.load(ordering: .relaxed) {
                        try! space.transact { tx throws(TransactionError) in
                            try tx.store(try tx.load(Self.a, as: Int.self) + 1, at: Self.a)
                        }
                        count.add(1, ordering: .relaxed)
                    }
                }
                withDeadline(seconds: 60, "serial mode") {
                    for _ in 0..<20 {
                        try! open.restart(isSerial: true)
                        #expect(open.isSerial)
                        let before = count.load(ordering: .relaxed)
                        let seen = try! open.perform { tx in try tx.load(Self.a, as: Int.self) }
                        usleep(2_000)
                        try! open.perform { tx in try tx.store(seen + 1, at: Self.a) }
                        #expect(count.load(ordering: .relaxed) <= before + 1)
                        #expect(throws: Never.self) { try open.commit() }
                        #expect(!open.isSerial)
                        let after = count.load(ordering: .relaxed)
                        while count.load(ordering: .relaxed) == after { sched_yield() }
                    }
                }
                isOver.store(true, ordering: .relaxed)
                pthread_join(writer, nil)
                #expect(try Self.value(space, Self.a) == count.load(ordering: .relaxed) + 20)
            }
        }

        @Test("Hundreds at once leave nothing")
        func many() throws {
            try withTestSpace("core") { space in
                var all: [OpenTransaction] = []
                for index in 0..<300 {
                    let open = try space.begin(name: "t\(index)")
                    try open.perform { tx in try tx.store(index, at: Self.a + index * 64) }
                    all.append(open)
                }
                #expect(space.snapshots.count == 300)
                #expect(space.snapshots.allSatisfy { $0.writtenBytes > 0 })
                for (index, open) in all.enumerated() where index % 2 == 0 { try open.commit() }
                all = []
                #expect(space.snapshots.isEmpty)
                #expect(try Self.value(space, Self.a + 64 * 64) == 64)
                #expect(try Self.value(space, Self.a + 65 * 64) == 0)
                #expect(space.snapshotMemory.bytesUsed == 0)
            }
        }

        @Test("An operation in an operation of the same transaction is refused, and harms neither")
        func nested() throws {
            try withTestSpace("core") { space in
                let open = try space.begin(name: "t")
                try open.perform { tx in
                    try tx.store(1, at: Self.a)
                    #expect(throws: SpaceError.self) { try open.perform { _ in } }
                    #expect(throws: SpaceError.self) { try open.peek { _ in } }
                    #expect(throws: SpaceError.self) { try open.restart() }
                    // One of its own is another transaction.
                    try Self.set(space, Self.b, 2)
                    #expect(try tx.load(Self.a, as: Int.self) == 1)
                }
                try open.commit()
                #expect(try Self.value(space, Self.a) == 1 && Self.value(space, Self.b) == 2)
            }
        }
    }
}
