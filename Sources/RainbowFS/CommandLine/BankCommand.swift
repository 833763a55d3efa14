import ArgumentParser
import Core
import Glibc
import Synchronization

/// `bench bank`: transfers between accounts by threads, or by processes.
struct BankCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bank",
        abstract: "Transfers between 2 of 1024 accounts, each a transaction.",
        discussion: """
            Example: rainbowfs bench bank --processes 2 --milliseconds 1000 --json
            """)

    @Option(help: "Workers that are threads of one process.")
    var threads: Int?

    @Option(help: "Workers that are processes of one thread each.")
    var processes: Int?

    @Option(help: "How long to work.")
    var milliseconds = 1000

    @Option(help: ArgumentHelp("Of 100 runs, how many add all accounts up.", valueName: "percent"))
    var readAll = 0

    @Flag(help: "Keep each worker on a processor of its own.")
    var pin = false

    @OptionGroup var json: JSONOption

    func validate() throws {
        guard threads == nil || processes == nil else {
            throw ValidationError("Give --threads or --processes, not both.")
        }
        guard (1...512).contains(threads ?? processes ?? 1), milliseconds > 0 else {
            throw ValidationError("There must be 1 to 512 workers, and a time above 0.")
        }
        guard (0...100).contains(readAll) else {
            throw ValidationError("--read-all takes 0 to 100.")
        }
    }

    func run() throws {
        try BenchSpace.with("bank") { space in
            let workload = BankWorkload(
                space: space, bank: try BankWorkload.newBank(in: space), readAllPercent: readAll)
            let counts =
                if let processes {
                    try BankProcesses.run(
                        workload, count: processes, milliseconds: milliseconds, pin: pin)
                } else {
                    try runThreads(workload)
                }
            var runs = 0
            let sum = try workload.sum(&runs)
            report(counts, isSumRight: sum == 0 && counts.allSatisfy { $0.sumsWrong == 0 })
        }
    }

    private func runThreads(_ workload: BankWorkload) throws -> [BankWorkload.Counts] {
        let results = Mutex<[Result<BankWorkload.Counts, any Error>]>([])
        let arrived = Atomic<Int>(0)
        let count = threads ?? 1
        let milliseconds = milliseconds
        let isPinned = pin
        Workers.run(count) { worker in
            if isPinned { Processor.pin(worker) }
            arrived.add(1, ordering: .relaxed)
            while arrived.load(ordering: .relaxed) < count { sched_yield() }
            let result = Result {
                try workload.work(milliseconds: milliseconds, seed: UInt64(worker) + 1)
            }
            results.withLock { $0.append(result) }
        }
        return try results.withLock { try $0.map { try $0.get() } }
    }

    private func report(_ counts: [BankWorkload.Counts], isSumRight: Bool) {
        let rate = counts.reduce(0) { $0 + Double($1.transfers) / $1.seconds }
        let readAllRate = counts.reduce(0) { $0 + Double($1.readAlls) / $1.seconds }
        let restarts = counts.reduce(0) { $0 + $1.restarts }
        let transfers = counts.reduce(0) { $0 + $1.transfers }
        let kind = processes == nil ? "threads" : "processes"
        guard json.isOn else {
            let state = isSumRight ? "the sum is right" : "THE SUM IS WRONG"
            print(
                "\(counts.count) \(kind): \(Int(rate)) transfers/s, \(Int(readAllRate)) sums/s, "
                    + "\(restarts) restarts, \(state)")
            return
        }
        print(
            JSON.object([
                ("workers", .integer(counts.count)), ("kind", .string(kind)),
                ("transfers_per_second", .integer(Int(rate))),
                ("read_alls_per_second", .integer(Int(readAllRate))),
                ("transfers", .integer(transfers)), ("restarts", .integer(restarts)),
                ("sum_ok", .bool(isSumRight)),
            ]))
    }
}
