import Glibc
import RainbowCore
import TestSupport

/// What workers do with snapshots and open transactions, while they are killed and others write.
enum ViewCommands {
    /// Snapshots and open transactions, over and over. Some stay open, so that a kill leaves them.
    static func views(_ request: SpaceWorker.Request) throws {
        let space = try CrashCommands.attached(request)
        var generator = SeededGenerator(seed: request.seed)
        var kept: [Snapshot] = []
        var rounds: UInt64 = 0
        while !request.isDone(after: rounds) {
            if rounds % 3 == 0 {
                kept.append(try look(space, "look of \(getpid()), \(rounds)", &generator))
                if kept.count > 4 { kept.removeFirst().end() }
            } else {
                try change(space, &generator)
            }
            rounds += 1
            request.board[BoardPlace.steps(request.worker)] = rounds
        }
        // They end before the space is detached.
        kept = []
        space.detach()
    }

    /// Looks at one version several times; each time all must be right.
    private static func look(
        _ space: Space, _ name: String, _ generator: inout SeededGenerator
    ) throws -> Snapshot {
        let snapshot = try space.takeSnapshot(named: name)
        for _ in 0..<Int.random(in: 1...5, using: &generator) {
            do {
                try space.read(at: snapshot) { tx in try check(&tx) }
            } catch TransactionError.stale {
                SpaceWorker.require(snapshot.isStale, "a snapshot is stale and does not say so")
            }
        }
        return snapshot
    }

    private static func check(_ tx: inout Transaction) throws(TransactionError) {
        try InvariantRound.check(&tx) { SpaceWorker.fail($0, status: 3) }
    }

    /// A transfer and a turn of the ring, an operation at a time. After a conflict it begins again,
    /// from the second on in serial mode.
    private static func change(_ space: Space, _ generator: inout SeededGenerator) throws {
        let transaction = try space.begin(name: "change of \(getpid()),")
        for attempt in 1... {
            let from = Int.random(in: 0..<CrashWorkload.accountCount, using: &generator)
            let to = Int.random(in: 0..<CrashWorkload.accountCount, using: &generator)
            let node = Int.random(in: 0..<CrashWorkload.ringCount, using: &generator)
            do {
                try transaction.peek { tx in try check(&tx) }
                try transaction.perform { tx in
                    try CrashWorkload.transferBetween(&tx, from, to)
                }
                try transaction.perform { tx in try CrashWorkload.turnRing(&tx, node) }
                try transaction.perform { tx in try check(&tx) }
                if Int.random(in: 0..<8, using: &generator) == 0 { return transaction.abort() }
                try transaction.commit()
                return
            } catch TransactionError.conflict, TransactionError.stale {
                SpaceWorker.require(
                    attempt < 20, "a transaction lost \(attempt) times, at last in serial mode")
                try transaction.restart(isSerial: attempt > 1)
            }
        }
    }

    /// Takes the space for itself and is killed so.
    static func holdSerial(_ request: SpaceWorker.Request) throws {
        let space = try CrashCommands.attached(request)
        let transaction = try space.begin(name: "alone")
        try transaction.restart(isSerial: true)
        try transaction.perform { tx in
            try CrashWorkload.transferBetween(&tx, 1, 2)
        }
        SpaceWorker.require(transaction.isSerial, "the transaction is not in serial mode")
        request.board[BoardPlace.result(request.worker)] = 1
        while !request.isDone(after: 1) { usleep(1000) }
        try transaction.commit()
        space.detach()
    }
}
