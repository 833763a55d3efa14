import Glibc
import RainbowCore
import TestSupport

/// What must hold inside every running transaction, also in runs that will be thrown away.
enum InvariantCommands {
    /// Transfers and turns of the ring, and in every fourth round a look at all of it.
    static func invariants(_ request: SpaceWorker.Request) throws {
        let space = try CrashCommands.attached(request)
        var generator = SeededGenerator(seed: request.seed)
        var rounds: UInt64 = 0
        while !request.isDone(after: rounds) {
            try InvariantRound.run(space, rounds, &generator) { message in
                SpaceWorker.fail(message, status: 3)
            }
            rounds += 1
            request.board[BoardPlace.steps(request.worker)] = rounds
        }
        space.detach()
    }

    /// Transactions whose record the test checks for a serial order.
    static func history(_ request: SpaceWorker.Request) throws {
        let space = try CrashCommands.attached(request)
        // All begin together, once the last one is there.
        request.board.add(1, to: BoardPlace.shared)
        request.board.wait { $0[BoardPlace.shared] >= 4 }
        try History.run(
            space, worker: request.worker, seed: request.seed, count: Int(request.count),
            request.board)
        space.detach()
    }

    /// The same, but that many transactions live long, and some of the readers read a snapshot.
    static func longHistory(_ request: SpaceWorker.Request) throws {
        let space = try CrashCommands.attached(request)
        request.board.add(1, to: BoardPlace.shared)
        request.board.wait { $0[BoardPlace.shared] >= 4 }
        try History.run(
            space, worker: request.worker, seed: request.seed, count: Int(request.count),
            kinds: [.short, .open, .open, .snapshot], request.board)
        space.detach()
    }
}
