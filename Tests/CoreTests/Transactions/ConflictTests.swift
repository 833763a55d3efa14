import Glibc
import RainbowCore
import Synchronization
import TestSupport
import Testing

extension TransactionalMemory {
    /// Who loses against whom, and that nobody loses forever.
    @Suite struct ConflictTests {
        static let page = Address(region: 1, offset: 0x8000)

        /// Runs of a transaction that reads and writes at `own`, while another one commits at
        /// `other` between its read and its commit, each time that it runs.
        static func runs(own: Address, other: Address, limit: Int = 3) throws -> Int {
            try withTestSpace("core") { space in
                let rival = try Space.attach(space.name)
                defer { rival.detach() }
                var runs = 0
                try space.transact { tx in
                    runs += 1
                    let value: UInt8 = try tx.load(own)
                    if runs <= limit {
                        try rival.transact { tx throws(TransactionError) in
                            try tx.store(try tx.load(other, as: UInt8.self) + 1, at: other)
                        }
                    }
                    try tx.store(value + 1, at: own)
                }
                let counts = space.liveNodes.filter { $0.index == space.node }[0].counts
                #expect(counts.restarts == UInt64(runs - 1))
                #expect(counts.conflicts == UInt64(runs - 1))
                return runs
            }
        }

        @Test(
            "Different lines of a page do not conflict, not even neighbours",
            arguments: [(63, 64), (64, 63), (0, 4095), (128, 64), (191, 192)])
        func differentLines(own: Int, other: Int) throws {
            #expect(try Self.runs(own: Self.page + own, other: Self.page + other) == 1)
        }

        @Test("The same line conflicts", arguments: [(0, 63), (64, 64), (4095, 4032), (130, 131)])
        func sameLine(own: Int, other: Int) throws {
            #expect(try Self.runs(own: Self.page + own, other: Self.page + other) == 4)
        }

        @Test("Threads on lines of their own of one page never restart")
        func disjointThreads() throws {
            try withTestSpace("core") { space in
                let barrier = TestBarrier(4)
                let surprises = Atomic<Int>(0)
                onThreads(4) { thread in
                    let line = Self.page + thread * 64
                    barrier.wait()
                    for round in 0..<20_000 {
                        try? space.transact { tx throws(TransactionError) in
                            let value: Int = try tx.load(line)
                            if value != round { surprises.wrappingAdd(1, ordering: .relaxed) }
                            try tx.store(value + 1, at: line)
                            try tx.store(round, at: line + 56)
                        }
                    }
                }
                #expect(surprises.load(ordering: .relaxed) == 0)
                let counts = space.liveNodes[0].counts
                #expect(counts.commits == 80_000)
                #expect(counts.restarts == 0)
            }
        }

        @Test("Versions are kept line by line")
        func versions() throws {
            try withTestSpace("core") { space in
                func version(_ offset: Int, _ count: Int = 1) throws -> UInt64 {
                    try space.transact { tx throws(TransactionError) in
                        try tx.version(of: Self.page + offset, count: count)
                    }
                }
                #expect(try version(0, 4096) == 0)
                for line in [2, 0, 63] {
                    try space.transact { tx throws(TransactionError) in
                        try tx.store(1 as UInt8, at: Self.page + (line * 64 + 5))
                    }
                }
                let (second, first, last) = try (version(128), version(0), version(4095))
                #expect(0 < second && second < first && first < last)
                #expect(try version(64, 64) == 0)
                #expect(try version(64, 65) == second)
                #expect(try version(0, 4096) == last)
                #expect(space.usage.version == last)
            }
        }

        @Test("A long writer among many short ones commits, in serial mode if it must")
        func starvation() throws {
            try withTestSpace("core") { space in
                let isDone = Atomic<Bool>(false)
                let shortCommits = Atomic<Int>(0)
                let writers = (0..<3).map { thread in
                    startThread {
                        while !isDone.load(ordering: .relaxed) {
                            try? space.transact { tx throws(TransactionError) in
                                let line = Self.page + thread * 64
                                try tx.store(try tx.load(line, as: Int.self) + 1, at: line)
                            }
                            shortCommits.wrappingAdd(1, ordering: .relaxed)
                        }
                    }
                }
                var runs = 0
                try withDeadline(seconds: 60, "the long writer") {
                    try space.transact { tx throws(TransactionError) in
                        runs += 1
                        var sum = 0
                        for thread in 0..<3 { sum += try tx.load(Self.page + thread * 64) }
                        // Each run but the serial ones is sure to lose: it waits until it has.
                        let before = shortCommits.load(ordering: .relaxed)
                        while runs <= 8, shortCommits.load(ordering: .relaxed) < before + 10 {
                            sched_yield()
                        }
                        try tx.store(sum, at: Self.page + 1024)
                    }
                    // The short ones are free again.
                    let before = shortCommits.load(ordering: .relaxed)
                    while shortCommits.load(ordering: .relaxed) < before + 100 { sched_yield() }
                }
                isDone.store(true, ordering: .relaxed)
                for writer in writers { pthread_join(writer, nil) }
                // Eight losses, and then one more at most for each of the three others.
                #expect(9...12 ~= runs)
            }
        }

        @Test("A long reader among writers reads one version, and ends")
        func longReader() throws {
            try withTestSpace("core") { space in
                let lineCount = 4096
                let isDone = Atomic<Bool>(false)
                let writers = (0..<2).map { thread in
                    startThread {
                        var generator = SeededGenerator(seed: UInt64(thread))
                        while !isDone.load(ordering: .relaxed) {
                            let from = Int.random(in: 0..<lineCount, using: &generator)
                            let to = Int.random(in: 0..<lineCount, using: &generator)
                            try? space.transact { tx throws(TransactionError) in
                                let source = Self.page + from * 64
                                let target = Self.page + to * 64
                                try tx.store(try tx.load(source, as: Int.self) - 1, at: source)
                                try tx.store(try tx.load(target, as: Int.self) + 1, at: target)
                            }
                        }
                    }
                }
                try withDeadline(seconds: 60, "the long readers") {
                    for _ in 0..<20 {
                        let sum = try space.transact { tx throws(TransactionError) in
                            var sum = 0
                            for line in 0..<lineCount { sum += try tx.load(Self.page + line * 64) }
                            return sum
                        }
                        #expect(sum == 0)
                    }
                }
                isDone.store(true, ordering: .relaxed)
                for writer in writers { pthread_join(writer, nil) }
            }
        }
    }
}
