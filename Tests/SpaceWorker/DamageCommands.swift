import Glibc
import RainbowCore
import TestSupport

/// Processes that the machine lets do little, and those whose space is being damaged.
enum DamageCommands {
    /// Changes a line in each of two regions, in one transaction.
    static func twoRegions(_ request: SpaceWorker.Request) throws {
        let space = try CrashCommands.attached(request)
        try space.transact { tx throws(TransactionError) in
            for address in BoardPlace.linesOfTwoRegions {
                try tx.store(request.seed, at: address)
            }
        }
        space.detach()
    }

    /// Meets the locks of a killed process with too few descriptors, or too little address space,
    /// to look at one of its regions; then with enough.
    static func poor(_ request: SpaceWorker.Request) throws {
        let lacksDescriptors = request.seed == 0
        let limit = lacksDescriptors ? RLIMIT_NOFILE : RLIMIT_AS
        let resource = __rlimit_resource_t(limit.rawValue)
        var usual = rlimit()
        unsafe getrlimit(resource, &usual)
        // The space's folder, its metadata, the undo versions and one region beside what is open;
        // or their sizes.
        let few = lacksDescriptors ? UInt64(nextDescriptor() + 4) : usedAddresses() + (800 << 30)
        var limited = rlimit(rlim_cur: rlim_t(few), rlim_max: usual.rlim_max)
        unsafe setrlimit(resource, &limited)
        let space = try CrashCommands.attached(request)
        let expected = lacksDescriptors ? EMFILE : ENOMEM
        for address in BoardPlace.linesOfTwoRegions {
            expectUnavailable(expected, "read \(address)") {
                _ = try space.transact { tx throws(TransactionError) in
                    try tx.load(address, as: UInt64.self)
                }
            }
            expectUnavailable(expected, "write \(address)") {
                try space.transact { tx throws(TransactionError) in try tx.store(7, at: address) }
            }
        }
        request.board[BoardPlace.result(request.worker)] = 1
        request.board.wait { $0[BoardPlace.shared] != 0 }
        unsafe setrlimit(resource, &usual)
        for address in BoardPlace.linesOfTwoRegions {
            let value = try space.transact { tx throws(TransactionError) in
                try tx.load(address, as: UInt64.self)
            }
            SpaceWorker.require(
                value == request.count, "\(address) holds \(value), not \(request.count)")
        }
        space.detach()
    }

    private static func expectUnavailable(
        _ errno: Int32, _ action: String, _ body: () throws -> Void
    ) {
        do {
            try body()
            SpaceWorker.fail("could \(action)", status: 3)
        } catch TransactionError.unavailable(errno) {
        } catch {
            SpaceWorker.fail("\(action): \(error)", status: 3)
        }
    }

    private static func nextDescriptor() -> Int32 {
        let descriptor = dup(0)
        close(descriptor)
        return descriptor
    }

    private static func usedAddresses() -> UInt64 {
        var pages: UInt64 = 0
        guard let file = unsafe fopen("/proc/self/statm", "r") else { return 0 }
        defer { unsafe fclose(file) }
        var text = [CChar](repeating: 0, count: 100)
        if unsafe fgets(&text, 100, file) != nil {
            pages = unsafe UInt64(strtoull(text, nil, 10))
        }
        return pages * 4096
    }
}
