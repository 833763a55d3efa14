/// An allocator, as its object tells it: a range of a region that fills up with objects.
public struct AllocatorInfo: Hashable, Sendable {
    /// The `Allocator` object.
    public let address: Address
    public let name: String
    /// Number of the region that the allocator is in.
    public let region: Int
    /// The lowest address of its memory.
    public let base: Address
    /// Behind the last object; the next one begins here.
    public let top: Address
    /// Bytes of its memory.
    public let capacity: UInt64
    public let ownership: Ownership
    /// Where the allocator comes in the listing: ascending, at least 16, below 2^60.
    public let key: UInt64

    /// Bytes that hold objects.
    public var used: UInt64 { top.rawValue - base.rawValue }
    /// Bytes that are left.
    public var free: UInt64 { capacity - used }
    /// Behind its memory.
    public var end: Address { Address(base.rawValue + capacity) }
    /// True for the allocator that the space itself lives in.
    public var isSystem: Bool { address == ObjectSystem.systemAllocator }
}

extension Transaction {
    /// Up to `limit` allocators of a region behind `key`, in the order of their keys.
    public mutating func allocators(
        in region: RegionInfo, after key: UInt64, limit: Int
    ) throws -> [AllocatorInfo] {
        try expect(.region, at: region.address)
        let root = try link(region.address, SystemLayout.Region.allocators)
        var infos: [AllocatorInfo] = []
        for entry in try tableEntries(.allocators, in: root, after: key, limit: limit) {
            infos.append(try allocatorInfo(entry))
        }
        try checkOrder(infos.map(\.key), after: key, in: root)
        return infos
    }

    /// How many allocators a region has.
    public mutating func allocatorCount(in region: RegionInfo) throws -> Int {
        try expect(.region, at: region.address)
        let root = try link(region.address, SystemLayout.Region.extents)
        return try tableEntries(.extents, in: root, after: nil, limit: .max).count
    }

    /// - Throws: `.notFound`.
    public mutating func allocator(named name: String, in region: RegionInfo) throws
        -> AllocatorInfo
    {
        try expect(.region, at: region.address)
        let root = try link(region.address, SystemLayout.Region.allocators)
        guard let entry = try tableEntry(try allocatorKey(name), in: root) else {
            throw ObjectError(
                .notFound, "There is no allocator \(name) in the region \(region.name).")
        }
        return try allocatorInfo(entry)
    }

    /// The allocator whose object is at an address.
    /// - Throws: `.notFound`.
    public mutating func allocator(at address: Address) throws -> AllocatorInfo {
        guard try header(of: address) == BuiltInClass.allocator.header else {
            throw ObjectError(.notFound, "The object at \(address) is not an allocator.")
        }
        return try allocatorInfo(address)
    }

    /// The allocator whose memory an address is in; its owner, group and mode are those of the
    /// objects there.
    public mutating func allocator(containing address: Address) throws -> AllocatorInfo? {
        guard let allocator = try allocatorObject(containing: address) else { return nil }
        return try allocatorInfo(allocator)
    }

    /// Where owner, group and mode of the object at an address are: in its allocator. What `stat`
    /// needs, without the rest of an `AllocatorInfo` and without heap memory.
    public mutating func ownershipPlace(ofObjectAt address: Address) throws -> Address? {
        try allocatorObject(containing: address).map { $0 + SystemLayout.Allocator.ownership }
    }

    /// Owner, group and mode of the object at an address: those of its allocator.
    public mutating func ownership(ofObjectAt address: Address) throws -> Ownership? {
        guard let place = try ownershipPlace(ofObjectAt: address) else { return nil }
        return try loadOwnership(place)
    }

