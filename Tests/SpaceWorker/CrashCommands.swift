import Glibc
import RainbowCore
import TestSupport

/// What workers do while they are killed.
enum CrashCommands {
    /// Steps of the crash workload, each acknowledged once it is committed; a snapshot is always
    /// open, and shows a sound version.
    static func steps(_ request: SpaceWorker.Request) throws {
        let space = try attached(request)
        space.committer = CrashWorkload.committer(request.worker)
        var workload = CrashWorkload(workerCount: request.worker + 1)
        let interval = environmentNumber("SPACE_WORKER_FRESH_PAGES", default: 64)
        workload.freshPageInterval = UInt64(interval)
        let evicts = environmentNumber("SPACE_WORKER_EVICTS", default: 0) != 0
        var generator = SeededGenerator(seed: request.seed)
        var rounds: UInt64 = 0
        var snapshot = try space.takeSnapshot(named: "worker-\(request.worker)")
        while !request.isDone(after: rounds) {
            if rounds % 32 == 31 {
                try space.read(at: snapshot) { tx in
                    try InvariantRound.check(&tx) { SpaceWorker.fail("snapshot: \($0)", status: 3) }
                    try EvictionRound.check(&tx) { SpaceWorker.fail("snapshot: \($0)", status: 3) }
                }
                snapshot.end()
                snapshot = try space.takeSnapshot(named: "worker-\(request.worker)")
            }
            let count = try workload.step(space, worker: request.worker, &generator)
            request.board[BoardPlace.acknowledged(request.worker)] = count
            if evicts {
                try EvictionRound.step(space, &generator) { SpaceWorker.fail($0, status: 3) }
            }
            rounds += 1
            request.board[BoardPlace.steps(request.worker)] = rounds
        }
    }

    /// Attaches and does nothing until it is killed or told to stop.
    static func hold(_ request: SpaceWorker.Request) throws {
        let space = try attached(request)
        while !request.isDone(after: 0) { usleep(1000) }
        space.detach()
    }

    /// Attaches as soon as the start is given, counts itself in the space, and leaves.
    static func attach(_ request: SpaceWorker.Request) throws {
        request.board.add(1, to: BoardPlace.shared)
        request.board.wait { $0[BoardPlace.shared + 1] != 0 }
        let space = try attached(request)
        let counter = Address(region: 1, offset: 0x10000)
        try space.transact { tx throws(TransactionError) in
            try tx.store(try tx.load(counter, as: UInt64.self) + 1, at: counter)
        }
        request.board[BoardPlace.result(request.worker)] = space.identity.0
        space.detach()
    }

    /// Loses until it runs in serial mode, and is killed there: within the body, or at the
    /// failpoint of the environment, which only the losing attachment sees.
    static func serial(_ request: SpaceWorker.Request) throws {
        let space = try attached(request)
        unsafe unsetenv("RAINBOWFS_FAILPOINT")
        let rival = try Space.attach(request.space)
        let workload = CrashWorkload(workerCount: 1)
        let line = Address(region: 1, offset: 0x8000)
        var generator = SeededGenerator(seed: request.seed)
        var runs = 0
        try space.transact { tx throws(TransactionError) in
            runs += 1
            let value = try tx.load(line, as: Int64.self)
            try CrashWorkload.transferBetween(&tx, 1, 2)
            if runs > 8 {
                request.board[BoardPlace.result(request.worker)] = UInt64(runs)
                if request.count == 0 { die() }
            } else {
                win(rival, line)
            }
            try tx.store(value + 1, at: line)
        }
        _ = try workload.step(space, worker: request.worker, &generator)
        SpaceWorker.fail("the serial commit was not killed")
    }

    /// Changes a line that a running transaction of this thread, in another attachment, has read.
    private static func win(_ rival: Space, _ line: Address) {
        do {
            try rival.transact { tx throws(TransactionError) in
                try tx.store(try tx.load(line, as: Int64.self) + 1, at: line)
            }
        } catch {
            SpaceWorker.fail("\(error)")
        }
    }

    private static func die() {
        kill(getpid(), SIGKILL)
        while true { pause() }
    }

    static func attached(_ request: SpaceWorker.Request) throws -> Space {
        let space = try Space.attach(request.space)
        request.board[BoardPlace.node(request.worker)] = UInt64(space.node) + 1
        return space
    }
}
