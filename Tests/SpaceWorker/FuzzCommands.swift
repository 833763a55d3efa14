import Glibc
import RainbowCore
import Synchronization
import TestSupport

/// Everything that a program does with a space, while something else writes into its files: each
/// operation ends, with an error or without.
enum FuzzCommands {
    static func work(_ request: SpaceWorker.Request) {
        var generator = SeededGenerator(seed: request.seed)
        var rounds: UInt64 = 0
        while !request.isDone(after: rounds) {
            guard let space = try? Space.attach(request.space) else {
                usleep(10_000)
                rounds += 1
                continue
            }
            try? SystemArea.bootstrap(space)
            let feed = space.commitFeed()
            for _ in 0..<Int.random(in: 1...400, using: &generator) {
                if request.isDone(after: rounds) { break }
                let operation = Int.random(in: 0..<operations.count, using: &generator)
                request.board[BoardPlace.result(request.worker)] = UInt64(operation)
                do {
                    try operations[operation](space, request.worker, &generator)
                    request.board[BoardPlace.steps(request.worker)] += 1
                } catch {
                    request.board[BoardPlace.acknowledged(request.worker)] += 1
                }
                for _ in 0..<20 { if feed.next() == nil { break } }
                rounds += 1
            }
            space.detach()
        }
    }

    private typealias Operation =
        @Sendable (Space, Int, inout SeededGenerator) throws -> Void

    private static let operations: [Operation] = [
        transfer, fill, look, snapshot, open, check, define, make, name, list, list, report, serial,
    ]

    private static func transfer(
        _ space: Space, _ worker: Int, _ generator: inout SeededGenerator
    ) throws {
        for _ in 0..<50 {
            let from = Int.random(in: 0..<CrashWorkload.accountCount, using: &generator)
            let to = Int.random(in: 0..<CrashWorkload.accountCount, using: &generator)
            try space.transact { tx throws(TransactionError) in
                let amount: Int64 = try tx.load(CrashWorkload.account(from))
                try tx.store(amount &- 1, at: CrashWorkload.account(from))
                let other: Int64 = try tx.load(CrashWorkload.account(to))
                try tx.store(other &+ 1, at: CrashWorkload.account(to))
            }
        }
    }

    private static func fill(
        _ space: Space, _ worker: Int, _ generator: inout SeededGenerator
    ) throws {
        let count = Int.random(in: 1...500, using: &generator)
        try space.transact { tx throws(TransactionError) in
            try tx.fill(
                start: CrashWorkload.fillArea(worker), stride: 64, count: count, headerOffset: 8,
                header: 7)
            for index in 0..<count / 10 {
                try tx.store(index, at: CrashWorkload.freshPage(worker, UInt64(index % 30)))
            }
        }
    }

    private static func look(
        _ space: Space, _ worker: Int, _ generator: inout SeededGenerator
    ) throws {
        let offset = UInt64.random(in: 0..<1 << 20, using: &generator)
        try space.transact { tx throws(TransactionError) in
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 14, alignment: 8)
            defer { unsafe buffer.deallocate() }
            let address = Address(region: 1, offset: offset)
            unsafe try tx.read(address, into: buffer)
            _ = try tx.version(of: address, count: 1 << 14)
        }
    }

    /// A snapshot, while others overwrite what it reads.
    private static func snapshot(
        _ space: Space, _ worker: Int, _ generator: inout SeededGenerator
    ) throws {
        let snapshot = try space.takeSnapshot(named: "worker-\(worker)")
        defer { snapshot.end() }
        try transfer(space, worker, &generator)
        try fill(space, worker, &generator)
        try space.read(at: snapshot) { tx in
            for index in 0..<CrashWorkload.accountCount {
                _ = try tx.load(CrashWorkload.account(index), as: Int64.self)
            }
            _ = try? tx.names(after: 0, limit: 100)
        }
        _ = space.snapshot(named: "worker-0")?.info
    }

    private static func open(
        _ space: Space, _ worker: Int, _ generator: inout SeededGenerator
    ) throws {
        let transaction = try space.begin(name: "open-\(worker)")
        try transaction.perform { tx in
            for index in 0..<8 {
                let place = CrashWorkload.account(index)
                try tx.store(try tx.load(place, as: Int64.self) &+ 1, at: place)
            }
        }
        try? transfer(space, worker, &generator)
        _ = transaction.conflict
        _ = (transaction.readLines, transaction.writtenLines)
        try transaction.commit()
    }

    private static func serial(
        _ space: Space, _ worker: Int, _ generator: inout SeededGenerator
    ) throws {
        guard Int.random(in: 0..<4, using: &generator) == 0 else { return }
        let transaction = try space.begin(name: "serial-\(worker)")
        try transaction.restart(isSerial: true)
        try transaction.perform { tx in
            let place = CrashWorkload.account(worker)
            try tx.store(try tx.load(place, as: Int64.self) &+ 1, at: place)
        }
        try transaction.commit()
    }

    private static func check(
        _ space: Space, _ worker: Int, _ generator: inout SeededGenerator
    ) throws {
        guard Int.random(in: 0..<20, using: &generator) == 0 else { return }
        var problems = 0
        space.checkMemory { _ in problems += 1 }
        _ = try space.checkObjects { _ in problems += 1 }
    }

    private static func report(
        _ space: Space, _ worker: Int, _ generator: inout SeededGenerator
    ) throws {
        _ = (space.usage, space.liveNodes, space.snapshots, space.snapshotMemory)
        _ = (space.conflicts(), space.identity, try? Space.list())
        for version in [0, 1, space.version, space.version / 2, .max] {
            _ = space.milliseconds(ofVersion: version)
        }
        _ = try space.residency(ofRegion: 1)
        space.recoverSnapshots()
    }
}

