import ArgumentParser
import Glibc
import RainbowCore

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

    @Option(
        help: ArgumentHelp(
            "Keep a snapshot open, a new one every so often; 0: one for the whole time.",
            valueName: "ms"))
    var snapshotMilliseconds: Int?

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
        guard (0...3_600_000).contains(snapshotMilliseconds ?? 0) else {
            throw ValidationError("--snapshot-milliseconds takes 0 to 3600000.")
        }
    }

    func run() throws {
        try BenchSpace.with("bank") { space in
            let workload = BankWorkload(
                space: space, bank: try BankWorkload.newBank(in: space), readAllPercent: readAll)
            var (counts, snapshots) = ([BankWorkload.Counts](), BankSnapshots.Counts())
            if let snapshotMilliseconds {
                (counts, snapshots) = try BankSnapshots(
                    workload: workload, milliseconds: snapshotMilliseconds
                ).during { try work(workload) }
            } else {
                counts = try work(workload)
            }
            var runs = 0
            let sum = try workload.sum(&runs)
            let areSumsRight = counts.allSatisfy { $0.sumsWrong == 0 } && snapshots.sumsWrong == 0
            report(counts, snapshots, isSumRight: sum == 0 && areSumsRight)
        }
    }

    private func work(_ workload: BankWorkload) throws -> [BankWorkload.Counts] {
        guard let processes else {
            let (milliseconds, pin) = (milliseconds, pin)
            return try Workers.together(threads ?? 1, pin: pin) {
                try workload.work(milliseconds: milliseconds, seed: UInt64($0) + 1)
            }
        }
        return try BenchProcesses.run(processes) { index in
            var arguments = [
                BankWorkerCommand.name, workload.space.name, workload.bank.description,
                "--index", String(index), "--milliseconds", String(milliseconds),
                "--read-all", String(readAll),
            ]
            if pin { arguments.append("--pin") }
            return arguments
        }.map { words in
            guard words.count == 5, let transfers = Int(words[0]), let readAlls = Int(words[1]),
                let restarts = Int(words[2]), let sumsWrong = Int(words[3]),
                let seconds = Double(words[4]), seconds > 0
            else { throw BenchProcesses.failure }
            return BankWorkload.Counts(
                transfers: transfers, readAlls: readAlls, restarts: restarts,
                sumsWrong: sumsWrong, seconds: seconds)
        }
    }

    private func report(
        _ counts: [BankWorkload.Counts], _ snapshots: BankSnapshots.Counts, isSumRight: Bool
    ) {
        let rate = counts.reduce(0) { $0 + Double($1.transfers) / $1.seconds }
        let readAllRate = counts.reduce(0) { $0 + Double($1.readAlls) / $1.seconds }
        let restarts = counts.reduce(0) { $0 + $1.restarts }
        let transfers = counts.reduce(0) { $0 + $1.transfers }
        let kind = processes == nil ? "threads" : "processes"
        guard json.isOn else {
            let state = isSumRight ? "the sum is right" : "THE SUM IS WRONG"
            let kept =
                snapshots.snapshots == 0
                ? "" : "\(snapshots.snapshots) snapshots with \(snapshots.sums) sums, "
            StandardOutput.print(
                "\(counts.count) \(kind): \(Int(rate)) transfers/s, \(Int(readAllRate)) sums/s, "
                    + "\(restarts) restarts, \(kept)\(state)")
            return
        }
        StandardOutput.print(
            JSON.object([
                ("workers", .integer(counts.count)), ("kind", .string(kind)),
                ("transfers_per_second", .integer(Int(rate))),
                ("read_alls_per_second", .integer(Int(readAllRate))),
                ("transfers", .integer(transfers)), ("restarts", .integer(restarts)),
                ("snapshots", .integer(snapshots.snapshots)),
                ("snapshot_sums", .integer(snapshots.sums)),
                ("snapshot_bytes_max", .integer(Int(snapshots.bytesMax))),
                ("sum_ok", .bool(isSumRight)),
            ]))
    }
}

/// The hidden command that a worker process runs.
struct BankWorkerCommand: ParsableCommand {
    static let name = "bank-worker"
    static let configuration = CommandConfiguration(commandName: name, shouldDisplay: false)

    @Argument var space: String
    @Argument(transform: { text in
        guard let address = Address(text: text) else { throw ValidationError("no address") }
        return address
    }) var bank: Address
    @Option var index: UInt16 = 0
    @Option var milliseconds = 1000
    @Option var readAll = 0
    @Flag var pin = false

    func run() throws {
        if pin { Processor.pin(Int(index)) }
        let space = try Space.open(space)
        let workload = BankWorkload(space: space, bank: bank, readAllPercent: readAll)
        var runs = 0
        _ = try workload.sum(&runs)
        try StandardOutput.printNow("ready")
        guard Swift.readLine() == "go" else { return }
        let counts = try workload.work(milliseconds: milliseconds, seed: UInt64(index) + 1)
        try StandardOutput.printNow(
            "\(counts.transfers) \(counts.readAlls) \(counts.restarts) \(counts.sumsWrong) "
                + "\(counts.seconds)")
        space.detach()
    }
}
