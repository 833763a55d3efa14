import CAllocationCount
import Core
import Glibc
import TestSupport

/// What a process does with memory that is nearly none, and how often it asks for more.
enum MemoryCommands {
    private static func page(_ index: UInt64) -> Address {
        Address(region: 1, offset: (16 + index) << Address.pageShift)
    }

    /// Writes one page after another until there is no memory, then goes on with what there is.
    static func fillMemory(_ request: SpaceWorker.Request) throws {
        let space = try CrashCommands.attached(request)
        var written: UInt64 = 0
        do {
            while true {
                try space.transact { tx throws(TransactionError) in
                    try tx.store(written + 1, at: page(written))
                }
                written += 1
            }
        } catch TransactionError.outOfMemory {
            request.board[BoardPlace.result(request.worker)] = written
        }
        // All that was committed is there and can be changed, again and again.
        for round in 1...3 as ClosedRange<UInt64> {
            for index in 0..<written {
                try space.transact { tx throws(TransactionError) in
                    let value = try tx.load(page(index), as: UInt64.self)
                    SpaceWorker.require(value == index + round, "page \(index) holds \(value)")
                    try tx.store(value + 1, at: page(index))
                }
            }
        }
        // What has no memory reads as zeros, in bulk as well.
        let beyond: UInt64 = try space.transact { tx throws(TransactionError) in
            try tx.load(page(written + 100))
        }
        SpaceWorker.require(beyond == 0, "a page without memory holds \(beyond)")
        try requireOutOfMemory(space, written)
        space.detach()
    }

    /// Every way of writing fails whole, and leaves nothing of its transaction.
    private static func requireOutOfMemory(_ space: Space, _ written: UInt64) throws {
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 8)
        defer { unsafe bytes.deallocate() }
        unsafe bytes.initializeMemory(as: UInt8.self, repeating: 7)
        for kind in 0..<4 {
            var isRefused = false
            do {
                try space.transact { tx throws(TransactionError) in
                    try tx.store(UInt64.max, at: page(0))
                    switch kind {
                    case 0: try tx.store(1 as UInt8, at: page(written))
                    case 1:
                        try unsafe tx.write(page(written - 1), from: UnsafeRawBufferPointer(bytes))
                    case 2: try tx.zero(page(written - 1), count: 1 << 20)
                    default:
                        try tx.fill(
                            start: page(written), stride: 4096, count: 256, headerOffset: 0,
                            header: 1)
                    }
                }
            } catch TransactionError.outOfMemory {
                isRefused = true
            }
            SpaceWorker.require(isRefused, "way \(kind) of writing found memory")
            let first: UInt64 = try space.transact { tx throws(TransactionError) in
                try tx.load(page(0))
            }
            SpaceWorker.require(first == 4, "a transaction without memory left \(first)")
        }
    }

    /// Counts the allocations of many transactions, after some to warm up.
    static func allocations(_ request: SpaceWorker.Request) throws {
        let space = try CrashCommands.attached(request)
        let workload = CrashWorkload(workerCount: 1)
        try workload.prepare(space)
        var generator = SeededGenerator(seed: request.seed)
        for round in 0..<1000 as Range<UInt64> {
            try accesses(space, round, &generator)
        }
        let before = allocation_count()
        for round in 0..<request.count { try accesses(space, round, &generator) }
        request.board[BoardPlace.result(request.worker)] = UInt64(allocation_count() - before)
        // A counter that counts nothing would pass: show that it counts.
        let one = unsafe malloc(1)
        SpaceWorker.require(allocation_count() > before, "the counter does not count")
        unsafe free(one)
        space.detach()
    }

    /// Loads and stores of all widths, bulk access of a few lines, a sum and a fill.
    private static func accesses(
        _ space: Space, _ round: UInt64, _ generator: inout SeededGenerator
    ) throws {
        let from = Int.random(in: 0..<CrashWorkload.accountCount, using: &generator)
        let to = Int.random(in: 0..<CrashWorkload.accountCount, using: &generator)
        let place = Address(region: 1, offset: 0x80000 + round % 512 * 8)
        try space.transact { tx throws(TransactionError) in
            try CrashWorkload.transferBetween(&tx, from, to)
            try tx.store(UInt8(truncatingIfNeeded: round), at: place)
            try tx.store(try tx.load(place, as: UInt16.self), at: place + 2)
            switch round % 8 {
            case 0: _ = try CrashWorkload.sum(&tx)
            case 1: try tx.zero(place + 3, count: 200)
            case 2:
                try tx.fill(
                    start: place + 8192, stride: 32, count: 20, headerOffset: 8, header: round)
            case 3: try copy(&tx, place)
            default: break
            }
        }
    }

    private static func copy(_ tx: inout Transaction, _ place: Address) throws(TransactionError) {
        var lines = (0 as UInt64, 0 as UInt64, 0 as UInt64, 0 as UInt64, 0 as UInt64)
        let address = place + 1
        let result = unsafe withUnsafeMutableBytes(of: &lines) { bytes in
            Result { () throws(TransactionError) in
                try unsafe tx.read(address, into: bytes)
                try unsafe tx.write(address + 4096, from: UnsafeRawBufferPointer(bytes))
            }
        }
        try result.get()
    }
}
