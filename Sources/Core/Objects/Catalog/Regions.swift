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

    /// The lowest address of the region.
    public var base: Address { Address(region: number, offset: 0) }
}

/// What holds for the whole space rather than for a region.
public struct SystemInfo: Hashable, Sendable {
    /// Whoever made the space, unless it was given away.
    public let ownership: Ownership
    /// What holds for all names, and for all classes.
    public let names: Ownership
    public let classes: Ownership
    /// Seconds since 1970.
    public let created: UInt64

    /// What has an owner of its own.
    public enum Part: CaseIterable, Sendable {
        case space
        case names
        case classes

        fileprivate var place: Address {
            switch self {
            case .space: ObjectSystem.root + SystemLayout.System.ownership
            case .names: ObjectSystem.root + SystemLayout.System.namesOwnership
            case .classes: ObjectSystem.root + SystemLayout.System.classesOwnership
            }
        }
    }
}

extension Transaction {
    public mutating func systemInfo() throws -> SystemInfo {
        let root = ObjectSystem.root
        return SystemInfo(
            ownership: try loadOwnership(SystemInfo.Part.space.place),
            names: try loadOwnership(SystemInfo.Part.names.place),
            classes: try loadOwnership(SystemInfo.Part.classes.place),
            created: try load(root + SystemLayout.System.created))
    }

    /// Up to `limit` regions behind `key`, in the order of their keys; begin with key 0.
    public mutating func regions(after key: UInt64, limit: Int) throws -> [RegionInfo] {
        let root = try fixedLink(SystemLayout.System.regions)
        var infos: [RegionInfo] = []
        for entry in try tableEntries(.regions, in: root, after: key, limit: limit) {
            infos.append(try regionInfo(entry))
        }
        try checkOrder(infos.map(\.key), after: key, in: root)
        return infos
    }

    /// - Throws: `.notFound`.
    public mutating func region(named name: String) throws -> RegionInfo {
        let root = try fixedLink(SystemLayout.System.regions)
        let limit = ObjectLimits.nameBytes
        let key = TableKey(.regions, name: try NameBytes(name, limit: limit, what: "region"))
        guard let entry = try tableEntry(key, in: root) else {
            throw ObjectError(.notFound, "There is no region \(name).")
        }
        return try regionInfo(entry)
    }

    /// - Throws: `.notFound`.
    public mutating func region(number: Int) throws -> RegionInfo {
        guard let entry = try regionObject(number) else {
            throw ObjectError(.notFound, "There is no region \(number).")
        }
        return try regionInfo(entry)
    }

    /// Makes a region with the next free number.
    /// - Parameter model: only `transactional` can be made now.
    public mutating func createRegion(
        name: String, model: String, ownership: Ownership
    ) throws -> RegionInfo {
        guard model == "transactional" else {
            throw ObjectError(
                .invalid,
                "\(model) is no consistency model of this rainbowfs; "
                    + "transactional is the only one.")
        }
        let bytes = try NameBytes(name, limit: ObjectLimits.nameBytes, what: "region")
        guard !name.utf8.contains(UInt8(ascii: ".")) else {
            throw ObjectError(.invalid, "The name of a region has no dot: NAME or NAME.MODEL.")
        }
        let root = try fixedLink(SystemLayout.System.regions)
        guard try tableEntry(TableKey(.regions, name: bytes), in: root) == nil else {
            throw ObjectError(.exists, "There is a region \(name) already.")
        }
        for number in SystemLayout.firstUserRegion..<SpaceLayout.regionCountMax
        where try regionObject(number) == nil {
            try space.createRegionFile(number)
            return try regionInfo(try addRegion(name, number: number, ownership))
        }
        let count = SpaceLayout.regionCountMax - SystemLayout.firstUserRegion + 1
        throw ObjectError(.full, "A space has \(count) regions at most; rmdir one that is empty.")
    }

