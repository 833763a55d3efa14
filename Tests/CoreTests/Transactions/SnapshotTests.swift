import Glibc
import Synchronization
import TestSupport
import Testing

@testable import RainbowCore

extension TransactionalMemory {
    /// Versions that stay readable while commits pass.
    @Suite struct SnapshotTests {
        static let accounts = 64

        static func account(_ index: Int) -> Address {
            Address(region: 1, offset: 0x10000 + UInt64(index) * 40)
        }

        static func open(_ space: Space) throws {
            try space.transact { tx in
                for index in 0..<accounts { try tx.store(100 as Int64, at: account(index)) }
            }
        }

        static func transfer(_ space: Space, _ generator: inout SeededGenerator) throws {
            let from = Int.random(in: 0..<accounts, using: &generator)
            let to = (from + Int.random(in: 1..<accounts, using: &generator)) % accounts
            try space.transact { tx throws(TransactionError) in
                try tx.store(try tx.load(account(from), as: Int64.self) - 1, at: account(from))
                try tx.store(try tx.load(account(to), as: Int64.self) + 1, at: account(to))
            }
        }

        static func balances(_ tx: inout Transaction) throws -> [Int64] {
            var balances: [Int64] = []
            for index in 0..<accounts { balances.append(try tx.load(account(index))) }
            return balances
        }

        static func bytes(_ tx: inout Transaction) throws -> [UInt8] {
            var bytes = [UInt8](repeating: 1, count: 5000)
            try unsafe bytes.withUnsafeMutableBytes { bytes in
                unsafe try tx.read(account(0) + 3, into: bytes)
            }
            return bytes
        }

        @Test("A snapshot shows its version however many commits pass, by words and by bytes")
        func oneVersion() throws {
            try withTestSpace("core") { space in
                try Self.open(space)
                var generator = SeededGenerator(seed: printedSeed("snapshot"))
                for _ in 0..<20 { try Self.transfer(space, &generator) }
                let (before, bytes) = try space.transact { tx in
                    (try Self.balances(&tx), try Self.bytes(&tx))
                }
                let snapshot = try space.takeSnapshot(named: "one")
                for round in 0..<200 {
                    for _ in 0..<round { try Self.transfer(space, &generator) }
                    let seen = try space.read(at: snapshot) { tx in
                        (try Self.balances(&tx), try Self.bytes(&tx))
                    }
                    #expect(seen.0 == before)
                    #expect(seen.1 == bytes)
                }
                #expect(try space.transact { tx in try Self.balances(&tx) } != before)
                #expect(space.snapshotMemory.bytesUsed <= UInt64(Self.accounts * 128))
                snapshot.end()
                #expect(space.snapshotMemory.bytesUsed == 0)
            }
        }

        @Test("What nobody had written yet is zero, objects made in a batch too")
        func unwritten() throws {
            try withTestSpace("core") { space in
                let place = Address(region: 1, offset: 0x100000)
                let snapshot = try space.takeSnapshot(named: "empty")
                try space.transact { tx in
                    try tx.fill(
                        start: place, stride: 24, count: 1000, headerOffset: 8, header: 77)
                }
                #expect(space.snapshotMemory.bytesUsed == 0)
                let other = try space.takeSnapshot(named: "full")
                try space.transact { tx in try tx.zero(place, count: 24_000) }
                func header(_ snapshot: Snapshot, _ index: Int) throws -> UInt64 {
                    try space.read(at: snapshot) { tx in try tx.load(place + (index * 24 + 8)) }
                }
                for index in [0, 1, 500, 999] {
                    #expect(try header(snapshot, index) == 0)
                    #expect(try header(other, index) == 77)
                }
            }
        }

        @Test("A fill over lines that were written keeps them for a snapshot")
        func fillOverOld() throws {
            try withTestSpace("core") { space in
                let place = Address(region: 1, offset: 0x100000)
                try space.transact { tx in
                    for index in 0..<512 { try tx.store(UInt64(index), at: place + index * 8) }
                }
                let snapshot = try space.takeSnapshot(named: "before")
                try space.transact { tx in
                    try tx.fill(start: place, stride: 16, count: 256, headerOffset: 0, header: 5)
                }
                let seen = try space.read(at: snapshot) { tx in
                    try (0..<512).map { try tx.load(place + $0 * 8, as: UInt64.self) }
                }
                #expect(seen == (0..<512).map(UInt64.init))
            }
        }

