import Glibc
import TestSupport
import Testing

@testable import RainbowCore

@Suite("The object layer under kill -9")
struct ObjectCrashTests {
    private static let workerCount = 2
    private static let failpoints = [
        "lock-some", "lock-all", "ticket-drawn", "validated", "committed", "write-back-some",
        "write-back-all", "unlock-some", "frame-reserved",
    ]

    @Test("Whatever dies in the middle, every structure is whole and nothing acknowledged is lost")
    func kills() throws {
        var generator = SeededGenerator(seed: printedSeed("object kills"))
        let kills = environmentNumber("RAINBOWFS_OBJECT_KILLS", default: 40)
        let board = try Scoreboard()
        try withObjectSpace { space in
            try space.run { tx throws in
                for index in 0..<6 { try tx.bind("shared\(index)", to: SystemArea.root) }
            }
            for round in 0..<kills / ObjectCrashTests.workerCount {
                let workers = 0..<ObjectCrashTests.workerCount
                let before = workers.map { board[BoardPlace.acknowledged($0)] }
                let children = try workers.map { worker in
                    try start(worker, of: space, round, board, &generator)
                }
                withDeadline(seconds: 60, "a worker that makes objects") {
                    for (worker, child) in children.enumerated() {
                        while board[BoardPlace.acknowledged(worker)] == before[worker],
                            !child.hasEnded
                        { usleep(200) }
                    }
                }
                usleep(UInt32.random(in: 0...40_000, using: &generator))
                for child in children { #expect(child.kill() == .signaled(SIGKILL)) }
                #expect(try problems(of: space) == [])
                for worker in 0..<ObjectCrashTests.workerCount {
                    try expectAcknowledged(worker, of: space, board)
                }
            }
            let total = (0..<ObjectCrashTests.workerCount).reduce(UInt64(0)) {
                $0 + board[BoardPlace.acknowledged($1)]
            }
            // At least one each time, of the worker without a failpoint.
            #expect(total >= UInt64(kills / ObjectCrashTests.workerCount))
        }
    }

    private func start(
        _ worker: Int, of space: Space, _ round: Int, _ board: Scoreboard,
        _ generator: inout SeededGenerator
    ) throws -> Child {
        var environment: [String: String] = [:]
        // One worker dies at a failpoint, unless the parent is faster; the other anywhere.
        if worker == 0 {
            let name = ObjectCrashTests.failpoints[round % ObjectCrashTests.failpoints.count]
            environment["RAINBOWFS_FAILPOINT"] =
                "\(name):\(Int.random(in: 1...200, using: &generator))"
        }
        return try Child(
            builtProgram("space-worker"),
            ["objects", space.name, "\(worker)", "\(generator.next())", "0"],
            environment: environment, descriptor: board.descriptor)
    }

    /// The object that the last acknowledged round of a worker made is there, or a later one.
    private func expectAcknowledged(_ worker: Int, of space: Space, _ board: Scoreboard) throws {
        let round = board[BoardPlace.acknowledged(worker)]
        guard round > 0 else { return }
        try space.run { tx throws in
            let name = "worker\(worker)-\(round % 40)"
            let object = try #require(try tx.target(ofName: name))
            let field = try #require(try tx.descriptor(of: object).field(named: "round"))
            #expect(try tx.values(of: object, field) == [round])
        }
    }
}
