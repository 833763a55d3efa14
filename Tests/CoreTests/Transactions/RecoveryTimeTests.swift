import Glibc
import Synchronization
import TestSupport
import Testing

@testable import RainbowCore

extension TransactionalMemory {
    /// How long the lines of a killed process stay locked.
    @Suite struct RecoveryTimeTests {
        struct Sample {
            /// From the last time at which the kernel still held the dead process's lock, without
            /// the time for which the threads of this test were ready but had no processor.
            var wallMicroseconds: UInt64
            /// What the survivor's thread worked for it, waiting included.
            var cpuMicroseconds: UInt64
        }

        @Test("A survivor goes on within 10 ms on the lines that a killed process had locked")
        func recoveryTime() throws {
            let points: [Failpoint] = [.lockAll, .validated, .committed, .writeBackAll]
            let seed = printedSeed("recovery time")
            let scene = try CrashScene(workers: 2, seed: seed)
            defer { scene.close() }
            let space = try Space.attach(scene.name)
            defer { space.detach() }
            var samples: [Sample] = []
            for round in 0..<100 {
                let point = points[round % points.count]
                try withDeadline(seconds: 60, "a survivor of \(point)") {
                    samples.append(try Self.sample(scene, space, point))
                    try scene.expectSound(space)
                }
            }
            let wall = samples.map(\.wallMicroseconds).sorted()
            let cpu = samples.map(\.cpuMicroseconds).sorted()
            print("recovery in microseconds, median, 90 %, worst: by the clock", terminator: " ")
            print("\(wall[50]) \(wall[90]) \(wall[99]), of work \(cpu[50]) \(cpu[90]) \(cpu[99])")
            // A busy machine adds what it likes to single times.
            #expect(wall[50] < 10_000)
            #expect(cpu[95] < 10_000)
        }

        /// One process killed while it holds its locks, and the next commit of this one on them.
        private static func sample(
            _ scene: CrashScene, _ space: Space, _ point: Failpoint
        ) throws -> Sample {
            let meta = unsafe open("\(space.directory)/meta", O_RDWR)
            defer { close(meta) }
            try scene.start(0, failpoint: "\(point.rawValue):\(scene.random(50...100))")
            let byte = SpaceLayout.nodeLocks + UInt64(scene.waitForNode(0))
            let survivor = Survivor(space, worker: 0)
            let thread = startThread { survivor.run() }
            let own = ReadyTime()
            let other = survivor.readyTime
            func readyNanoseconds() -> UInt64 { own.nanoseconds + other.nanoseconds }
            var (lastHeld, ready) = (monotonicNanoseconds(), readyNanoseconds())
            while true {
                let now = (monotonicNanoseconds(), readyNanoseconds())
                guard try ByteLock.isHeldElsewhere(meta, byte: byte) else { break }
                (lastHeld, ready) = now
                sched_yield()
            }
            let readyHere = own.nanoseconds
            survivor.deathSeen.store(true, ordering: .sequentiallyConsistent)
            pthread_join(thread, nil)
            #expect(scene.waitForDeath(0) == .signaled(SIGKILL))
            let wall = survivor.committed.load(ordering: .acquiring) - lastHeld
            let readyThere = survivor.readyAtEnd.load(ordering: .acquiring)
            let without = readyHere + readyThere - ready
            return Sample(
                wallMicroseconds: (wall - min(wall, without)) / 1000,
                cpuMicroseconds: survivor.cpu.load(ordering: .acquiring) / 1000)
        }
    }

    /// How long a thread was ready to run while others had the processors; 0 where the kernel does
    /// not tell.
    private final class ReadyTime: Sendable {
        private let descriptor: Int32

        /// Of the thread that calls this, whichever asks later.
        init() { descriptor = unsafe open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC) }

        deinit { close(descriptor) }

        var nanoseconds: UInt64 {
            var bytes = [UInt8](repeating: 0, count: 100)
            let count = unsafe pread(descriptor, &bytes, bytes.count, 0)
            guard count > 0 else { return 0 }
            let words = String(decoding: bytes[..<count], as: UTF8.self).split(separator: " ")
            return words.count > 1 ? UInt64(words[1]) ?? 0 : 0
        }
    }

    /// A thread that commits again and again on lines that a worker writes.
    private final class Survivor: Sendable {
        let deathSeen = Atomic<Bool>(false)
        /// When the last commit ended, the first one to end after the death was seen.
        let committed = Atomic<UInt64>(0)
        let cpu = Atomic<UInt64>(0)
        /// Of the thread, when it ended.
        let readyAtEnd = Atomic<UInt64>(0)
        private let begun = Mutex<ReadyTime?>(nil)
        private let space: Space
        private let worker: Int

        init(_ space: Space, worker: Int) {
            self.space = space
            self.worker = worker
        }

        /// Of the thread, once it runs.
        var readyTime: ReadyTime {
            while true {
                if let time = begun.withLock({ $0 }) { return time }
                sched_yield()
            }
        }

        func run() {
            let readyTime = ReadyTime()
            begun.withLock { $0 = readyTime }
            defer { readyAtEnd.store(readyTime.nanoseconds, ordering: .releasing) }
            while true {
                let before = SystemCalls.nanoseconds(of: CLOCK_THREAD_CPUTIME_ID)
                // Reads a line that every commit of the worker writes, and writes one itself.
                let result: Void? = try? space.transact { tx throws(TransactionError) in
                    let count: UInt64 = try tx.load(CrashWorkload.counter(worker))
                    try tx.store(count, at: Address(region: 1, offset: 0x8000))
                }
                precondition(result != nil, "the survivor's transaction failed")
                let after = SystemCalls.nanoseconds(of: CLOCK_THREAD_CPUTIME_ID)
                committed.store(monotonicNanoseconds(), ordering: .releasing)
                let work = max(cpu.load(ordering: .relaxed), after - before)
                cpu.store(work, ordering: .releasing)
                // The commit that was held up ended before this one, or is this one.
                if deathSeen.load(ordering: .sequentiallyConsistent) { return }
            }
        }
    }
}
