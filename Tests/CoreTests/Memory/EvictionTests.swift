import Foundation
import Synchronization
import TestSupport
import Testing

@testable import RainbowCore

extension TransactionalMemory {
    /// Pages that lose their frames while others run.
    @Suite struct EvictionTests {
        static let start = Address(region: 1, offset: 0x100_0000)
        static func pages(_ count: UInt64) -> Range<UInt64> {
            start.page..<start.page + count
        }

        private static func store(_ value: Int, at address: Address, in space: Space) throws {
            try space.transact { tx throws(TransactionError) in try tx.store(value, at: address) }
        }

        private static func load(_ address: Address, in space: Space) throws -> Int {
            try space.transact { tx throws(TransactionError) in try tx.load(address) }
        }

        private static func faults(_ space: Space) -> [String] {
            var faults: [String] = []
            space.checkMemory { faults.append($0) }
            return faults
        }

        @Test("Pages of zeros give their memory back, and can be written again")
        func zeros() throws {
            try withTestSpace("core") { space in
                try space.transact { tx throws(TransactionError) in
                    try tx.reserve(Self.start, count: 100 * 4096)
                }
                let used = space.usage.bytesUsed
                #expect(space.evict(pages: Self.pages(100)) == 100)
                #expect(space.usage.bytesUsed == used - 100 * 4096)
                try #expect(Self.load(Self.start + 8 * 4096, in: space) == 0)
                try Self.store(7, at: Self.start + 8 * 4096, in: space)
                try #expect(Self.load(Self.start + 8 * 4096, in: space) == 7)
                #expect(space.usage.bytesUsed == used - 99 * 4096)
                #expect(Self.faults(space) == [])
            }
        }

        @Test(
            "A page that holds something keeps its frame; so does one that was zeroed, for a view")
        func kept() throws {
            try withTestSpace("core") { space in
                try Self.store(7, at: Self.start, in: space)
                #expect(space.evict(pages: Self.pages(1)) == 0)
                let snapshot = try space.takeSnapshot(named: "before")
                try Self.store(0, at: Self.start, in: space)
                // The snapshot's line is newer than its version: without the word it would be lost.
                #expect(space.evict(pages: Self.pages(1)) == 0)
                try space.read(at: snapshot) { tx in
                    let value: Int = try tx.load(Self.start)
                    #expect(value == 7)
                }
                snapshot.end()
                #expect(space.evict(pages: Self.pages(1)) == 1)
                #expect(Self.faults(space) == [])
            }
        }

        @Test(
            "What a running transaction may touch keeps its frame, is queued, and goes afterwards")
        func queued() throws {
            try withTestSpace("core") { space in
                try space.transact { tx throws(TransactionError) in
                    try tx.reserve(Self.start, count: 4096)
                }
                let other = try Space.attach(space.name)
                defer { other.detach() }
                try space.transact { tx throws(TransactionError) in
                    // It began before the eviction, so it may have seen the frame.
                    #expect(other.evict(pages: Self.pages(1)) == 0)
                    let value: Int = try tx.load(Self.start)
                    #expect(value == 0)
                }
                #expect(other.evictQueued() == 1)
                #expect(other.evictQueued() == 0)
            }
        }

        @Test("A stopped process keeps memory, and keeps nobody waiting")
        func stopped() throws {
            let board = try Scoreboard()
            try withTestSpace("core") { space in
                try space.transact { tx throws(TransactionError) in
                    try tx.reserve(Self.start, count: 4096)
                }
                let child = try Child(
                    builtProgram("space-worker"), ["attach", space.name, "0", "1", "0"],
                    environment: ["RAINBOWFS_FAILPOINT": "stop:lock-all"],
                    descriptor: board.descriptor)
                board[BoardPlace.shared + 1] = 1
                board.wait { _ in Self.isStopped(child.processID) }
                #expect(space.oldestReader > 0 && space.oldestReader <= space.version)
                #expect(!space.awaitReaders(before: space.version + 1))
                #expect(space.evict(pages: Self.pages(1)) == 0)
                // Everybody goes on, with the page too.
                try Self.store(3, at: Self.start, in: space)
                try Self.store(0, at: Self.start, in: space)
                child.kill()
                #expect(space.evict(pages: Self.pages(1)) == 1)
                #expect(space.oldestReader == space.version)
                #expect(Self.faults(space) == [])
            }
        }

