import TestSupport

@testable import RainbowCore

/// A new space with its first objects, removed at the end.
func withObjectSpace<R>(
    _ options: SpaceOptions = SpaceOptions(), _ body: (Space) throws -> R
) throws -> R {
    try withTestSpace("objects", options) { space in
        try SystemArea.bootstrap(space)
        return try body(space)
    }
}

/// What a check of all structures finds wrong.
func problems(of space: Space) throws -> [String] {
    var problems: [String] = []
    let check = try space.checkObjects { problems.append($0) }
    return check.problems == problems.count ? problems : problems + ["wrong count"]
}

let anyOwner = Ownership(uid: 1, gid: 2, mode: 0o755)

extension Transaction {
    mutating func main() throws -> RegionInfo { try region(named: "transactional") }

    /// The objects of the space itself, and those of its users.
    mutating func allObjects(after address: Address, limit: Int) throws -> ObjectPage {
        let own = try objects(in: SystemArea.allocator, after: address, limit: limit)
        guard own.next == nil else { return own }
        var page = try userObjects(after: address, limit: limit - own.objects.count)
        page.objects = own.objects + page.objects
        return page
    }

    /// How many objects of a class its listing has.
    mutating func instanceCount(of descriptor: ClassDescriptor) throws -> UInt64 {
        var count: UInt64 = 0
        var cursor: InstanceCursor?
        repeat {
            let page = try instances(of: descriptor, after: cursor, limit: 1000)
            count += UInt64(page.objects.count)
            cursor = page.next
        } while cursor != nil
        return count
    }

    mutating func makeAllocator(
        _ name: String, capacity: UInt64 = 1 << 20
    ) throws -> AllocatorInfo {
        try createAllocator(
            name: name, in: try main(), capacity: capacity, ownership: anyOwner)
    }
}

extension Space {
    /// `transact` for bodies that throw nothing but what `#expect` sees.
    @discardableResult
    func run<R>(_ body: (inout Transaction) throws -> R) throws -> R { try transact(body) }
}

extension ObjectError {
    /// The kind without the facts.
    enum Kind: Hashable, Sendable {
        case notFound, exists, invalid, notPermitted, busy, notEmpty, full, nameTooLong, tooBig
    }

    var kind: Kind {
        switch self {
        case .notFound: .notFound
        case .exists: .exists
        case .invalid: .invalid
        case .notPermitted: .notPermitted
        case .busy: .busy
        case .notEmpty: .notEmpty
        case .full: .full
        case .nameTooLong: .nameTooLong
        case .tooBig: .tooBig
        }
    }
}
