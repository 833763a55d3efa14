import Glibc
import RainbowCore
import TestSupport
import Testing

extension TransactionalMemory {
    /// Snapshots and open transactions of processes that go on writing, and are killed.
    @Suite struct ViewProcessTests {
        static let kills = environmentNumber("RAINBOWFS_KILLS", default: 600) / 6

        private static func balances(_ tx: inout Transaction) throws -> [Int64] {
            try (0..<CrashWorkload.accountCount).map { try tx.load(CrashWorkload.account($0)) }
        }

        @Test("A long reader sees one version however many commits of other processes pass")
        func longReader() throws {
            let seed = printedSeed("a long reader")
            let scene = try CrashScene(workers: 2, seed: seed)
            defer { scene.close() }
            let space = try Space.attach(scene.name)
            for worker in 0..<2 { try scene.start(worker, command: "invariants") }
            for worker in 0..<2 { #expect(scene.waitForSteps(worker, 100)) }
            let snapshot = try space.takeSnapshot(named: "long")
            let first = try space.read(at: snapshot) { tx in try Self.balances(&tx) }
            #expect(first.reduce(0, +) == 64 * CrashWorkload.openingBalance)
            var isChanged = false
            for round in 1...50 as ClosedRange<UInt64> {
                #expect(scene.waitForSteps(Int(round % 2), 100 + round * 200))
                let again = try space.read(at: snapshot) { tx in
                    try InvariantRound.check(&tx) { Issue.record("\($0)") }
                    return try Self.balances(&tx)
                }
                #expect(again == first)
                isChanged = try isChanged || space.transact { try Self.balances(&$0) } != first
            }
            #expect(isChanged)
            // One undo version a line that was written since, and some that wait for the sweep.
            #expect(space.snapshotMemory.bytesUsed <= 4096 * 128)
            snapshot.end()
            for worker in 0..<2 { _ = scene.kill(worker) }
            try space.takeSnapshot(named: "last").end()
            #expect(space.snapshotMemory.bytesUsed == 0)
            space.detach()
        }

        @Test("Past the limit the oldest snapshot is stale; no writer waits, fails or exceeds it")
        func limit() throws {
            let seed = printedSeed("old versions past their limit")
            let scene = try CrashScene(workers: 2, seed: seed)
            defer { scene.close() }
            let space = try Space.attach(scene.name)
            let bytesMax: UInt64 = 256 << 10
            space.setSnapshotMemory(bytesMax: bytesMax)
            for worker in 0..<2 { try scene.start(worker, command: "views") }
            for worker in 0..<2 { #expect(scene.waitForSteps(worker, 10)) }
            let oldest = try space.takeSnapshot(named: "oldest")
            let line = Address(region: 1, offset: 0x4000_0000)
            var round = 0
            while !oldest.isStale, round < 100_000 {
                for snapshot in 0..<2 {
                    // Other snapshots come and go: the oldest goes first.
                    let young = try space.takeSnapshot(named: "young \(snapshot)")
                    try space.transact { tx throws(TransactionError) in
                        for index in 0..<16 {
                            let place = line + ((round * 16 + index) % 8192 * 64)
                            try tx.store(UInt64(round + 1), at: place)
                        }
                    }
                    // In this order: others may give up both at once.
                    let isYoungStale = young.isStale
                    if oldest.isStale { break }
                    #expect(!isYoungStale)
                    young.end()
                }
                #expect(space.snapshotMemory.bytesUsed <= bytesMax)
                round += 1
            }
            #expect(oldest.isStale && round > 10)
            #expect(throws: TransactionError.stale) {
                _ = try space.read(at: oldest) { tx in try tx.load(line, as: UInt64.self) }
                _ = try space.read(at: oldest) { tx in try Self.balances(&tx) }
            }
            // The others go on, with new snapshots that can be read.
            for worker in 0..<2 {
                let steps = scene.board[BoardPlace.steps(worker)]
                #expect(scene.waitForSteps(worker, steps + 20))
            }
            scene.board[BoardPlace.stop] = 1
            for worker in 0..<2 { #expect(scene.child(worker).wait() == .exited(0)) }
            space.detach()
            try scene.expectSoundAfterAttach()
        }

        @Test("Killed at random with views open, they leave none, no memory and no lock")
        func randomKills() throws {
            let seed = printedSeed("kills with views open")
            let scene = try CrashScene(workers: 3, seed: seed)
            defer { scene.close() }
            let space = try Space.attach(scene.name)
            let commands = ["views", "views", "steps"]
            for worker in 0..<3 { try scene.start(worker, command: commands[worker]) }
            for _ in 0..<Self.kills {
                let victim = scene.random(0...2)
                try withDeadline(seconds: 60, "a worker or the survivors of a kill") {
                    #expect(scene.waitForSteps(victim, 1))
                    spin(microseconds: scene.random(0...3000))
                    #expect(scene.kill(victim) == .signaled(SIGKILL))
                    try scene.expectSound(space)
                    space.recoverSnapshots()
                    let left = space.snapshots.map(\.name)
                    #expect(!left.contains { $0.contains("of \(scene.child(victim).processID),") })
                }
                try scene.start(victim, command: commands[victim])
            }
            for worker in 0..<3 { _ = scene.kill(worker) }
            Self.expectNothingLeft(space)
            space.detach()
            try scene.expectSoundAfterAttach()
        }

        @Test(
            "Killed at a failpoint of a long commit",
            arguments: Failpoint.commitPoints.filter { !$0.isOfEviction })
        func failpoints(point: Failpoint) throws {
            // A transaction that lives long neither attaches nor finds new pages.
            guard ![.attachLocked, .frameReserved, .abortSome].contains(point) else { return }
            let seed = printedSeed("kills of long commits at \(point.rawValue)")
            let scene = try CrashScene(workers: 2, seed: seed)
            defer { scene.close() }
            let space = try Space.attach(scene.name)
            try scene.start(1, command: "views")
            for _ in 0..<4 {
                try withDeadline(seconds: 60, "the survivors of \(point.rawValue)") {
                    try scene.start(
                        0, command: "views", failpoint: point.spelled(at: scene.random(1...40)))
                    #expect(scene.waitForDeath(0) == .signaled(SIGKILL))
                    try scene.expectSound(space)
                    let steps = scene.board[BoardPlace.steps(1)]
                    #expect(scene.waitForSteps(1, steps + 3))
                }
            }
            _ = scene.kill(1)
            Self.expectNothingLeft(space)
            space.detach()
            try scene.expectSoundAfterAttach()
        }

        private static func expectNothingLeft(_ space: Space) {
            space.recoverSnapshots()
            #expect(space.snapshots.isEmpty)
            #expect(space.snapshotMemory.bytesUsed == 0)
            var problems: [String] = []
            // The next process that attaches alone counts the frames again.
            space.checkMemory { if !$0.contains("frames are counted") { problems.append($0) } }
            #expect(problems == [])
        }

        @Test("While one has the space to itself the others wait; killed, it holds nobody up")
        func serial() throws {
            let seed = printedSeed("a kill in serial mode")
            let scene = try CrashScene(workers: 3, seed: seed)
            defer { scene.close() }
            let space = try Space.attach(scene.name)
            try scene.start(1)
            try scene.start(2, command: "views")
            for worker in 1...2 { #expect(scene.waitForSteps(worker, 5)) }
            for round in 0..<10 {
                scene.board[BoardPlace.result(0)] = 0
                try scene.start(0, command: "hold-serial")
                try withDeadline(seconds: 60, "what waits for serial mode") {
                    scene.board.wait { $0[BoardPlace.result(0)] == 1 }
                    #expect(space.snapshots.contains { $0.isSerial && $0.name == "alone" })
                    let steps = scene.board[BoardPlace.steps(1)]
                    spin(microseconds: scene.random(0...5000))
                    // One commit may have been past the question before.
                    #expect(scene.board[BoardPlace.steps(1)] <= steps + 1, "round \(round)")
                    #expect(scene.kill(0) == .signaled(SIGKILL))
                    #expect(scene.waitForSteps(1, steps + 5))
                    try scene.expectSound(space)
                }
            }
            for worker in 1...2 { _ = scene.kill(worker) }
            Self.expectNothingLeft(space)
            space.detach()
            try scene.expectSoundAfterAttach()
        }
    }
}