/// The objects of a space whose memory may hold anything.
extension FuzzCommands {
    private static func define(
        _ space: Space, _ worker: Int, _ generator: inout SeededGenerator
    ) throws {
        let number = Int.random(in: 0..<4, using: &generator)
        try space.transact { tx in
            if Bool.random(using: &generator) {
                try tx.removeClass(name: "Class\(number)")
            } else {
                let fields = (0...number).map { "ref<Object> f\($0)\nint32 g\($0)[3]\n" }.joined()
                try tx.defineClass(name: "Class\(number)", text: fields)
            }
        }
    }

    private static func make(
        _ space: Space, _ worker: Int, _ generator: inout SeededGenerator
    ) throws {
        let count = Int.random(in: 1...300, using: &generator)
        let number = Int.random(in: 0..<4, using: &generator)
        try space.transact { tx in
            let region = try tx.region(named: "transactional")
            let name = "worker\(worker)"
            let allocator: AllocatorInfo
            if let found = try? tx.allocator(named: name, in: region) {
                allocator = found
            } else {
                allocator = try tx.createAllocator(
                    name: name, in: region, capacity: 1 << 26,
                    ownership: Ownership(uid: 0, gid: 0, mode: 0o755))
            }
            let descriptor = try tx.classDescriptor(named: "Class\(number)")
            let first = try tx.newObjects(of: descriptor, in: allocator.address, count: count)
            if let field = descriptor.field(named: "f0") {
                try tx.setReference(first, field, to: first)
            }
            try tx.rebind("name-\(worker)-\(count % 30)", to: first)
        }
    }

    private static func name(
        _ space: Space, _ worker: Int, _ generator: inout SeededGenerator
    ) throws {
        let number = Int.random(in: 0..<30, using: &generator)
        let long = String(repeating: "long", count: number + 1)
        try space.transact { tx in
            switch number % 3 {
            case 0: try tx.rebind("\(long)\(worker)", to: SystemArea.root)
            case 1: try tx.unbind("name-\(worker)-\(number)")
            default: try tx.rename("name-\(worker)-\(number)", to: "moved-\(number)")
            }
        }
    }

    private static func list(
        _ space: Space, _ worker: Int, _ generator: inout SeededGenerator
    ) throws {
        try listTables(space)
        let page = try space.transact { tx in try tx.userObjects(after: .null, limit: 500) }
        for object in page.objects.shuffled(using: &generator).prefix(50) {
            try? space.transact { tx in
                _ = try tx.object(containing: object.address + 8)
                var bytes = [UInt8](repeating: 0, count: 512)
                try unsafe bytes.withUnsafeMutableBytes { bytes in
                    _ = try unsafe tx.readRaw(object.address, at: 0, into: bytes)
                }
                for field in object.descriptor.fields where field.isReference {
                    _ = try tx.reference(object.address, field)
                }
                _ = try tx.reference(at: object.address - 8)
                _ = try tx.scalar(at: object.address + 8)
                _ = try tx.ownership(ofObjectAt: object.address)
            }
        }
    }

    private static func listTables(_ space: Space) throws {
        var key: UInt64 = 0
        while let last = try space.transact({ tx in try tx.names(after: key, limit: 64) }).last {
            key = last.key
        }
        try space.transact { tx in
            for region in try tx.regions(after: 0, limit: 100) {
                for allocator in try tx.allocators(in: region, after: 0, limit: 100) {
                    _ = try? tx.objectCount(in: allocator.address)
                    _ = (allocator.used, allocator.free, allocator.end)
                }
            }
            for entry in try tx.classes(after: 0, limit: 100) where !entry.descriptor.isSystem {
                var cursor: InstanceCursor?
                for _ in 0..<10 {
                    let page = try tx.instances(of: entry.descriptor, after: cursor, limit: 64)
                    cursor = page.next
                    if cursor == nil { break }
                }
            }
        }
    }
}