        private static func isStopped(_ process: pid_t) -> Bool {
            let line = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
            return line?.contains(") T ") ?? false
        }

        @Test("The oldest reader is that of a run, a snapshot or an open transaction")
        func oldestReader() throws {
            try withTestSpace("core") { space in
                try Self.store(1, at: Self.start, in: space)
                #expect(space.oldestReader == space.version)
                let snapshot = try space.takeSnapshot(named: "old")
                try Self.store(2, at: Self.start, in: space)
                #expect(space.oldestReader == snapshot.version)
                snapshot.end()
                #expect(space.oldestReader == space.version)
                let open = try space.begin(name: "open")
                try Self.store(3, at: Self.start, in: space)
                #expect(space.oldestReader == open.snapshot.version)
                #expect(!space.awaitReaders(before: space.version, milliseconds: 1))
                open.abort()
                #expect(space.awaitReaders(before: space.version))
                let other = try Space.attach(space.name)
                defer { other.detach() }
                try space.transact { tx throws(TransactionError) in
                    let version = space.version
                    do {
                        try Self.store(4, at: Self.start + 64, in: other)
                    } catch {
                        Issue.record(error)
                    }
                    #expect(other.oldestReader == version && other.version > version)
                }
                #expect(other.oldestReader == other.version)
            }
        }

        @Test(
            "An open transaction may lose frames between its operations, and commits all the same")
        func openTransaction() throws {
            try withTestSpace("core") { space in
                let open = try space.begin(name: "open")
                try open.perform { tx in try tx.store(5, at: Self.start) }
                try open.perform { tx in
                    try tx.fill(
                        start: Self.start + 4096, stride: 64, count: 128, headerOffset: 0,
                        header: 9)
                }
                #expect(space.evict(pages: Self.pages(4)) == 3)
                try open.perform { tx in
                    let own: Int = try tx.load(Self.start)
                    #expect(own == 5)
                }
                #expect(space.evict(pages: Self.pages(4)) == 0)
                try open.commit()
                try #expect(Self.load(Self.start, in: space) == 5)
                try #expect(Self.load(Self.start + 3 * 4096 - 64, in: space) == 9)
                #expect(Self.faults(space) == [])
            }
        }

        @Test(
            "A view that became stale takes no page that was evicted since for unchanged",
            arguments: [false, true])
        func staleView(hasFrameAgain: Bool) throws {
            try withTestSpace("core") { space in
                try Self.store(1, at: Self.start, in: space)
                let open = try space.begin(name: "open")
                try open.perform { tx in
                    let value: Int = try tx.load(Self.start)
                    #expect(value == 1)
                    try tx.store(value, at: Self.start + 4096)
                }
                // It loses its view, and then what it has read changes and goes.
                space.snapshotTable.evict(notOlderThan: 0)
                try Self.store(0, at: Self.start, in: space)
                #expect(space.evict(pages: Self.pages(1)) == 1)
                if hasFrameAgain { try Self.store(7, at: Self.start + 64, in: space) }
                #expect(throws: TransactionError.stale) { try open.commit() }
                #expect(open.state == .stale)
                try #expect(Self.load(Self.start + 4096, in: space) == 0)
            }
        }

