import Core
import TestSupport
import Testing

extension TransactionalMemory {
    /// Recorded histories have a serial order that respects real time.
    @Suite struct SerializabilityTests {
        static func entry(
            _ began: UInt64, _ ended: UInt64, reads: [(cell: Int, number: UInt64)],
            writes: [Int] = []
        ) -> History.Entry {
            var entry = History.Entry(began: began, ended: ended)
            entry.reads = reads
            entry.writes = writes
            return entry
        }

        @Test("The check accepts a good history and refuses each kind of bad one")
        func theCheckItself() {
            let write = Self.entry(10, 20, reads: [(0, 0)], writes: [0])
            let overlapping = Self.entry(15, 30, reads: [(0, 0)])
            let fresh = Self.entry(21, 30, reads: [(0, 1)])
            #expect(SerialOrder([write, overlapping, fresh]).problems == [])
            let stale = Self.entry(21, 30, reads: [(0, 0)])
            #expect(SerialOrder([write, stale]).problems.count == 1)
            let future = Self.entry(1, 5, reads: [(0, 1)])
            #expect(SerialOrder([write, future]).problems.count == 1)
            let lost = Self.entry(11, 20, reads: [(0, 0)], writes: [0])
            #expect(!SerialOrder([write, lost]).problems.isEmpty)
            #expect(SerialOrder([fresh]).problems.count == 1)
            // Each of two reads both cells as they were before the other's write.
            let first = Self.entry(10, 20, reads: [(0, 0), (1, 0)], writes: [0])
            let second = Self.entry(10, 20, reads: [(0, 0), (1, 0)], writes: [1])
            #expect(SerialOrder([first, second]).problems.count == 1)
            // One sees half of another.
            let both = Self.entry(10, 20, reads: [(0, 0), (1, 0)], writes: [0, 1])
            let torn = Self.entry(10, 20, reads: [(0, 1), (1, 0)])
            #expect(SerialOrder([both, torn]).problems.count == 1)
        }

        @Test("Threads", arguments: 0..<3)
        func threads(run: Int) throws {
            let seed = printedSeed("history of threads")
            let board = try Scoreboard()
            try withTestSpace("core") { space in
                onThreads(4) { thread in
                    try? History.run(
                        space, worker: thread, seed: seed &+ UInt64(thread), count: 15_000, board)
                }
            }
            try Self.check(board, workers: 4)
        }

        @Test("Processes", arguments: 0..<3)
        func processes(run: Int) throws {
            let seed = printedSeed("history of processes")
            let scene = try CrashScene(workers: 4, seed: seed)
            defer { scene.close() }
            // The accounts lie elsewhere, so the cells are zeros.
            for worker in 0..<4 { try scene.start(worker, command: "history", count: 15_000) }
            for worker in 0..<4 { #expect(scene.child(worker).wait() == .exited(0)) }
            try Self.check(scene.board, workers: 4)
        }

        private static func check(_ board: Scoreboard, workers: Int) throws {
            let history = (0..<workers).flatMap { History.entries($0, board) }
            #expect(history.count == workers * 15_000)
            #expect(SerialOrder(history).problems.prefix(5) == [])
        }
    }
}
