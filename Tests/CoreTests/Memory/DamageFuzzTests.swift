import Glibc
import TestSupport
import Testing

@testable import RainbowCore

extension TransactionalMemory {
    /// Programs that run while their space is being damaged.
    @Suite struct DamageFuzzTests {
        /// 20 seconds each time; `RAINBOWFS_FUZZ_SECONDS` for more.
        static let seconds = environmentNumber("RAINBOWFS_FUZZ_SECONDS", default: 20)
        private static let workers = 3

        @Test("Whatever is written into a space's files, a program ends with an error at worst")
        func programs() throws {
            let seed = printedSeed("damage beside programs")
            let end = monotonicNanoseconds() + UInt64(Self.seconds) * 1_000_000_000
            var rounds: UInt64 = 0
            var (operations, errors): (UInt64, UInt64) = (0, 0)
            while monotonicNanoseconds() < end {
                let (done, failed) = try Self.round(seed &+ rounds)
                (operations, errors) = (operations + done, errors + failed)
                rounds += 1
            }
            print("\(rounds) spaces, \(operations) operations, \(errors) of them with an error")
            #expect(operations > 0)
        }

        /// One space from its making to its end.
        private static func round(_ seed: UInt64) throws -> (operations: UInt64, errors: UInt64) {
            var generator = SeededGenerator(seed: seed)
            let name = uniqueSpaceName("core")
            defer { try? Space.destroy(name, force: true) }
            let space = try Space.attach(name)
            try SystemArea.bootstrap(space)
            try CrashWorkload(workerCount: workers).prepare(space)
            let folder = space.directory
            space.detach()
            let board = try Scoreboard()
            let children = try (0..<workers).map { worker in
                try Child(
                    builtProgram("space-worker"),
                    ["damaged", name, "\(worker)", "\(generator.next())", "0"],
                    environment: ["SPACE_WORKER_SECONDS": "120"], descriptor: board.descriptor)
            }
            board.wait { board in (0..<workers).allSatisfy { board[BoardPlace.steps($0)] > 5 } }
            var damage = Damage(folder: folder, seed: generator.next())
            var strikes: [String] = []
            for _ in 0..<Int.random(in: 1...60, using: &generator) {
                strikes.append(damage.strike())
                usleep(UInt32.random(in: 0...20_000, using: &generator))
            }
            board[BoardPlace.stop] = 1
            var sums: (UInt64, UInt64) = (0, 0)
            for (worker, child) in children.enumerated() {
                let status = child.wait()
                if case .signaled(let signal) = status {
                    let operation = board[BoardPlace.result(worker)]
                    Issue.record(
                        """
                        RAINBOWFS_SEED=\(seed): signal \(signal) in operation \(operation) after
                        \(strikes.joined(separator: "\n"))
                        """)
                }
                sums.0 += board[BoardPlace.steps(worker)]
                sums.1 += board[BoardPlace.acknowledged(worker)]
            }
            return sums
        }
    }
}
