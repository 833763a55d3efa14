import Glibc
import TestSupport
import Testing

@testable import RainbowCore

extension TransactionalMemory {
    /// What the space remembers of conflicts, and of those that lines avoided.
    @Suite struct ConflictLogTests {
        static let page = Address(region: 1, offset: 0x8000)

        /// A transaction that reads `own` and writes `target`, and loses to as many commits at
        /// `own` as asked for.
        static func lose(_ times: Int, at own: Address, in space: Space, _ rival: Space) throws {
            var runs = 0
            try space.transact { tx in
                runs += 1
                _ = try tx.load(own, as: Int.self)
                if runs <= times { try increment(own, in: rival) }
                try tx.store(runs, at: Self.page + 4096)
            }
        }

        static func increment(_ address: Address, in space: Space) throws {
            try space.transact { tx throws(TransactionError) in
                try tx.store(try tx.load(address, as: Int.self) + 1, at: address)
            }
        }

        static func counts(_ space: Space) -> TransactionCounts {
            space.liveNodes.first { $0.index == space.node }?.counts ?? TransactionCounts()
        }

        static func withTwoNodes(_ body: (Space, Space) throws -> Void) throws {
            try withTestSpace("core") { space in
                let rival = try Space.attach(space.name)
                defer { rival.detach() }
                try body(space, rival)
            }
        }

        @Test("The lines of lost runs are known, the one with the most conflicts first")
        func lines() throws {
            try Self.withTwoNodes { space, rival in
                let before = SystemCalls.bootMilliseconds()
                #expect(space.conflicts().isEmpty)
                try Self.lose(2, at: Self.page + 64, in: space, rival)
                try Self.lose(3, at: Self.page + 136, in: space, rival)
                try Self.lose(2, at: Self.page + 200, in: rival, space)
                try Self.lose(1, at: Self.page + 64, in: rival, space)
                let conflicts = rival.conflicts()
                #expect(conflicts.map(\.line) == [64, 128, 192].map { Self.page + $0 })
                #expect(conflicts.map(\.count) == [3, 3, 2])
                #expect(conflicts.allSatisfy { $0.milliseconds >= before })
                #expect(conflicts.allSatisfy { 0 < $0.version && $0.version < space.usage.version })
                #expect(Self.counts(space).conflicts == 5 && Self.counts(rival).conflicts == 3)
                #expect(space.conflicts(since: SystemCalls.bootMilliseconds() + 60_000).isEmpty)
            }
        }

        @Test("A run that loses while it reads is a conflict too, and counts once")
        func losingReader() throws {
            try Self.withTwoNodes { space, rival in
                var runs = 0
                try space.transact { tx in
                    runs += 1
                    _ = try tx.load(Self.page, as: Int.self)
                    if runs == 1 {
                        try Self.increment(Self.page, in: rival)
                        try Self.increment(Self.page + 64, in: rival)
                    }
                    _ = try tx.load(Self.page + 64, as: Int.self)
                }
                #expect(runs == 2)
                #expect(space.conflicts().map(\.line) == [Self.page])
                #expect(Self.counts(space).conflicts == 1 && Self.counts(space).restarts == 1)
            }
        }

        @Test("Only the last 4,096 conflicts are kept; torn entries are left out")
        func ring() throws {
            try Self.withTwoNodes { space, rival in
                let log = ConflictLog(meta: space.meta)
                for position in 0..<5000 {
                    let line = Self.page + (position < 904 ? 0 : 64)
                    log.add(
                        .init(line: line, milliseconds: UInt64(position), node: 7, version: 1))
                }
                #expect(rival.conflicts().map(\.count) == [4096])
                #expect(rival.conflicts()[0].line == Self.page + 64)
                #expect(rival.conflicts(since: 4999).map(\.count) == [1])
                #expect(log.entry(4999)?.node == 7)
                // Of each of four entries another word is not the writer's.
                for word in 0..<4 {
                    let offset = SpaceLayout.conflictsOffset + word * SpaceLayout.conflictEntrySize
                    let cell = space.meta[offset + word * 8]
                    cell.store(cell.load() ^ 64)
                }
                #expect(rival.conflicts().map(\.count) == [4092])
                // The head of a lap later: none of the entries is of it.
                log.head.store(5000 + 4096)
                #expect(rival.conflicts().isEmpty)
            }
        }

