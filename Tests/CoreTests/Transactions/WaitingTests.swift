import Glibc
import Synchronization
import TestSupport
import Testing

@testable import RainbowCore

extension TransactionalMemory {
    /// Who waits for whom, who does not, and what a thread gets that may not wait.
    @Suite struct WaitingTests {
        static let page = Address(region: 1, offset: 0x8000)

        private static func serialHolder(_ space: Space) -> UInt64 {
            space.meta[SpaceLayout.serialOffset].load()
        }

        private static func count(_ space: Space, at line: Address) throws {
            try space.transact { tx throws(TransactionError) in
                try tx.store(try tx.load(line, as: Int64.self) + 1, at: line)
            }
        }

        @Test("Who only reads never takes the serial mode, however often it loses.")
        func readersNeverTakeSerialMode() throws {
            try withTestSpace("core") { space in
                let rival = try Space.attach(space.name)
                defer { rival.detach() }
                var runs = 0
                let (first, second) = try space.transact { tx in
                    runs += 1
                    let first: Int64 = try tx.load(Self.page)
                    // Between the two reads both change, and so does a line without a frame.
                    try rival.transact { tx throws(TransactionError) in
                        for line in [Self.page, Self.page + 64, Self.page + 4096 * runs] {
                            try tx.store(try tx.load(line, as: Int64.self) + 1, at: line)
                        }
                    }
                    #expect(Self.serialHolder(space) == 0)
                    return (first, try tx.load(Self.page + 64, as: Int64.self))
                }
                #expect(first == second)
                #expect(runs == 17)
                #expect(space.snapshots.isEmpty)
                #expect(space.liveNodes.allSatisfy { $0.counts.aborts == 0 })
            }
        }

        @Test("One that comes to write after it read at a snapshot commits in serial mode")
        func readersThatWrite() throws {
            try withTestSpace("core") { space in
                let rival = try Space.attach(space.name)
                defer { rival.detach() }
                rival.setWaitCheck { false }
                var runs = 0
                try space.transact { tx in
                    runs += 1
                    let value: Int64 = try tx.load(Self.page)
                    // In serial mode the rival is kept out.
                    do {
                        try Self.count(rival, at: Self.page)
                    } catch TransactionError.busy(let wait) {
                        #expect(wait.isForSerial)
                    }
                    _ = try tx.load(Self.page, as: Int64.self)
                    try tx.store(value + 100, at: Self.page)
                }
                let value = try space.transact { tx in try tx.load(Self.page, as: Int64.self) }
                #expect(value == Int64(runs - 1 + 100))
                #expect(runs == 18)
                #expect(Self.serialHolder(space) == 0)
                #expect(space.snapshots.isEmpty)
            }
        }

        @Test("A reader in a space that is attached for reading goes on at a snapshot as well")
        func readOnlySpace() throws {
            try withTestSpace("core") { space in
                var options = SpaceOptions()
                options.isReadOnly = true
                let reader = try Space.attach(space.name, options)
                defer { reader.detach() }
                var runs = 0
                try reader.transact { tx in
                    runs += 1
                    _ = try tx.load(Self.page, as: Int64.self)
                    try Self.count(space, at: Self.page)
                    _ = try tx.load(Self.page + 64, as: Int64.self)
                    try Self.count(space, at: Self.page + 64)
                    _ = try tx.load(Self.page, as: Int64.self)
                }
                #expect(runs <= 17)
                #expect(throws: TransactionError.readOnly) {
                    try Self.count(reader, at: Self.page)
                }
            }
        }

        /// A worker that is stopped in a commit, and a space beside it whose threads do not wait.
        private func withStoppedCommit(
            _ failpoint: String, _ body: (CrashScene, Space) throws -> Void
        ) throws {
            let scene = try CrashScene(workers: 1, seed: 7)
            defer { scene.close() }
            try scene.start(0, failpoint: "stop:\(failpoint):40")
            let child = scene.child(0)
            try #require(eventually { isStopped(child.processID) })
            let space = try Space.attach(scene.name)
            defer { space.detach() }
            space.setWaitCheck { false }
            try body(scene, space)
        }

