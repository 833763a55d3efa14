import Glibc
import Synchronization
import TestSupport
import Testing

@testable import RainbowCore

extension TransactionalMemory {
    /// What concurrent transactions may see of one another.
    @Suite struct IsolationTests {
        @Test("Threads always see right sums and a whole ring, in the running body too")
        func threads() throws {
            let seed = printedSeed("isolation of threads")
            try withTestSpace("core") { space in
                try CrashWorkload(workerCount: 0).prepare(space)
                let violations = Mutex<[String]>([])
                onThreads(4) { thread in
                    var generator = SeededGenerator(seed: seed &+ UInt64(thread))
                    for round in 0..<50_000 as Range<UInt64> {
                        do {
                            try InvariantRound.run(space, round, &generator) { message in
                                violations.withLock { if $0.count < 5 { $0.append(message) } }
                            }
                        } catch {
                            violations.withLock { $0.append("\(error)") }
                        }
                    }
                }
                #expect(violations.withLock { $0 } == [])
                try space.transact { tx throws(TransactionError) in
                    try InvariantRound.check(&tx) { message in Issue.record("\(message)") }
                }
            }
        }

        @Test("A read set that grows keeps every line, each once, and as few runs as it can")
        func compaction() {
            var generator = SeededGenerator(seed: printedSeed("read set"))
            for _ in 0..<20 {
                var set = ReadSet()
                defer { set.deallocate() }
                var lines: Set<UInt64> = []
                for _ in 0..<3000 {
                    let first = UInt64.random(in: 1000..<9000, using: &generator)
                    for line in first..<first + .random(in: 1...100, using: &generator) {
                        set.insert(line)
                        lines.insert(line)
                    }
                }
                set.makeRoom()
                let held = (0..<set.count).flatMap { set.lines($0) }
                #expect(held == lines.sorted())
                #expect(set.count <= lines.count { !lines.contains($0 - 1) } + lines.count / 64)
            }
            var same = ReadSet()
            defer { same.deallocate() }
            for length in 1..<64 as Range<UInt64> {
                for line in 0..<length { same.insert(line) }
            }
            same.makeRoom()
            #expect(same.count == 1 && same.lines(0) == 0..<63)
        }

        @Test("Processes always see right sums and a whole ring, in the running body too")
        func processes() throws {
            let seed = printedSeed("isolation of processes")
            let scene = try CrashScene(workers: 3, seed: seed)
            defer { scene.close() }
            try withDeadline(seconds: 100, "three processes without kills") {
                for worker in 0..<3 {
                    try scene.start(worker, command: "invariants", count: 50_000)
                }
                for worker in 0..<3 { #expect(scene.child(worker).wait() == .exited(0)) }
            }
            try scene.expectSoundAfterAttach()
        }

        @Test("A transaction that sees nonsense would be noticed")
        func violationsAreNoticed() throws {
            let scene = try CrashScene(workers: 1, seed: 1)
            defer { scene.close() }
            let space = try Space.attach(scene.name)
            defer { space.detach() }
            for address in [CrashWorkload.account(3), CrashWorkload.ringNode(3)] {
                let before: Int = try space.transact { tx throws(TransactionError) in
                    let value: Int = try tx.load(address)
                    try tx.store(value + 1, at: address)
                    return value
                }
                let found = try scene.workload.violations(space, counts: [0...0])
                #expect(found.count == 1)
                var generator = SeededGenerator(seed: 1)
                var messages = 0
                try InvariantRound.run(space, 0, &generator) { _ in messages += 1 }
                #expect(messages == 1)
                try scene.start(0, command: "invariants", count: 4)
                #expect(scene.child(0).wait() == .exited(3))
                try space.transact { tx throws(TransactionError) in
                    try tx.store(before, at: address)
                }
            }
            try scene.expectSound(space)
        }

        @Test("Write skew is not possible: of two who each read both, one sees the other's write")
        func writeSkew() throws {
            try withTestSpace("core") { space in
                let lines = [
                    Address(region: 1, offset: 0x8000), Address(region: 1, offset: 0x8040),
                ]
                let barrier = TestBarrier(2)
                let overdrafts = Atomic<Int>(0)
                onThreads(2) { thread in
                    for _ in 0..<3000 {
                        barrier.wait()
                        // Both together may not fall below zero: each checks, then takes one.
                        try? space.transact { tx throws(TransactionError) in
                            let first: Int = try tx.load(lines[0])
                            let second: Int = try tx.load(lines[1])
                            guard first + second > 0 else { return }
                            let own = thread == 0 ? first : second
                            try tx.store(own - 1, at: lines[thread])
                        }
                        barrier.wait()
                        if thread == 0 {
                            try? space.transact { tx throws(TransactionError) in
                                let sum: Int = try tx.load(lines[0]) + tx.load(lines[1])
                                if sum < 0 { overdrafts.wrappingAdd(1, ordering: .relaxed) }
                                try tx.store(1, at: lines[0])
                                try tx.store(0, at: lines[1])
                            }
                        }
                    }
                }
                #expect(overdrafts.load(ordering: .relaxed) == 0)
            }
        }
    }
}

/// Lets a number of threads go on together; they spin, so that they go on at the same time.
final class TestBarrier: Sendable {
    private let count: Int
    private let arrived = Atomic<Int>(0)

    init(_ count: Int) { self.count = count }

    func wait() {
        let ticket = arrived.wrappingAdd(1, ordering: .sequentiallyConsistent).oldValue
        let target = (ticket / count + 1) * count
        while arrived.load(ordering: .sequentiallyConsistent) < target { sched_yield() }
    }
}