        @Test("A stale snapshot is never read as what evicted pages hold by now")
        func staleSnapshot() throws {
            try withTestSpace("core") { space in
                try Self.store(1, at: Self.start, in: space)
                let snapshot = try space.takeSnapshot(named: "old")
                space.snapshotTable.evict(notOlderThan: 0)
                try Self.store(0, at: Self.start, in: space)
                #expect(space.evict(pages: Self.pages(1)) == 1)
                try Self.store(7, at: Self.start + 64, in: space)
                #expect(throws: TransactionError.stale) {
                    _ = try space.read(at: snapshot) { try $0.load(Self.start, as: Int.self) }
                }
            }
        }

        @Test("Who gives frames to the neighbours of a page that is evicted does not undo that")
        func neighbours() throws {
            let board = try Scoreboard()
            try withTestSpace("core") { space in
                try space.transact { tx throws(TransactionError) in
                    try tx.reserve(Self.start + 4096, count: 4096)
                }
                // It wants the page before, which has no frame, and this one, and is stopped when
                // it has looked which are missing.
                let child = try Child(
                    builtProgram("space-worker"), ["reserve-two", space.name, "0", "1", "0"],
                    environment: ["RAINBOWFS_FAILPOINT": "stop:frame-reserved"],
                    descriptor: board.descriptor)
                board.wait { _ in Self.isStopped(child.processID) }
                let process = child.processID
                let waking = startThread {
                    usleep(20_000)
                    kill(process, SIGCONT)
                }
                let pages = Self.start.page + 1..<Self.start.page + 2
                _ = space.evict(pages: pages, milliseconds: 5000)
                pthread_join(waking, nil)
                #expect(child.wait() == .exited(0))
                try Self.store(5, at: Self.start + 4096, in: space)
                try #expect(Self.load(Self.start + 4096, in: space) == 5)
                #expect(Self.faults(space) == [])
            }
        }

        @Test("Threads that evict what they write see both pages of a pair equal, in every view")
        func pairs() throws {
            let seed = printedSeed("evictions beside readers")
            try withTestSpace("core") { space in
                let evicted = Atomic<Int>(0)
                let done = Atomic<Int>(0)
                onThreads(4) { index in
                    var generator = SeededGenerator(seed: seed &+ UInt64(index))
                    do {
                        for round in 0..<2000 {
                            let count = try EvictionRound.step(space, &generator) {
                                Issue.record("\($0)")
                            }
                            evicted.wrappingAdd(count, ordering: .relaxed)
                            guard round % 16 == index else { continue }
                            let snapshot = try space.takeSnapshot(named: "\(index)-\(round)")
                            defer { snapshot.end() }
                            try space.read(at: snapshot) { tx in
                                try EvictionRound.check(&tx) { Issue.record("\($0)") }
                            }
                        }
                    } catch TransactionError.stale {
                        Issue.record("a snapshot is stale")
                    } catch {
                        Issue.record(error)
                    }
                    done.wrappingAdd(1, ordering: .relaxed)
                }
                // A test that evicts nothing shows nothing.
                #expect(evicted.load(ordering: .relaxed) > 100)
                #expect(done.load(ordering: .relaxed) == 4)
                #expect(Self.faults(space) == [])
            }
        }

        @Test("In a full memory evictions beside readers and writers are never SIGBUS")
        func fullMemory() throws {
            let memory = try TemporaryMemory.ifPossible(byteCount: 8 << 20)
            let board = try Scoreboard()
            board[BoardPlace.shared + 1] = 1
            let environment = memory.map { ["RAINBOWFS_DIR": $0.path] } ?? [:]
            func start(_ worker: Int, _ count: Int) throws -> Child {
                try Child(
                    builtProgram("space-worker"),
                    [
                        "evict-in-full-memory", "full-\(getpid())", "\(worker)", "\(worker)",
                        "\(count)",
                    ],
                    environment: environment, descriptor: board.descriptor)
            }
            let children = try (0..<3).map { try start($0, 20_000) }
            for child in children { #expect(child.wait() == .exited(0)) }
            #expect(board[BoardPlace.shared + 2] > 100)
            if memory == nil { try? Space.destroy("full-\(getpid())", force: true) }
        }
    }
}
