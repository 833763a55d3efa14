import RainbowCore
import TestSupport
import Testing

extension TransactionalMemory {
    /// Recorded histories have a serial order that respects real time.
    @Suite struct SerializabilityTests {
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

        @Test("Processes, with open transactions and snapshots among them", arguments: 0..<2)
        func longTransactions(run: Int) throws {
            let seed = printedSeed("history of open transactions")
            let scene = try CrashScene(workers: 4, seed: seed)
            defer { scene.close() }
            for worker in 0..<4 { try scene.start(worker, command: "long-history", count: 4000) }
            for worker in 0..<4 { #expect(scene.child(worker).wait() == .exited(0)) }
            try Self.check(scene.board, workers: 4, count: 4000)
        }

        private static func check(_ board: Scoreboard, workers: Int, count: Int = 15_000) throws {
            let history = (0..<workers).flatMap { History.entries($0, board) }
            #expect(history.count == workers * count)
            #expect(SerialOrder(history).problems.prefix(3) == [])
        }
    }
}
