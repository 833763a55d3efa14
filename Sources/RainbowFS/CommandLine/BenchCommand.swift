import ArgumentParser

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure this machine, in spaces that are made for it and removed.",
        discussion: """
            Example: rainbowfs bench bank --threads 2 --milliseconds 1000
            """,
        subcommands: [BankCommand.self, AllocationCommand.self, BankWorkerCommand.self])
}
