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
