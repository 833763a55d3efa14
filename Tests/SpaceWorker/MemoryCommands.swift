import CAllocationCount
import Glibc
import RainbowCore
import Synchronization
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
        changeByNewThreads(space)
        space.detach()
    }

    /// Gives frames to two pages.
    static func reserveTwo(_ request: SpaceWorker.Request) throws {
        let space = try CrashCommands.attached(request)
        try space.transact { tx throws(TransactionError) in
            try tx.reserve(Address(region: 1, offset: 0x100_0000), count: 2 * 4096)
        }
        space.detach()
    }

    /// Takes all memory that there is, and goes on with pages that come and go; a full memory is an
    /// error of single transactions. Counts evicted pages on the board.
    static func evictInFullMemory(_ request: SpaceWorker.Request) throws {
        let space = try CrashCommands.attached(request)
        var generator = SeededGenerator(seed: request.seed)
        var next = UInt64(request.worker) << 20
        for _ in 0..<request.count {
            do {
                // Whatever somebody gave back is taken at once, by one of all.
                while UInt64.random(in: 0..<4, using: &generator) != 0 {
                    try space.transact { tx throws(TransactionError) in
                        try tx.store(next + 1, at: page(next))
                    }
                    next += 1
                }
            } catch TransactionError.outOfMemory {
                // One of its own pages goes, and somebody takes the memory.
                let start = UInt64(request.worker) << 20
                guard next > start else { continue }
                let freed = page(UInt64.random(in: start..<next, using: &generator))
                try space.transact { tx throws(TransactionError) in
                    // It may have lost its frame before.
                    if try tx.load(freed, as: UInt64.self) != 0 {
                        try tx.store(0 as UInt64, at: freed)
                    }
                }
                let evicted = space.evict(pages: freed.page..<freed.page + 1, milliseconds: 1)
                request.board.add(UInt64(evicted), to: BoardPlace.shared + 2)
            }
            do {
                let evicted = try EvictionRound.step(space, &generator) {
                    SpaceWorker.fail($0, status: 3)
                }
                request.board.add(UInt64(evicted), to: BoardPlace.shared + 2)
            } catch TransactionError.outOfMemory {}
        }
        space.detach()
    }

    /// Threads that never wrote before change what is there; all at once, each with its own log.
    private static func changeByNewThreads(_ space: Space) {
        let count = 20
        let done = Atomic<Int>(0)
        onThreads(count) { index in
            do {
                try space.transact { tx throws(TransactionError) in
                    let place = page(UInt64(index))
                    try tx.store(try tx.load(place, as: UInt64.self), at: place)
                }
            } catch {
                SpaceWorker.fail("thread \(index): \(error)")
            }
            done.wrappingAdd(1, ordering: .releasing)
            while done.load(ordering: .acquiring) < count { sched_yield() }
        }
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

    /// Counts the allocations of many transactions of two threads, after some to warm up. Worker 1
    /// only loads and stores, with one thread.
    static func allocations(_ request: SpaceWorker.Request) throws {
        let space = try CrashCommands.attached(request)
        try CrashWorkload(workerCount: 1).prepare(space)
        let isPlain = request.worker == 1
        var generator = SeededGenerator(seed: request.seed)
        try accesses(space, 1000, isPlain, &generator)
        let rival = Rival(space)
        if !isPlain { rival.start() }
        let before = allocation_count()
        try accesses(space, request.count, isPlain, &generator)
        let count = UInt64(allocation_count() - before)
        rival.stop()
        request.board[BoardPlace.result(request.worker)] = count
        // A counter that counts nothing would pass.
        SpaceWorker.require(before > 100, "the counter does not count")
        space.detach()
    }

    /// A thread that does the same beside, so that transactions wait and restart.
    private final class Rival: Sendable {
        private let space: Space
        private let rounds = Atomic<Int>(0)
        private let isStopped = Atomic<Bool>(false)
        private let thread = Mutex<pthread_t?>(nil)

        init(_ space: Space) { self.space = space }

        /// Returns when the thread is warm.
        func start() {
            thread.withLock { $0 = startThread { self.run() } }
            while rounds.load(ordering: .acquiring) < 10 { sched_yield() }
        }

        func stop() {
            isStopped.store(true, ordering: .releasing)
            thread.withLock { thread in
                if let thread { pthread_join(thread, nil) }
            }
        }

        private func run() {
            var generator = SeededGenerator(seed: 1)
            while !isStopped.load(ordering: .acquiring) {
                do {
                    try accesses(space, 100, false, &generator)
                } catch {
                    SpaceWorker.fail("\(error)")
                }
                rounds.wrappingAdd(1, ordering: .releasing)
            }
        }
    }

    private static func accesses(
        _ space: Space, _ count: UInt64, _ isPlain: Bool, _ generator: inout SeededGenerator
    ) throws {
        var round: UInt64 = 0
        while round < count {
            try access(space, round, isPlain, &generator)
            round += 1
        }
    }

    /// Loads and stores of all widths, bulk access of a few lines, a sum and a fill.
    private static func access(
        _ space: Space, _ round: UInt64, _ isPlain: Bool, _ generator: inout SeededGenerator
    ) throws {
        let from = Int.random(in: 0..<CrashWorkload.accountCount, using: &generator)
        let to = Int.random(in: 0..<CrashWorkload.accountCount, using: &generator)
        let place = Address(region: 1, offset: 0x80000 + round % 512 * 8)
        try space.transact { tx throws(TransactionError) in
            try CrashWorkload.transferBetween(&tx, from, to)
            try tx.store(UInt8(truncatingIfNeeded: round), at: place)
            try tx.store(try tx.load(place, as: UInt16.self), at: place + 2)
            if isPlain { return }
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
