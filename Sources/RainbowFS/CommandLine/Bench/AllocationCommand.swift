import ArgumentParser
import Glibc
import RainbowCore
import Synchronization

/// `bench alloc`: objects made in batches, one after the other.
struct AllocationCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alloc",
        abstract: "Make objects in batches.",
        discussion: """
            The objects are on pages that nobody has touched, whose first use costs the kernel \
            more than the objects, or with --reserved on pages made ready before.

            Example: rainbowfs bench alloc --objects 1000000 --reserved
            """)

    @Option(help: "How many objects to make.")
    var objects = 1_000_000

    @Option(help: ArgumentHelp("How many int64 fields each has.", valueName: "n"))
    var numbers = 0

    @Flag(help: "Reserve the memory before the clock starts.")
    var reserved = false

    @OptionGroup var json: JSONOption

    func validate() throws {
        guard (1...10_000_000_000).contains(objects), (0...256).contains(numbers) else {
            throw ValidationError("Make at least 1 object, of 0 to 256 numbers.")
        }
    }

    func run() throws {
        try BenchSpace.with("alloc") { space in
            let fields = (0..<numbers).map { "int64 n\($0)\n" }.joined()
            let stride = 8 + 8 * numbers
            let allocator = try BenchSpace.allocator(
                in: space, capacity: UInt64(objects * stride), className: "Simple", fields: fields)
            if reserved { try reserve(allocator.base, space) }
            // A quarter of what a transaction can make, so that it holds its locks briefly.
            let batch = ObjectLimits.objectBytes / 4 / stride
            let start = SystemClock.monotonicSeconds
            for made in Swift.stride(from: 0, to: objects, by: batch) {
                try space.transact { tx in
                    _ = try tx.newObjects(
                        of: tx.classDescriptor(named: "Simple"), in: allocator.address,
                        count: min(batch, objects - made))
                }
            }
            report((SystemClock.monotonicSeconds - start) * 1e9 / Double(objects), stride)
        }
    }

    private func reserve(_ base: Address, _ space: Space) throws {
        let bytes = objects * (8 + 8 * numbers)
        for start in stride(from: 0, to: bytes, by: 1 << 20) {
            try space.transact { (tx) throws(TransactionError) in
                try tx.reserve(base + start, count: min(1 << 20, bytes - start))
            }
        }
    }

    private func report(_ nanoseconds: Double, _ stride: Int) {
        let rounded = (nanoseconds * 100).rounded() / 100
        guard json.isOn else {
            StandardOutput.print("\(objects) objects of \(stride) bytes: \(rounded) ns an object")
            return
        }
        StandardOutput.print(
            JSON.object([
                ("objects", .integer(objects)), ("bytes_per_object", .integer(stride)),
                ("reserved", .bool(reserved)), ("ns_per_object", .real(rounded)),
            ]))
    }
}

/// A space that lives as long as a benchmark.
enum BenchSpace {
    static func with<R>(_ purpose: String, _ body: (Space) throws -> R) throws -> R {
        let name = "bench-\(purpose)-\(getpid())"
        do {
            let space = try Space.open(name)
            defer {
                space.detach()
                try? Space.destroy(name, force: true)
            }
            return try body(space)
        } catch let error as SpaceError {
            throw CommandFailure(.refused, error.explanation)
        } catch let error as ObjectError {
            throw CommandFailure(.refused, error.explanation)
        } catch TransactionError.outOfMemory {
            throw CommandFailure(.refused, "The memory of this machine is full.")
        }
    }

    /// A class, and an allocator for its objects.
    static func allocator(
        in space: Space, capacity: UInt64, className: String, fields: String
    ) throws -> AllocatorInfo {
        try space.transact { tx in
            _ = try tx.defineClass(name: className, text: fields)
            return try tx.createAllocator(
                name: "bench", in: try tx.region(named: "transactional"), capacity: capacity,
                ownership: Ownership(uid: getuid(), gid: getgid(), mode: 0o700))
        }
    }
}

/// Threads that run one function and are waited for.
enum Workers {
    /// Begins when all threads are there.
    ///
    /// - Throws: if they cannot all be had; then the function has not run.
    static func run(
        _ count: Int, _ body: @escaping @Sendable (Int) -> Void
    ) throws(CommandFailure) {
        let isComplete = Mutex(false)
        var threads: [pthread_t] = []
        // The threads wait for the mutex.
        let error = isComplete.withLock { allAreThere -> Int32 in
            for worker in 0..<count {
                let task = Task { if isComplete.withLock({ $0 }) { body(worker) } }
                let error = start(task, &threads)
                guard error == 0 else { return error }
            }
            allAreThere = true
            return 0
        }
        for thread in threads { pthread_join(thread, nil) }
        guard error == 0 else {
            throw CommandFailure(
                .refused,
                "Only \(threads.count) of \(count) threads can be started: "
                    + "\(ErrorText.of(error)) (ulimit -u, -v and -s limit them).")
        }
    }

    private static func start(_ task: Task, _ threads: inout [pthread_t]) -> Int32 {
        var thread = pthread_t()
        let argument = unsafe Unmanaged.passRetained(task)
        let error = unsafe pthread_create(
            &thread, nil,
            { argument in
                unsafe Unmanaged<Task>.fromOpaque(argument!).takeRetainedValue().body()
                return nil
            }, unsafe argument.toOpaque())
        if error == 0 {
            threads.append(thread)
        } else {
            unsafe argument.release()
        }
        return error
    }

    private final class Task: Sendable {
        let body: @Sendable () -> Void
        init(body: @escaping @Sendable () -> Void) { self.body = body }
    }
}
