import ArgumentParser
import Glibc
import RainbowCore

/// `bench bank --processes`: each worker is this program once more, started from nothing.
enum BankProcesses {
    /// Starts the workers, lets them go when all are attached, and collects their counts.
    static func run(
        _ workload: BankWorkload, count: Int, milliseconds: Int, pin: Bool
    ) throws -> [BankWorkload.Counts] {
        var workers: [ChildProcess] = []
        defer { for worker in workers { worker.end() } }
        for index in 0..<count {
            var arguments = [
                "bench", BankWorkerCommand.name, workload.space.name, workload.bank.description,
                "--index", String(index), "--milliseconds", String(milliseconds),
                "--read-all", String(workload.readAllPercent),
            ]
            if pin { arguments.append("--pin") }
            workers.append(try ChildProcess(arguments))
        }
        for worker in workers {
            guard worker.readLine() == "ready" else { throw failure }
        }
        for worker in workers { worker.writeLine("go") }
        return try workers.map { worker in
            let numbers = worker.readLine().split(separator: " ")
            guard numbers.count == 5, let transfers = Int(numbers[0]),
                let readAlls = Int(numbers[1]), let restarts = Int(numbers[2]),
                let sumsWrong = Int(numbers[3]), let seconds = Double(numbers[4])
            else { throw failure }
            return BankWorkload.Counts(
                transfers: transfers, readAlls: readAlls, restarts: restarts,
                sumsWrong: sumsWrong, seconds: seconds)
        }
    }

    private static let failure = CommandFailure(.refused, "A worker process ended too early.")
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
    @Option var index = 0
    @Option var milliseconds = 1000
    @Option var readAll = 0
    @Flag var pin = false

    func run() throws {
        if pin { Processor.pin(index) }
        let space = try Space.attach(space)
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
