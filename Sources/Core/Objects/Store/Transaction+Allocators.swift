extension Transaction {
    /// Up to `limit` allocators of a region after `key`, in the order of their keys.
    public mutating func allocators(
        in region: RegionInfo, after key: UInt64, limit: Int
    ) throws -> [AllocatorInfo] {
        try region.object.check(&self)
        let table = try load(region.object.allocators)
        return try table.infos(.allocators, after: key, limit: limit, by: \.key, &self) {
            try AllocatorObject($0).info(&$1)
        }
    }

    /// - Throws: `.notFound`.
    public mutating func allocator(named name: String, in region: RegionInfo) throws
        -> AllocatorInfo
    {
        try region.object.check(&self)
        let table = try load(region.object.allocators)
        guard let entry = try table.entry(try AllocatorObject.key(name), &self) else {
            throw ObjectError.notFound(.allocator(name, region: region.name))
        }
        return try AllocatorObject(entry).info(&self)
    }

    /// The allocator whose object is at an address.
    /// - Throws: `.notFound`.
    public mutating func allocator(at address: Address) throws -> AllocatorInfo {
        guard try header(of: address) == AllocatorObject.builtIn.header else {
            throw ObjectError.notFound(.allocatorObject(address))
        }
        return try AllocatorObject(address).info(&self)
    }

    /// The allocator whose memory an address is in; its owner, group and mode are those of the
    /// objects there.
    public mutating func allocator(containing address: Address) throws -> AllocatorInfo? {
        try RegionObject.allocator(containing: address, &self)?.info(&self)
    }

    /// Where owner, group and mode of the object at an address are: in its allocator. What `stat`
    /// needs, without the rest of an `AllocatorInfo` and without heap memory.
    public mutating func ownershipLocation(ofObjectAt address: Address) throws -> Address? {
        try RegionObject.allocator(containing: address, &self)?.ownership.address
    }

    /// Owner, group and mode of the object at an address: those of its allocator.
    public mutating func ownership(ofObjectAt address: Address) throws -> Ownership? {
        guard let allocator = try RegionObject.allocator(containing: address, &self) else {
            return nil
        }
        return try load(allocator.ownership)
    }

    /// Makes an allocator after the last one of the region, or in the first gap that is large
    /// enough. Address space only: memory comes with the objects.
    /// - Parameter capacity: bytes, rounded up to whole pages.
    public mutating func createAllocator(
        name: String, in region: RegionInfo,
        capacity: UInt64 = ObjectLimits.defaultCapacity, ownership: Ownership
    ) throws -> AllocatorInfo {
        try region.object.check(&self)
        let key = try AllocatorObject.key(name)
        let table = try load(region.object.allocators)
        guard try table.entry(key, &self) == nil else {
            throw ObjectError.exists(.allocator(name, region: region.name))
        }
        let capacity = try RegionObject.wholePages(capacity)
        let base = try region.object.gap(of: capacity, number: region.number, &self)
        let allocator = try AllocatorObject.make(&self)
        try allocator.setExtent(base: base, capacity: capacity, &self)
        try store(ownership, at: allocator.ownership)
        try allocator.enter(name, into: region.object, &self)
        return try allocator.info(&self)
    }

    /// Removes an allocator that never held an object.
    public mutating func removeAllocator(name: String, in region: RegionInfo) throws {
        let info = try allocator(named: name, in: region)
        try info.checkNotSystem()
        guard info.used == 0, try load(info.object.backpacks).isNull
        else { throw ObjectError.notEmpty(.allocator(name)) }
        try info.object.remove(info, from: region.object, &self)
    }

    /// Gives an allocator another capacity: in place if the room after it is free, at another
    /// place if it never held an object.
    /// - Throws: `.full` if neither is possible, `.invalid` if its objects need more.
    @discardableResult
    public mutating func setCapacity(of allocator: Address, to capacity: UInt64) throws
        -> AllocatorInfo
    {
        let info = try self.allocator(at: allocator)
        try info.checkNotSystem()
        let capacity = try RegionObject.wholePages(capacity)
        guard capacity >= info.used else {
            throw ObjectError.invalid(
                .capacityBelowUse(allocator: info.name, used: info.used))
        }
        let region = try load(info.object.region)
        try region.check(&self)
        if try info.base.offset + capacity <= region.gapEnd(after: info, &self) {
            try store(capacity, at: info.object.capacity)
            let end = info.base.rawValue + capacity
            if try load(info.object.reserved) > end { try store(end, at: info.object.reserved) }
        } else if info.used == 0 {
            try info.object.move(info, in: region, capacity: capacity, &self)
        } else {
            throw ObjectError.full(.afterAllocator(info.name, asked: capacity))
        }
        return try info.object.info(&self)
    }
}
