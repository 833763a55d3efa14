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
                let sumsWrong = Int(numbers[3]), let seconds = Double(numbers[4]), seconds > 0
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

/// This program, started once more with other arguments, with pipes to it and from it.
final class ChildProcess {
    private let processID: pid_t
    private let input: Int32
    private let output: Int32

    init(_ arguments: [String]) throws {
        let toChild = try ChildProcess.pipe()
        let fromChild = try ChildProcess.pipe()
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, toChild.read, STDIN_FILENO)
        unsafe posix_spawn_file_actions_adddup2(&actions, fromChild.write, STDOUT_FILENO)
        var words =
            unsafe (["rainbowfs"] + arguments).map {
                unsafe $0.withSystemText { unsafe strdup($0) }
            } + [nil]
        defer { while let word = unsafe words.popLast() { unsafe free(word) } }
        var child: pid_t = 0
        let status = unsafe posix_spawn(
            &child, "/proc/self/exe", &actions, nil, &words, environ)
        close(toChild.read)
        close(fromChild.write)
        input = toChild.write
        output = fromChild.read
        processID = child
        guard status == 0 else {
            throw CommandFailure(.refused, "No process can be started: \(ErrorText.of(status)).")
        }
    }

    private static func pipe() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [0, 0]
        guard unsafe Glibc.pipe(&ends) == 0 else {
            throw CommandFailure(.refused, "No pipe can be made: \(ErrorText.of(errno)).")
        }
        // The other children must not hold these ends open.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    /// The next line; empty at the end.
    func readLine() -> String {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while unsafe read(output, &byte, 1) == 1, byte != UInt8(ascii: "\n") { bytes.append(byte) }
        return String(systemBytes: bytes)
    }

    func writeLine(_ line: String) { try? FileText.write((line + "\n").systemBytes, to: input) }

    /// Closes the pipes, upon which the child ends, and waits for it.
    func end() {
        close(input)
        close(output)
        var status: Int32 = 0
        unsafe waitpid(processID, &status, 0)
    }
}