        @Test("A transaction counts as aborted if it had written something")
        func aborts() throws {
            struct Mistake: Error {}
            try Self.withTwoNodes { space, _ in
                #expect(throws: Mistake.self) {
                    try space.transact { tx in
                        try tx.store(1 as Int, at: Self.page)
                        throw Mistake()
                    }
                }
                #expect(throws: Mistake.self) {
                    try space.transact { tx in
                        _ = try tx.load(Self.page, as: Int.self)
                        throw Mistake()
                    }
                }
                #expect(Self.counts(space).aborts == 1 && Self.counts(space).commits == 0)
            }
        }

        @Test(
            "Commits that whole pages would have lost are estimated; others are not counted",
            arguments: [(0, 64, true), (4032, 0, true), (0, 4096, false), (4095 & ~7, 4096, false)])
        func falseSharing(own: Int, other: Int, isShared: Bool) throws {
            try Self.withTwoNodes { space, rival in
                let rounds = 6400
                for _ in 0..<rounds {
                    try space.transact { tx in
                        let value: Int = try tx.load(Self.page + own)
                        try Self.increment(Self.page + other, in: rival)
                        try tx.store(value + 1, at: Self.page + own)
                    }
                }
                let counts = Self.counts(space)
                #expect(counts.commits == UInt64(rounds) && counts.conflicts == 0)
                let wanted = isShared ? Double(rounds) : 0
                #expect(abs(Double(counts.falseSharingAvoided) - wanted) <= wanted / 10)
                #expect(Self.counts(rival).falseSharingAvoided == 0)
            }
        }

        @Test("Long-lived transactions count their ends, each by itself")
        func openTransactions() throws {
            try Self.withTwoNodes { space, rival in
                func write(_ transaction: OpenTransaction, reading line: Int) throws {
                    try transaction.perform { tx in
                        _ = try tx.load(Self.page + line, as: Int.self)
                        try tx.store(1 as Int, at: Self.page + 8192)
                    }
                }
                try space.begin(name: "unused").abort()
                let aborted = try space.begin(name: "aborted")
                try write(aborted, reading: 0)
                aborted.abort()
                #expect(Self.counts(space).aborts == 1)

                let lost = try space.begin(name: "lost")
                try write(lost, reading: 64)
                try Self.increment(Self.page + 64, in: rival)
                #expect(throws: TransactionError.conflict) { try lost.commit() }
                #expect(space.conflicts().map(\.line) == [Self.page + 64])

                let shared = try space.begin(name: "shared")
                try write(shared, reading: 128)
                try Self.increment(Self.page + 64, in: rival)
                try shared.commit()
                let counts = Self.counts(space)
                #expect(counts.aborts == 2 && counts.conflicts == 1 && counts.restarts == 0)
                #expect(counts.falseSharingAvoided == 1 && counts.commits == 1)
            }
        }

        @Test("Counts begin again with the next node of the same number")
        func beginning() throws {
            try withTestSpace("core") { space in
                let name = space.name
                let first = try Space.attach(name)
                let number = first.node
                try Self.lose(2, at: Self.page, in: first, space)
                let counts = Self.counts(first)
                #expect(counts.conflicts == 2 && counts.restarts == 2 && counts.commits == 1)
                first.detach()
                let second = try Space.attach(name)
                defer { second.detach() }
                #expect(second.node == number)
                #expect(Self.counts(second) == TransactionCounts())
            }
        }
    }
}
