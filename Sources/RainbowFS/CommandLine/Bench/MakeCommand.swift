import ArgumentParser
import Glibc
import RainbowCore

/// `bench make`: objects made one by one, by threads or by processes.
struct MakeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "make",
        abstract: "Make objects one by one, each a transaction.",
        discussion: """
            All workers make objects of one class in one allocator, or with --own-allocators each \
            in one of its own.

            Example: rainbowfs bench make --threads 2 --own-allocators
            """)

    @Option(help: "Workers that are threads of one process.")
    var threads: Int?

    @Option(help: "Workers that are processes of one thread each.")
    var processes: Int?

    @Option(help: "How long to work.")
    var milliseconds = 1000

    @Flag(help: "Give each worker an allocator.")
    var ownAllocators = false

    @Flag(help: "Keep each worker on a processor of its own.")
    var pin = false

    @OptionGroup var json: JSONOption

    func validate() throws {
        guard threads == nil || processes == nil else {
            throw ValidationError("Give --threads or --processes, not both.")
        }
        guard (1...64).contains(threads ?? processes ?? 1), (1...10_000).contains(milliseconds)
        else {
            throw ValidationError("There must be 1 to 64 workers, and 1 to 10000 milliseconds.")
        }
    }

    func run() throws {
        try BenchSpace.with("make") { space in
            let count = threads ?? processes ?? 1
            let workloads = try MakeWorkload.all(
                in: space, workers: count, ownAllocators: ownAllocators)
            let counts = try work(workloads)
            report(counts, areAllFound: try areAllFound(counts, workloads))
        }
    }

    private func work(_ workloads: [MakeWorkload]) throws -> [MakeWorkload.Counts] {
        guard processes != nil else {
            let (milliseconds, pin) = (milliseconds, pin)
            return try Workers.together(workloads.count, pin: pin) {
                try workloads[$0].work(milliseconds: milliseconds)
            }
        }
        return try BenchProcesses.run(workloads.count) { index in
            var arguments = [
                MakeWorkerCommand.name, workloads[index].space.name,
                workloads[index].allocator.description, "--index", String(index),
                "--milliseconds", String(milliseconds),
            ]
            if pin { arguments.append("--pin") }
            return arguments
        }.map { words in
            guard words.count == 3, let objects = Int(words[0]), let restarts = Int(words[1]),
                let seconds = Double(words[2]), seconds > 0
            else { throw BenchProcesses.failure }
            return MakeWorkload.Counts(objects: objects, restarts: restarts, seconds: seconds)
        }
    }

    private func areAllFound(
        _ counts: [MakeWorkload.Counts], _ workloads: [MakeWorkload]
    ) throws -> Bool {
        let found = try Set(workloads.map(\.allocator)).map { allocator in
            try workloads[0].space.transact { tx in try tx.objectCount(in: allocator) }
        }
        return found.reduce(0, +) == counts.reduce(0) { $0 + UInt64($1.objects) }
    }

    private func report(_ counts: [MakeWorkload.Counts], areAllFound: Bool) {
        let rate = counts.reduce(0) { $0 + Double($1.objects) / $1.seconds }
        let objects = counts.reduce(0) { $0 + $1.objects }
        let restarts = counts.reduce(0) { $0 + $1.restarts }
        let kind = processes == nil ? "threads" : "processes"
        let perObject = Double(restarts) / Double(objects)
        let rounded = (perObject * 10000).rounded() / 10000
        guard json.isOn else {
            let allocators = ownAllocators ? "an allocator each" : "one allocator"
            StandardOutput.print(
                "\(counts.count) \(kind), \(allocators): \(Int(rate)) objects/s, "
                    + "\(rounded) restarts an object, "
                    + (areAllFound ? "all are found" : "NOT ALL ARE FOUND"))
            return
        }
        StandardOutput.print(
            JSON.object([
                ("workers", .integer(counts.count)), ("kind", .string(kind)),
                ("own_allocators", .bool(ownAllocators)),
                ("objects_per_second", .integer(Int(rate))), ("objects", .integer(objects)),
                ("restarts", .integer(restarts)), ("restarts_per_object", .real(rounded)),
                ("sum_ok", .bool(areAllFound)),
            ]))
    }
}

/// What one worker of `bench make` does.
struct MakeWorkload {
    let space: Space
    let allocator: Address

    struct Counts {
        var objects = 0
        var restarts = 0
        var seconds = 0.0
    }

    /// One for each worker. An allocator has room for more than can be made in ten seconds.
    static func all(
        in space: Space, workers: Int, ownAllocators: Bool
    ) throws -> [MakeWorkload] {
        let first = try BenchSpace.allocator(
            in: space, capacity: UInt64(ownAllocators ? 1 : workers) << 30, className: "Simple",
            fields: "int64 n\n")
        return try (0..<workers).map { worker in
            guard ownAllocators, worker > 0 else {
                return MakeWorkload(space: space, allocator: first.address)
            }
            let own = try space.transact { tx in
                try tx.createAllocator(
                    name: "bench\(worker)", in: try tx.region(named: "transactional"),
                    capacity: 1 << 30, ownership: first.ownership)
            }
            return MakeWorkload(space: space, allocator: own.address)
        }
    }

    /// Works for a time, on one thread.
    func work(milliseconds: Int) throws -> Counts {
        let descriptor = try space.transact { tx in try tx.classDescriptor(named: "Simple") }
        var (objects, runs) = (0, 0)
        let start = SystemClock.monotonicSeconds
        let end = start + Double(milliseconds) / 1000
        repeat {
            for _ in 0..<64 {
                _ = try space.transact { tx in
                    runs += 1
                    return try tx.newObjects(of: descriptor, in: allocator)
                }
            }
            objects += 64
        } while SystemClock.monotonicSeconds < end
        return Counts(
            objects: objects, restarts: runs - objects,
            seconds: SystemClock.monotonicSeconds - start)
    }
}

/// The hidden command that a worker process runs.
struct MakeWorkerCommand: ParsableCommand {
    static let name = "make-worker"
    static let configuration = CommandConfiguration(commandName: name, shouldDisplay: false)

    @Argument var space: String
    @Argument(transform: { text in
        guard let address = Address(text: text) else { throw ValidationError("no address") }
        return address
    }) var allocator: Address
    @Option var index = 0
    @Option var milliseconds = 1000
    @Flag var pin = false

    func run() throws {
        if pin { Processor.pin(index) }
        let space = try Space.open(space)
        try StandardOutput.printNow("ready")
        guard Swift.readLine() == "go" else { return }
        let counts = try MakeWorkload(space: space, allocator: allocator)
            .work(milliseconds: milliseconds)
        try StandardOutput.printNow("\(counts.objects) \(counts.restarts) \(counts.seconds)")
        space.detach()
    }
}