        @Test("Many snapshots, taken and dropped while threads write, each show their version")
        func many() throws {
            let seed = printedSeed("many snapshots")
            try withTestSpace("core") { space in
                try Self.open(space)
                let isOver = Atomic<Bool>(false)
                let writers = (0..<2).map { thread in
                    startThread {
                        var generator = SeededGenerator(seed: seed &+ UInt64(thread))
                        while !isOver.load(ordering: .relaxed) {
                            try! Self.transfer(space, &generator)
                        }
                    }
                }
                onThreads(3) { thread in
                    for round in 0..<150 {
                        let snapshot = try! space.takeSnapshot(named: "s\(thread)")
                        let first = try! space.read(at: snapshot) { tx in try Self.balances(&tx) }
                        for _ in 0..<round % 7 {
                            let again = try! space.read(at: snapshot) { tx in
                                try Self.balances(&tx)
                            }
                            #expect(again == first)
                        }
                        #expect(first.reduce(0, +) == Int64(Self.accounts * 100))
                        snapshot.end()
                    }
                }
                isOver.store(true, ordering: .relaxed)
                for writer in writers { pthread_join(writer, nil) }
                var problems: [String] = []
                space.checkMemory { problems.append($0) }
                #expect(problems == [])
                #expect(space.snapshots.isEmpty)
                try space.takeSnapshot(named: "last").end()
                #expect(space.snapshotMemory.bytesUsed == 0)
            }
        }

        @Test("Past the memory limit the oldest snapshot is stale, and writers go on")
        func limit() throws {
            try withTestSpace("core") { space in
                try Self.open(space)
                space.setSnapshotMemory(bytesMax: 64 << 10)
                let place = Address(region: 1, offset: 0x200000)
                func write(_ value: UInt64) throws {
                    for line in 0..<2048 {
                        try space.transact { tx throws(TransactionError) in
                            try tx.store(value, at: place + line * 64)
                        }
                    }
                }
                try write(1)
                let old = try space.takeSnapshot(named: "old")
                try write(2)
                #expect(old.isStale)
                #expect(throws: TransactionError.stale) {
                    try space.read(at: old) { tx in try tx.load(place, as: UInt64.self) }
                }
                #expect(try space.transact { tx in try tx.load(place, as: UInt64.self) } == 2)
                // What did not change since can still be read, and a new snapshot works.
                let young = try space.takeSnapshot(named: "young")
                try space.transact { tx in try tx.store(9 as UInt64, at: place) }
                let seen: UInt64 = try space.read(at: young) { tx in try tx.load(place) }
                #expect(seen == 2)
                #expect(!young.isStale)
                #expect(space.snapshots.map(\.isStale).sorted { $0 && !$1 } == [true, false])
            }
        }

        @Test("Of many snapshots, such a commit gives up no more than must go, all at once")
        func limitAmongManySnapshots() throws {
            try withTestSpace("core") { space in
                try Self.open(space)
                let place = Address(region: 1, offset: 0x20_0000)
                func write(_ lines: Range<Int>) throws {
                    try space.transact { tx throws(TransactionError) in
                        for line in lines { try tx.store(1, at: place + line * 64) }
                    }
                }
                for first in stride(from: 0, to: 80_000, by: 10_000) {
                    try write(first..<first + 10_000)
                }
                space.setSnapshotMemory(bytesMax: 512 * 128)
                var snapshots: [Snapshot] = []
                for index in 0..<50 {
                    snapshots.append(try space.takeSnapshot(named: "\(index)"))
                    try write(index * 10..<index * 10 + 10)
                }
                #expect(space.snapshotMemory.bytesUsed == 500 * 128)
                // 12 lines find memory; then an eighth of all is freed each time, which is 64
                // lines: what seven snapshots need that no younger one does.
                try write(500..<600)
                #expect(snapshots.map(\.isStale) == (0..<50).map { $0 < 14 })
                for snapshot in snapshots { snapshot.end() }

                space.setSnapshotMemory(bytesMax: 60_000 * 128)
                snapshots = try (0..<300).map { index in
                    try write(90_000..<90_001)
                    return try space.takeSnapshot(named: "\(index)")
                }
                let began = SystemCalls.nanoseconds(of: CLOCK_MONOTONIC)
                for first in stride(from: 0, to: 80_000, by: 10_000) {
                    try write(first..<first + 10_000)
                }
                let seconds = (SystemCalls.nanoseconds(of: CLOCK_MONOTONIC) - began) / 1_000_000_000
                #expect(snapshots.allSatisfy { $0.isStale } && seconds < 3)
            }
        }

        @Test("A commit larger than what memory is left gives up the oldest snapshot alone")
        func limitWithinOneCommit() throws {
            try withTestSpace("core") { space in
                try Self.open(space)
                space.setSnapshotMemory(bytesMax: 512 * 128)
                let place = Address(region: 1, offset: 0x200000)
                func write(_ value: UInt64, lines: Int) throws {
                    try space.transact { tx throws(TransactionError) in
                        for line in 0..<lines { try tx.store(value, at: place + line * 64) }
                    }
                }
                try write(1, lines: 600)
                let old = try space.takeSnapshot(named: "old")
                try write(2, lines: 300)
                let young = try space.takeSnapshot(named: "young")
                #expect(!old.isStale)
                try write(3, lines: 400)
                #expect(old.isStale && !young.isStale)
                try space.read(at: young) { tx in
                    for line in 0..<400 {
                        let seen: UInt64 = try tx.load(place + line * 64)
                        #expect(seen == (line < 300 ? 2 : 1))
                    }
                }
                #expect(space.snapshotMemory.bytesUsed <= 512 * 128)
                // One that needs more than all of the memory costs every snapshot, and is made.
                try write(4, lines: 600)
                #expect(young.isStale)
                #expect(try space.transact { tx in try tx.load(place, as: UInt64.self) } == 4)
                var problems: [String] = []
                space.checkMemory { problems.append($0) }
                #expect(problems == [])
            }
        }

