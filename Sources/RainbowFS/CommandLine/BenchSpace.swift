import Glibc
import RainbowCore

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
            throw CommandFailure(.refused, error.description)
        } catch let error as ObjectError {
            throw CommandFailure(.refused, error.message)
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
