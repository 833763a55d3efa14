import RainbowCore
import TestSupport

/// What workers do to the objects of a space while they are killed.
enum ObjectCommands {
    /// Steps that change every structure of the object layer. Each round's number is left in an
    /// object and bound to a name, in one transaction, and acknowledged once that is committed.
    static func objects(_ request: SpaceWorker.Request) throws {
        let space = try CrashCommands.attached(request)
        try SystemArea.bootstrap(space)
        var generator = SeededGenerator(seed: request.seed)
        let allocator = try space.transact { tx in
            try tx.defineClass(name: "Node", text: "uint64 round\nref<Node> next\n")
            return try ownAllocator(&tx, "worker\(request.worker)").address
        }
        var round = request.board[BoardPlace.acknowledged(request.worker)]
        var rounds: UInt64 = 0
        while !request.isDone(after: rounds) {
            round += 1
            let seed = generator.next()
            try space.transact { tx in
                try step(&tx, request.worker, round, allocator)
            }
            request.board[BoardPlace.acknowledged(request.worker)] = round
            rounds += 1
            do {
                try space.transact { tx in
                    var generator = SeededGenerator(seed: seed)
                    try disturb(&tx, request.worker, &generator)
                }
            } catch is ObjectError {
                // What is there or not there already is as good as done.
            }
        }
    }

    /// Makes objects, a few or thousands, and binds the first to a name.
    private static func step(
        _ tx: inout Transaction, _ worker: Int, _ round: UInt64, _ allocator: Address
    ) throws {
        let node = try tx.classDescriptor(named: "Node")
        let count = round % 16 == 0 ? 400 : Int(round % 7) + 1
        let first = try tx.newObjects(of: node, in: allocator, count: count)
        guard let number = node.field(named: "round"), let next = node.field(named: "next") else {
            SpaceWorker.fail("the class Node lost its fields", status: 3)
        }
        try unsafe withUnsafeBytes(of: round) { try unsafe tx.writeField(first, number, from: $0) }
        try tx.setReference(first, next, to: first + (count - 1) * node.stride)
        try tx.rebind("worker\(worker)-\(round % 40)", to: first)
    }

    private static func disturb(
        _ tx: inout Transaction, _ worker: Int, _ generator: inout SeededGenerator
    ) throws {
        let number = Int.random(in: 0..<6, using: &generator)
        switch Int.random(in: 0..<7, using: &generator) {
        case 0:
            let fields = (0...number).map { "ref<Node> f\($0)\n" }.joined()
            try tx.defineClass(name: "Class\(number)", text: fields)
        case 1: try tx.removeClass(name: "Class\(number)")
        case 2:
            let allocator = try ownAllocator(&tx, "other\(number)")
            try tx.setCapacity(of: allocator.address, to: UInt64(number + 1) << 20)
        case 3:
            let region = try tx.region(named: "transactional")
            try tx.removeAllocator(name: "other\(number)", in: region)
        case 4:
            let name = String(repeating: "long", count: number * 10 + 1)
            try tx.rebind("\(name)\(worker)", to: SystemArea.root)
        case 5: try tx.unbind("\(String(repeating: "long", count: number * 10 + 1))\(worker)")
        default: try tx.rename("shared\(number)", to: "shared\(number / 2)")
        }
    }

    private static func ownAllocator(
        _ tx: inout Transaction, _ name: String
    ) throws -> AllocatorInfo {
        let region = try tx.region(named: "transactional")
        do {
            return try tx.allocator(named: name, in: region)
        } catch is ObjectError {
            return try tx.createAllocator(
                name: name, in: region, capacity: 1 << 30,
                ownership: Ownership(uid: 0, gid: 0, mode: 0o755))
        }
    }
}