    /// Removes a region without allocators.
    public mutating func removeRegion(name: String) throws {
        let region = try region(named: name)
        guard region.number >= SystemLayout.firstUserRegion else {
            throw ObjectError(.notPermitted, "The region \(name) belongs to every space.")
        }
        let allocators = try link(region.address, SystemLayout.Region.allocators)
        let extents = try link(region.address, SystemLayout.Region.extents)
        guard try tableEntries(.allocators, in: allocators, after: nil, limit: 1).isEmpty else {
            throw ObjectError(
                .notEmpty,
                "The region \(name) has allocators; rmdir removes those without objects.")
        }
        let names = try fixedLink(SystemLayout.System.regions)
        let numbers = try fixedLink(SystemLayout.System.regionsByNumber)
        _ = try removeTableEntry(try tableKey(of: region.address, .regions), in: names)
        _ = try removeTableEntry(TableKey(regionNumber: region.number), in: numbers)
        try freeSystemObject(allocators, .table)
        try freeSystemObject(extents, .table)
        try freeSystemObject(region.address, .region)
    }

    /// Changes owner, group and mode of the space, of its names, or of its classes.
    public mutating func setOwnership(_ ownership: Ownership, of part: SystemInfo.Part) throws {
        try storeOwnership(ownership, at: part.place)
    }

    /// Changes owner, group and mode of a region or an allocator.
    public mutating func setOwnership(_ ownership: Ownership, of object: Address) throws {
        switch BuiltInClass.of(header: try header(of: object)) {
        case .region: try storeOwnership(ownership, at: object + SystemLayout.Region.ownership)
        case .allocator:
            try storeOwnership(ownership, at: object + SystemLayout.Allocator.ownership)
        default:
            throw ObjectError(
                .notPermitted, "Objects have the owner and mode of their allocator; change that.")
        }
    }

    // MARK: Within the layer

    /// Whether addresses of a region mean anything.
    @inline(__always)
    mutating func regionExists(_ number: Int) throws -> Bool {
        if number == SystemLayout.transactionalRegion { return true }
        return try regionObject(number) != nil
    }

    mutating func regionObject(_ number: Int) throws -> Address? {
        guard (0..<SpaceLayout.regionCountMax).contains(number) else { return nil }
        let root = try fixedLink(SystemLayout.System.regionsByNumber)
        return try tableEntry(TableKey(regionNumber: number), in: root)
    }

    mutating func addRegion(_ name: String, number: Int, _ ownership: Ownership) throws -> Address {
        let region = try newSystemObject(.region)
        let limit = ObjectLimits.nameBytes
        let bytes = try NameBytes(name, limit: limit, what: "region")
        try storeName(bytes, at: region + SystemLayout.Region.name, byteCount: limit)
        try store(UInt32(number), at: region + SystemLayout.Region.number)
        try storeOwnership(ownership, at: region + SystemLayout.Region.ownership)
        for (index, byte) in "transactional".utf8.enumerated() {
            try store(byte, at: region + (SystemLayout.Region.model + index))
        }
        try setLink(region, SystemLayout.Region.allocators, to: try newSystemObject(.table))
        try setLink(region, SystemLayout.Region.extents, to: try newSystemObject(.table))
        let names = try fixedLink(SystemLayout.System.regions)
        let numbers = try fixedLink(SystemLayout.System.regionsByNumber)
        try insertTableEntry(region, TableKey(.regions, name: bytes), in: names)
        try insertTableEntry(region, TableKey(regionNumber: number), in: numbers)
        return region
    }

    private mutating func regionInfo(_ region: Address) throws -> RegionInfo {
        let key = try tableKey(of: region, .regions)
        var model = ""
        for index in 0..<16 {
            let byte: UInt8 = try load(region + (SystemLayout.Region.model + index))
            if byte == 0 { break }
            model.unicodeScalars.append(Unicode.Scalar(byte))
        }
        let number: UInt32 = try load(region + SystemLayout.Region.number)
        guard number < SpaceLayout.regionCountMax else {
            throw ObjectError.damaged("a region without a number", at: region)
        }
        return RegionInfo(
            address: region, number: Int(number), name: key.name.string, model: model,
            ownership: try loadOwnership(region + SystemLayout.Region.ownership), key: key.number)
    }
}