    /// Makes an allocator behind the last one of the region, or in the first gap that is large
    /// enough. Address space only: memory comes with the objects.
    /// - Parameter capacity: bytes, rounded up to whole pages.
    public mutating func createAllocator(
        name: String, in region: RegionInfo,
        capacity: UInt64 = ObjectLimits.defaultCapacity, ownership: Ownership
    ) throws -> AllocatorInfo {
        try expect(.region, at: region.address)
        let key = try allocatorKey(name)
        let root = try link(region.address, SystemLayout.Region.allocators)
        guard !name.isSame(as: "status") else {
            throw ObjectError(.invalid, "status is an entry of every region; use another name.")
        }
        guard try tableEntry(key, in: root) == nil else {
            throw ObjectError(
                .exists, "The region \(region.name) has an allocator \(name) already.")
        }
        let capacity = try wholePages(capacity)
        let base = try place(for: capacity, in: region.address, number: region.number)
        let allocator = try newSystemObject(.allocator)
        try setExtent(of: allocator, base: base, capacity: capacity)
        try storeOwnership(ownership, at: allocator + SystemLayout.Allocator.ownership)
        try addToTables(allocator, name, region: region.address)
        return try allocatorInfo(allocator)
    }

    /// Removes an allocator that never held an object.
    public mutating func removeAllocator(name: String, in region: RegionInfo) throws {
        let info = try allocator(named: name, in: region)
        try checkNotSystem(info)
        guard info.used == 0, try link(info.address, SystemLayout.Allocator.backpacks) == .null
        else { throw ObjectError(.notEmpty, "The allocator \(name) holds objects.") }
        let names = try link(region.address, SystemLayout.Region.allocators)
        let extents = try link(region.address, SystemLayout.Region.extents)
        _ = try removeTableEntry(try allocatorKey(name), in: names)
        _ = try removeTableEntry(TableKey(extentAt: info.base), in: extents)
        try freeSystemObject(info.address, .allocator)
    }

    // MARK: Within the layer

    private mutating func allocatorObject(containing address: Address) throws -> Address? {
        guard let region = try regionObject(address.region) else { return nil }
        let root = try link(region, SystemLayout.Region.extents)
        let key = TableKey(extentAt: address)
        guard let entry = try lastTableEntry(.extents, in: root, upTo: key.number),
            try address < extent(of: entry).end
        else { return nil }
        return entry
    }

    mutating func addToTables(_ allocator: Address, _ name: String, region: Address) throws {
        let key = try allocatorKey(name)
        try storeName(
            key.name, at: allocator + SystemLayout.Allocator.name,
            byteCount: ObjectLimits.nameBytes)
        try setLink(allocator, SystemLayout.Allocator.region, to: region)
        let names = try link(region, SystemLayout.Region.allocators)
        let extents = try link(region, SystemLayout.Region.extents)
        try insertTableEntry(allocator, key, in: names)
        try insertTableEntry(allocator, try tableKey(of: allocator, .extents), in: extents)
    }

    mutating func allocatorInfo(_ allocator: Address) throws -> AllocatorInfo {
        let key = try tableKey(of: allocator, .allocators)
        let extent = try extent(of: allocator)
        return AllocatorInfo(
            address: allocator, name: key.name.string, region: extent.base.region,
            base: extent.base, top: extent.top,
            capacity: extent.end.rawValue - extent.base.rawValue,
            ownership: try loadOwnership(allocator + SystemLayout.Allocator.ownership),
            key: key.number)
    }

    func allocatorKey(_ name: String) throws(ObjectError) -> TableKey {
        TableKey(
            .allocators,
            name: try NameBytes(name, limit: ObjectLimits.nameBytes, what: "allocator"))
    }

    func checkNotSystem(_ info: AllocatorInfo) throws(ObjectError) {
        guard !info.isSystem else {
            throw ObjectError(.notPermitted, "The system allocator belongs to the space itself.")
        }
    }
}

