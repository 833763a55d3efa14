extension Transaction {
    /// Up to `limit` regions after `key`, in the order of their keys; begin with key 0.
    public mutating func regions(after key: UInt64, limit: Int) throws -> [RegionInfo] {
        let names = try loadFixed(SystemObject.root.regions)
        return try names.infos(.regions, after: key, limit: limit, by: \.key, &self) {
            try RegionObject($0).info(&$1)
        }
    }

    /// - Throws: `.notFound`.
    public mutating func region(named name: String) throws -> RegionInfo {
        let names = try loadFixed(SystemObject.root.regions)
        guard let entry = try names.entry(try RegionObject.key(name), &self) else {
            throw ObjectError.notFound(.region(name))
        }
        return try RegionObject(entry).info(&self)
    }

    /// - Throws: `.notFound`.
    public mutating func region(number: Int) throws -> RegionInfo {
        guard let region = try RegionObject.find(number, &self) else {
            throw ObjectError.notFound(.regionNumber(number))
        }
        return try region.info(&self)
    }

    /// Makes a region with the next free number.
    /// - Parameter model: only `transactional` can be made now.
    public mutating func createRegion(
        name: String, model: String, ownership: Ownership
    ) throws -> RegionInfo {
        guard model == "transactional" else {
            throw ObjectError.invalid(.model(model))
        }
        let key = try RegionObject.key(name)
        guard try loadFixed(SystemObject.root.regions).entry(key, &self) == nil else {
            throw ObjectError.exists(.region(name))
        }
        for number in SystemLayout.firstUserRegion..<SpaceLayout.regionCountMax
        where try RegionObject.find(number, &self) == nil {
            try space.createRegionFile(number)
            return try RegionObject.add(name, number: number, ownership, &self).info(&self)
        }
        let count = SpaceLayout.regionCountMax - SystemLayout.firstUserRegion + 1
        throw ObjectError.full(.regions(max: count))
    }

    /// Removes a region without allocators.
    public mutating func removeRegion(name: String) throws {
        let region = try region(named: name)
        guard region.number >= SystemLayout.firstUserRegion else {
            throw ObjectError.notPermitted(.systemRegion(name))
        }
        let allocators = try load(region.object.allocators)
        guard try allocators.entries(.allocators, after: nil, limit: 1, &self).isEmpty else {
            throw ObjectError.notEmpty(.region(name))
        }
        try region.object.remove(number: region.number, &self)
    }

    /// Changes owner, group and mode of a region or an allocator.
    public mutating func setOwnership(_ ownership: Ownership, of object: Address) throws {
        switch BuiltInClass.of(header: try header(of: object)) {
        case .region: try store(ownership, at: RegionObject(object).ownership)
        case .allocator: try store(ownership, at: AllocatorObject(object).ownership)
        default:
            throw ObjectError.notPermitted(.ownership)
        }
    }

    /// Whether addresses of a region mean anything.
    @inline(__always)
    mutating func regionExists(_ number: Int) throws -> Bool {
        if number == SystemLayout.transactionalRegion { return true }
        return try RegionObject.find(number, &self) != nil
    }
}