        @Test("A snapshot that was given up while it was taken is stale, not wrong")
        func givenUpWhilePending() throws {
            try withTestSpace("core") { space in
                let table = space.snapshotTable
                for isGivenUp in [false, true] {
                    let snapshot = try space.takeSnapshot(named: "taken")
                    table.publish(snapshot.index)
                    // A committer that draws a version after the snapshot's, and has no memory.
                    if isGivenUp { table.evict(notOlderThan: 1) }
                    table.settle(snapshot.index, at: snapshot.version)
                    #expect(snapshot.isStale == isGivenUp)
                    #expect(space.snapshots.map(\.isStale) == [isGivenUp])
                    snapshot.end()
                }
            }
        }

        @Test("An old snapshot does not keep what only short ones between needed")
        func shortOnesBetween() throws {
            try withTestSpace("core") { space in
                try Self.open(space)
                var generator = SeededGenerator(seed: 5)
                let long = try space.takeSnapshot(named: "long")
                let before = try space.read(at: long) { tx in try Self.balances(&tx) }
                for _ in 0..<400 {
                    let short = try space.takeSnapshot(named: "short")
                    for _ in 0..<50 { try Self.transfer(space, &generator) }
                    short.end()
                }
                #expect(space.snapshotMemory.bytesUsed < 4096 * 128)
                #expect(try space.read(at: long) { tx in try Self.balances(&tx) } == before)
            }
        }

        @Test("Names are seen by all, once each; an ended snapshot cannot be read")
        func names() throws {
            try withTestSpace("core") { space in
                try Self.open(space)
                let snapshot = try space.takeSnapshot(named: "a b")
                #expect(space.snapshot(named: "a b")?.version == snapshot.version)
                #expect(space.snapshot(named: "other") == nil)
                #expect(throws: SpaceError.self) { try space.takeSnapshot(named: "a b") }
                #expect(throws: SpaceError.self) { try space.takeSnapshot(named: "") }
                #expect(throws: SpaceError.self) {
                    try space.takeSnapshot(named: String(repeating: "x", count: 193))
                }
                let found = try #require(space.snapshots.first)
                #expect(found.name == "a b" && found.kind == .named && found.node == space.node)
                var generator = SeededGenerator(seed: 1)
                for _ in 0..<1000 { try Self.transfer(space, &generator) }
                space.snapshot(named: "a b")?.end()
                #expect(snapshot.isStale && snapshot.hasEnded)
                for _ in 0..<1000 { try Self.transfer(space, &generator) }
                #expect(throws: TransactionError.stale) {
                    try space.read(at: snapshot) { tx in try Self.balances(&tx) }
                }
                _ = try space.takeSnapshot(named: "a b")
                #expect(snapshot.isStale)
            }
        }

        @Test("A snapshot refuses writes")
        func readOnly() throws {
            try withTestSpace("core") { space in
                try Self.open(space)
                let snapshot = try space.takeSnapshot(named: "a")
                #expect(throws: TransactionError.readOnly) {
                    try space.read(at: snapshot) { tx in
                        try tx.store(1 as UInt64, at: Self.account(0))
                    }
                }
                try space.transact { tx in try tx.store(1 as UInt64, at: Self.account(0)) }
            }
        }

        @Test("A check finds nothing wrong while commits keep old versions")
        func checkBesideWriters() throws {
            try withTestSpace("core") { space in
                let base = Address(region: 1, offset: 0x20_0000)
                @Sendable func write(_ value: UInt64) {
                    for line in 0..<20_000 {
                        try! space.transact { tx throws(TransactionError) in
                            try tx.store(value, at: base + line * 64)
                        }
                    }
                }
                write(1)
                var problems: [String] = []
                for round in 2..<6 as Range<UInt64> {
                    let snapshot = try space.takeSnapshot(named: "s")
                    let isOver = Atomic<Bool>(false)
                    let writer = startThread {
                        write(round)
                        isOver.store(true, ordering: .releasing)
                    }
                    while !isOver.load(ordering: .acquiring) {
                        space.checkMemory { problems.append($0) }
                    }
                    pthread_join(writer, nil)
                    snapshot.end()
                }
                #expect(problems == [])
            }
        }
    }
}