/// Where allocators lie in their region, and how they grow.
extension Transaction {
    /// Gives an allocator another capacity: in place if the room behind it is free, at another
    /// place if it never held an object.
    /// - Throws: `.full` if neither is possible, `.invalid` if its objects need more.
    @discardableResult
    public mutating func setCapacity(of allocator: Address, to capacity: UInt64) throws
        -> AllocatorInfo
    {
        let info = try self.allocator(at: allocator)
        try checkNotSystem(info)
        let capacity = try wholePages(capacity)
        guard capacity >= info.used else {
            throw ObjectError(
                .invalid, "The objects of \(info.name) take \(info.used) bytes, more than that.")
        }
        let region = try link(allocator, SystemLayout.Allocator.region)
        try expect(.region, at: region)
        if try info.base.offset + capacity <= extentEnd(behind: info, in: region) {
            try store(capacity, at: allocator + SystemLayout.Allocator.capacity)
            let place = allocator + SystemLayout.Allocator.reserved
            let end = info.base.rawValue + capacity
            if try load(place, as: UInt64.self) > end { try store(end, at: place) }
        } else if info.used == 0 {
            try move(info, in: region, capacity: capacity)
        } else {
            throw ObjectError(
                .full,
                "\(info.name) holds objects and another allocator begins behind it, so it "
                    + "cannot grow to \(capacity) bytes; make another allocator.")
        }
        return try allocatorInfo(allocator)
    }

    /// A page-aligned base for `capacity` bytes: behind the last extent, or in the first gap.
    mutating func place(for capacity: UInt64, in region: Address, number: Int) throws -> Address {
        let root = try link(region, SystemLayout.Region.extents)
        var gapStart = UInt64(Address.pageSize)
        let highest = UInt64(1) << UInt64(TableKey.bitCount) - 1
        if let last = try lastTableEntry(.extents, in: root, upTo: highest) {
            gapStart = try allocatorInfo(last).end.offset
        }
        if capacity <= SystemLayout.objectsEnd - gapStart {
            return Address(region: number, offset: gapStart)
        }
        gapStart = UInt64(Address.pageSize)
        for entry in try tableEntries(.extents, in: root, after: nil, limit: .max) {
            let info = try allocatorInfo(entry)
            if info.base.offset >= gapStart, info.base.offset - gapStart >= capacity {
                return Address(region: number, offset: gapStart)
            }
            gapStart = info.end.offset
        }
        throw ObjectError(
            .full,
            "The region has no \(capacity) bytes in a row left; "
                + "make another region or a smaller allocator.")
    }

    mutating func setExtent(of allocator: Address, base: Address, capacity: UInt64) throws {
        try store(base.rawValue, at: allocator + SystemLayout.Allocator.base)
        try store(base.rawValue, at: allocator + SystemLayout.Allocator.top)
        try store(base.rawValue, at: allocator + SystemLayout.Allocator.reserved)
        try store(capacity, at: allocator + SystemLayout.Allocator.capacity)
    }

    func wholePages(_ capacity: UInt64) throws(ObjectError) -> UInt64 {
        let pageSize = UInt64(Address.pageSize)
        guard capacity > 0, capacity <= SystemLayout.objectsEnd - pageSize else {
            throw ObjectError(
                .invalid, "A capacity is 1 to \(SystemLayout.objectsEnd - pageSize) bytes.")
        }
        return (capacity + pageSize - 1) & ~(pageSize - 1)
    }

    /// Bytes from the start of the region to the next extent, or to the end of all objects.
    private mutating func extentEnd(behind info: AllocatorInfo, in region: Address) throws -> UInt64
    {
        let root = try link(region, SystemLayout.Region.extents)
        let key = TableKey(extentAt: info.base).number
        guard let next = try tableEntries(.extents, in: root, after: key, limit: 1).first else {
            return SystemLayout.objectsEnd
        }
        return try allocatorInfo(next).base.offset
    }

    private mutating func move(
        _ info: AllocatorInfo, in region: Address, capacity: UInt64
    ) throws {
        let root = try link(region, SystemLayout.Region.extents)
        _ = try removeTableEntry(TableKey(extentAt: info.base), in: root)
        let base = try place(for: capacity, in: region, number: info.region)
        try setExtent(of: info.address, base: base, capacity: capacity)
        try insertTableEntry(info.address, TableKey(extentAt: base), in: root)
    }
}
