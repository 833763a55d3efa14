import ArgumentParser
import Glibc
import RainbowCore
import Synchronization

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure this machine, in spaces that are made for it and removed.",
        discussion: """
            Example: rainbowfs bench bank --threads 2 --milliseconds 1000
            """,
        subcommands: [
            BankCommand.self, AllocationCommand.self, MakeCommand.self, BankWorkerCommand.self,
            MakeWorkerCommand.self,
        ])
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

    /// The results of a function that all threads begin at the same time.
    static func together<R: Sendable>(
        _ count: Int, pin: Bool, _ body: @escaping @Sendable (Int) throws -> R
    ) throws -> [R] {
        let results = Mutex<[Result<R, any Error>]>([])
        let arrived = Atomic<Int>(0)
        try run(count) { worker in
            if pin { Processor.pin(worker) }
            arrived.add(1, ordering: .relaxed)
            while arrived.load(ordering: .relaxed) < count { sched_yield() }
            let result = Result { try body(worker) }
            results.withLock { $0.append(result) }
        }
        return try results.withLock { try $0.map { try $0.get() } }
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
