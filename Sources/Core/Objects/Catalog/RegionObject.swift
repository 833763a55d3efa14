/// A region, as its object tells it.
public struct RegionInfo: Hashable, Sendable {
    /// The `Region` object.
    public let address: Address
    public let number: Int
    public let name: String
    /// The consistency model, `transactional` for all regions so far.
    public let model: String
    public let ownership: Ownership
    /// Where the region comes in the listing: ascending, at least 16, below 2^60.
    public let key: UInt64

    var object: RegionObject { RegionObject(address) }

    /// The lowest address of the region.
    public var base: Address { Address(region: number, offset: 0) }
}

extension RegionObject {
    var ownership: TypedAddress<Ownership> { TypedAddress(owner.address) }

    static func key(_ name: String) throws(ObjectError) -> TableKey {
        TableKey(
            .regions, name: try NameBytes(name, limit: ObjectLimits.nameBytes, what: .region))
    }

    /// The region with a number, or nil.
    static func find(_ number: Int, _ tx: inout Transaction) throws -> RegionObject? {
        guard (0..<SpaceLayout.regionCountMax).contains(number) else { return nil }
        let numbers = try tx.loadFixed(SystemObject.root.regionsByNumber)
        return try numbers.entry(TableKey(regionNumber: number), &tx).map(RegionObject.init)
    }

    /// Makes a region and enters it into the tables of the space.
    static func add(
        _ name: String, number: Int, _ ownership: Ownership, _ tx: inout Transaction
    ) throws -> RegionObject {
        let region = try RegionObject.make(&tx)
        let key = try RegionObject.key(name)
        try tx.store(key.name, at: region.name)
        try tx.store(UInt32(number), at: region.number)
        try tx.store(ownership, at: region.ownership)
        for (index, byte) in "transactional".utf8.enumerated() {
            try tx.store(byte, at: region.model.address + index)
        }
        try tx.store(try Table.make(&tx), at: region.allocators)
        try tx.store(try Table.make(&tx), at: region.extents)
        let names = try tx.loadFixed(SystemObject.root.regions)
        let numbers = try tx.loadFixed(SystemObject.root.regionsByNumber)
        try names.insert(region.address, key, &tx)
        try numbers.insert(region.address, TableKey(regionNumber: number), &tx)
        return region
    }

    /// Takes a region without allocators out of the space.
    func remove(number: Int, _ tx: inout Transaction) throws {
        let allocators = try tx.load(self.allocators)
        let extents = try tx.load(self.extents)
        let names = try tx.loadFixed(SystemObject.root.regions)
        let numbers = try tx.loadFixed(SystemObject.root.regionsByNumber)
        try names.remove(try TableKey(of: address, .regions, &tx), &tx)
        try numbers.remove(TableKey(regionNumber: number), &tx)
        try allocators.free(&tx)
        try extents.free(&tx)
        try free(&tx)
    }

    func info(_ tx: inout Transaction) throws -> RegionInfo {
        let key = try TableKey(of: address, .regions, &tx)
        var model = ""
        for index in 0..<self.model.byteCount {
            let byte: UInt8 = try tx.load(self.model.address + index)
            if byte == 0 { break }
            model.unicodeScalars.append(Unicode.Scalar(byte))
        }
        let number = try tx.load(self.number)
        guard number < SpaceLayout.regionCountMax else {
            throw ObjectError.damaged("a region without a number", at: address)
        }
        return RegionInfo(
            address: address, number: Int(number), name: key.name.string, model: model,
            ownership: try tx.load(ownership), key: key.number)
    }
}

/// Where the allocators of a region lie.
extension RegionObject {
    /// The allocator whose memory an address is in.
    static func allocator(
        containing address: Address, _ tx: inout Transaction
    ) throws -> AllocatorObject? {
        guard let region = try RegionObject.find(address.region, &tx) else { return nil }
        let extents = try tx.load(region.extents)
        let key = TableKey(extentAt: address).number
        guard let entry = try extents.lastEntry(.extents, upTo: key, &tx) else { return nil }
        let allocator = AllocatorObject(entry)
        return try address < allocator.extent(&tx).end ? allocator : nil
    }

    /// The first allocator with memory above an address.
    func allocator(
        reachingBeyond position: Address, _ tx: inout Transaction
    ) throws -> AllocatorInfo? {
        let extents = try tx.load(self.extents)
        let key = TableKey(extentAt: position).number
        if let entry = try extents.lastEntry(.extents, upTo: key, &tx) {
            let info = try AllocatorObject(entry).info(&tx)
            if position + 8 < info.end { return info }
        }
        let next = try extents.entries(.extents, after: key, limit: 1, &tx).first
        return try next.map { try AllocatorObject($0).info(&tx) }
    }

    /// A page-aligned base for `capacity` bytes: after the last extent, or in the first gap.
    func gap(of capacity: UInt64, number: Int, _ tx: inout Transaction) throws -> Address {
        let extents = try tx.load(self.extents)
        var gapStart = UInt64(Address.pageSize)
        let highest = UInt64(1) << UInt64(TableKey.bitCount) - 1
        if let last = try extents.lastEntry(.extents, upTo: highest, &tx) {
            gapStart = try AllocatorObject(last).info(&tx).end.offset
        }
        if capacity <= SystemLayout.objectsEnd - gapStart {
            return Address(region: number, offset: gapStart)
        }
        gapStart = UInt64(Address.pageSize)
        for entry in try extents.entries(.extents, after: nil, limit: .max, &tx) {
            let info = try AllocatorObject(entry).info(&tx)
            if info.base.offset >= gapStart, info.base.offset - gapStart >= capacity {
                return Address(region: number, offset: gapStart)
            }
            gapStart = info.end.offset
        }
        throw ObjectError.full(.region(asked: capacity))
    }

    /// Bytes from the start of the region to the next extent, or to the end of all objects.
    func gapEnd(after info: AllocatorInfo, _ tx: inout Transaction) throws -> UInt64 {
        let key = TableKey(extentAt: info.base).number
        let extents = try tx.load(self.extents)
        guard let next = try extents.entries(.extents, after: key, limit: 1, &tx).first else {
            return SystemLayout.objectsEnd
        }
        return try AllocatorObject(next).info(&tx).base.offset
    }

    static func wholePages(_ capacity: UInt64) throws(ObjectError) -> UInt64 {
        let pageSize = UInt64(Address.pageSize)
        guard capacity > 0, capacity <= SystemLayout.objectsEnd - pageSize else {
            throw ObjectError.invalid(.capacity(max: SystemLayout.objectsEnd - pageSize))
        }
        return (capacity + pageSize - 1) & ~(pageSize - 1)
    }
}
