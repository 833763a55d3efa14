import Glibc
import RainbowCore
import TestSupport

/// A program among the clients of the recorded histories: transactions, open transactions and
/// snapshots on the fields of a few objects, each with its notes.
struct RegisterCommands {
    private let space: Space
    private let registers: HistoryRegisters
    private let log: HistoryLog
    private var random: SeededGenerator
    private var lastValue: Int64

    /// Works until it is stopped or killed. `RAINBOWFS_HISTORY` names its log.
    static func run(_ request: SpaceWorker.Request) throws {
        guard let path = unsafe getenv("RAINBOWFS_HISTORY") else {
            SpaceWorker.fail("RAINBOWFS_HISTORY must name a file")
        }
        let space = try Space.attach(request.space)
        var commands = RegisterCommands(
            space: space, registers: try HistoryRegisters(space, request.board),
            log: try HistoryLog(appendingTo: unsafe String(cString: path)),
            random: SeededGenerator(seed: request.seed),
            lastValue: Int64(request.worker) * 1_000_000)
        while !request.isDone(after: 0) {
            switch Int.random(in: 0..<8, using: &commands.random) {
            case 0: try commands.longTransaction()
            case 1: try commands.snapshot()
            default: try commands.transaction()
            }
            usleep(UInt32.random(in: 0...4000, using: &commands.random))
        }
        space.detach()
    }

    private mutating func note(_ word: String) { log.note("\(word) \(HistoryLog.now())") }

    private mutating func end(_ outcome: String) {
        log.note("end \(HistoryLog.now()) \(outcome)")
    }

    /// Reads and writes of a transaction; some of the writes are of what was not read.
    private mutating func plan() -> [HistoryStep] {
        (0..<Int.random(in: 1...5, using: &random)).flatMap { _ -> [HistoryStep] in
            let register = Int.random(in: 0..<registers.count, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: return [.write(register)]
            case 1: return [.read(register), .write(register)]
            default: return [.read(register)]
            }
        }
    }

    private mutating func transaction() throws {
        let plan = plan()
        note("begin")
        var runs = 0
        try space.transact { tx in
            runs += 1
            if runs > 1 { log.note("again \(HistoryLog.now())") }
            for step in plan { try registers.take(step, &tx, log, &lastValue) }
            log.note("try")
        }
        end("committed")
    }

    /// One operation at a time, and at last perhaps a commit.
    private mutating func longTransaction() throws {
        note("begin")
        let transaction = try space.begin(name: "worker")
        for attempt in 0... {
            for step in plan() {
                try transaction.perform { tx in
                    try registers.take(step, &tx, log, &lastValue)
                }
                usleep(UInt32.random(in: 0...300, using: &random))
            }
            if Int.random(in: 0..<8, using: &random) == 0 {
                transaction.abort()
                return end("aborted")
            }
            log.note("try")
            do {
                try transaction.commit()
                return end("committed")
            } catch TransactionError.conflict {
                note("again")
                // The second time nobody else commits meanwhile.
                try transaction.restart(isSerial: attempt > 0)
            }
        }
    }

    /// Reads one version bit by bit, while others go on. It is the one at which the snapshot was
    /// taken, however late it is read.
    private mutating func snapshot() throws {
        let began = HistoryLog.now()
        let snapshot = try space.takeSnapshot(named: "worker-\(getpid())")
        let taken = HistoryLog.now()
        log.note("begin \(began)")
        for register in 0..<registers.count {
            try space.read(at: snapshot) { tx in
                try registers.take(.read(register), &tx, log, &lastValue)
            }
            usleep(100)
        }
        log.note("end \(taken) committed")
        snapshot.end()
    }
}