        @Test(
            "A thread that may not wait for a stopped commit gets busy, and nothing has happened",
            arguments: ["lock-all", "committed", "unlock-some"])
        func busyLine(failpoint: String) throws {
            try withStoppedCommit(failpoint) { scene, space in
                let busy = try #require(
                    wait { try scene.workload.violations(space, counts: [0...UInt64.max]) })
                #expect(!space.isOver(busy))
                #expect(space.holder(of: busy)?.processID == Int(scene.child(0).processID))
                let line = try #require(busy.line)
                let free = Address(region: 1, offset: 0x100000)
                let written = wait {
                    try space.transact { tx throws(TransactionError) in
                        try tx.store(1 as UInt8, at: free)
                        try tx.store(1 as UInt8, at: line)
                    }
                }
                #expect(written == busy)
                // What is free can be read and written; the commit that gave up left no lock.
                try space.transact { tx in
                    #expect(try tx.load(free, as: UInt8.self) == 0)
                    try tx.store(2 as UInt8, at: free)
                }
                let transaction = try space.begin(name: "t")
                #expect(
                    wait { try transaction.perform { tx in try tx.load(line, as: UInt8.self) } }
                        == busy)
                try transaction.perform { tx in try tx.store(3 as UInt8, at: free) }
                #expect(transaction.state == .running)
                try transaction.commit()
                scene.child(0).sendSignal(SIGCONT)
                #expect(eventually { space.isOver(busy) })
            }
        }

        @Test("What was busy once is not told to the next transaction of the thread")
        func busyOnce() throws {
            try withStoppedCommit("lock-all") { scene, space in
                let busy = try #require(
                    wait { try scene.workload.violations(space, counts: [0...UInt64.max]) })
                let line = try #require(busy.line)
                let free = Address(region: 1, offset: 0x100000)
                let snapshot = try space.takeSnapshot(named: "s")
                defer { snapshot.end() }
                _ = wait { try space.read(at: snapshot) { try $0.load(line, as: UInt8.self) } }
                #expect(wait { try space.transact { try $0.load(free, as: UInt8.self) } } == nil)
                let transaction = try space.begin(name: "t")
                #expect(
                    wait { try transaction.perform { try $0.load(line, as: UInt8.self) } } == busy)
                transaction.abort()
                for _ in 0..<2 {
                    #expect(
                        wait { try space.transact { try $0.load(free, as: UInt8.self) } } == nil)
                    _ = try space.begin(name: "u")
                }
                scene.child(0).sendSignal(SIGCONT)
                #expect(eventually { space.isOver(busy) })
            }
        }

        @Test("Who detaches in serial mode leaves nobody else with it")
        func detachedInSerialMode() throws {
            try withTestSpace("core") { space in
                let leaving = try Space.attach(space.name)
                let transaction = try leaving.begin(name: "t")
                try transaction.restart(isSerial: true)
                #expect(Self.serialHolder(space) != 0)
                leaving.detach()
                #expect(Self.serialHolder(space) == 0)
                try Self.count(space, at: Self.page)
            }
        }

        @Test("An operation whose body swallows that it is busy is not taken for done")
        func swallowedBusy() throws {
            try withStoppedCommit("lock-all") { scene, space in
                let busy = try #require(
                    wait { try scene.workload.violations(space, counts: [0...UInt64.max]) })
                let line = try #require(busy.line)
                #expect(
                    wait {
                        try space.transact { tx in _ = try? tx.load(line, as: UInt8.self) }
                    } == busy)
                let transaction = try space.begin(name: "t")
                #expect(
                    wait {
                        try transaction.perform { tx in _ = try? tx.load(line, as: UInt8.self) }
                    } == busy)
                let snapshot = try space.takeSnapshot(named: "s")
                #expect(
                    wait {
                        try space.read(at: snapshot) { tx in
                            _ = try? tx.load(line, as: UInt8.self)
                        }
                    } == busy)
            }
        }

        @Test("What waits for a stopped process that is then killed goes on")
        func killedHolder() throws {
            try withStoppedCommit("lock-all") { scene, space in
                let busy = try #require(
                    wait { try scene.workload.violations(space, counts: [0...UInt64.max]) })
                _ = scene.kill(0)
                #expect(space.isOver(busy))
                try scene.expectSound(space)
            }
        }

        @Test("Serial mode is waited for only by those who write, and a restart leaves the old run")
        func busySerialMode() throws {
            try withTestSpace("core") { space in
                let rival = try Space.attach(space.name)
                defer { rival.detach() }
                rival.setWaitCheck { false }
                let holder = try space.begin(name: "holder")
                try holder.restart(isSerial: true)
                let other = try rival.begin(name: "other")
                try other.perform { tx in try tx.store(5 as UInt8, at: Self.page) }
                #expect(wait { try Self.count(rival, at: Self.page) }?.isForSerial == true)
                #expect(wait { try other.commit() }?.isForSerial == true)
                do throws(SpaceError) {
                    try other.restart(isSerial: true)
                    Issue.record("two transactions are in serial mode")
                } catch {
                    guard case .busy(let wait) = error else { throw error }
                    #expect(wait.isForSerial && !rival.isOver(wait))
                }
                #expect(other.state == .running)
                #expect(try rival.transact { tx in try tx.load(Self.page, as: UInt8.self) } == 0)
                holder.abort()
                #expect(try other.commit() > 0)
                #expect(try rival.transact { tx in try tx.load(Self.page, as: UInt8.self) } == 5)
            }
        }

        @Test(
            "A snapshot ends while a stopped process changes the table; its place is used again"
        )
        func endedWithoutTheLock() throws {
            try withTestSpace("core") { space in
                space.setWaitCheck { false }
                let snapshot = try space.takeSnapshot(named: "s")
                let other = try #require(try space.folder.openFile("meta"))
                #expect(try ByteLock.tryTake(other, byte: SpaceLayout.snapshotsLock))
                snapshot.end()
                #expect(snapshot.hasEnded && snapshot.isStale)
                #expect(space.snapshot(named: "s") == nil && space.snapshots.isEmpty)
                do throws(SpaceError) {
                    _ = try space.takeSnapshot(named: "s")
                    Issue.record("a snapshot was taken without the lock")
                } catch {
                    guard case .busy(let wait) = error else { throw error }
                    #expect(!space.isOver(wait))
                }
                close(other)
                let again = try space.takeSnapshot(named: "s")
                #expect(again.index == snapshot.index && !again.hasEnded)
                snapshot.end()
                #expect(!again.hasEnded)
            }
        }

        /// What the body could not wait for; nil if it did not have to.
        private func wait(_ body: () throws -> some Any) -> Wait? {
            do {
                _ = try body()
            } catch TransactionError.busy(let wait) {
                return wait
            } catch {
                Issue.record("\(error)")
            }
            return nil
        }
    }
}
