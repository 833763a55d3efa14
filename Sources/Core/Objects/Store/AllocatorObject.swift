/// An allocator, as its object tells it: a range of a region that fills up with objects.
public struct AllocatorInfo: Hashable, Sendable {
    /// The `Allocator` object.
    public let address: Address
    public let name: String
    /// Number of the region that the allocator is in.
    public let region: Int
    /// The lowest address of its memory.
    public let base: Address
    /// After the last object; the next one begins here.
    public let top: Address
    /// Bytes of its memory.
    public let capacity: UInt64
    public let ownership: Ownership
    /// Where the allocator comes in the listing: ascending, at least 16, below 2^60.
    public let key: UInt64

    var object: AllocatorObject { AllocatorObject(address) }

    /// Bytes that hold objects.
    public var used: UInt64 { top.rawValue - base.rawValue }
    /// Bytes that are left.
    public var free: UInt64 { capacity - used }
    /// After its memory.
    public var end: Address { Address(base.rawValue + capacity) }
    /// True for the allocator that the space itself lives in.
    public var isSystem: Bool { address == SystemArea.allocator }

    func checkNotSystem() throws(ObjectError) {
        guard !isSystem else {
            throw ObjectError.notPermitted(.systemAllocator)
        }
    }
}

/// The memory of an allocator: objects from `base` to `top`, room for more up to `end`.
struct Extent {
    let base: Address
    let top: Address
    let end: Address
}

extension AllocatorObject {
    /// The allocator of all objects of the layer itself.
    static var system: AllocatorObject { AllocatorObject(SystemArea.allocator) }

    var ownership: TypedAddress<Ownership> { TypedAddress(owner.address) }

    static func key(_ name: String) throws(ObjectError) -> TableKey {
        TableKey(
            .allocators,
            name: try NameBytes(name, limit: ObjectLimits.nameBytes, what: .allocator))
    }

    func info(_ tx: inout Transaction) throws -> AllocatorInfo {
        let key = try TableKey(of: address, .allocators, &tx)
        let extent = try extent(&tx)
        return AllocatorInfo(
            address: address, name: key.name.string, region: extent.base.region,
            base: extent.base, top: extent.top,
            capacity: extent.end.rawValue - extent.base.rawValue,
            ownership: try tx.load(ownership), key: key.number)
    }

    /// Names the allocator and enters it into the tables of its region.
    func enter(_ name: String, into region: RegionObject, _ tx: inout Transaction) throws {
        let key = try AllocatorObject.key(name)
        try tx.store(key.name, at: self.name)
        try tx.store(region, at: self.region)
        let names = try tx.load(region.allocators)
        let extents = try tx.load(region.extents)
        try names.insert(address, key, &tx)
        try extents.insert(address, try TableKey(of: address, .extents, &tx), &tx)
    }

    /// Takes the allocator out of its region and frees it.
    func remove(_ info: AllocatorInfo, from region: RegionObject, _ tx: inout Transaction) throws {
        let names = try tx.load(region.allocators)
        let extents = try tx.load(region.extents)
        try names.remove(try AllocatorObject.key(info.name), &tx)
        try extents.remove(TableKey(extentAt: info.base), &tx)
        try free(&tx)
    }

    // MARK: Its memory

    /// The memory, checked: the range lies in one region, and `top` in it.
    func extent(_ tx: inout Transaction) throws -> Extent {
        let base = try tx.load(self.base)
        let top = try tx.load(self.top)
        let capacity = try tx.load(self.capacity)
        guard (base | top) & 7 == 0, Address(base).region < SpaceLayout.regionCountMax,
            capacity <= SystemLayout.objectsEnd,
            Address(base).offset + capacity <= SystemLayout.objectsEnd,
            base <= top, top <= base + capacity
        else { throw ObjectError.damaged("an allocator with a wrong extent", at: address) }
        return Extent(base: Address(base), top: Address(top), end: Address(base + capacity))
    }

    /// Gives an allocator without objects its memory.
    func setExtent(base: Address, capacity: UInt64, _ tx: inout Transaction) throws {
        try tx.store(base.rawValue, at: self.base)
        try tx.store(base.rawValue, at: top)
        try tx.store(base.rawValue, at: reserved)
        try tx.store(capacity, at: self.capacity)
    }

    /// Gives an allocator without objects other memory of its region.
    func move(
        _ info: AllocatorInfo, in region: RegionObject, capacity: UInt64, _ tx: inout Transaction
    ) throws {
        let extents = try tx.load(region.extents)
        try extents.remove(TableKey(extentAt: info.base), &tx)
        let base = try region.gap(of: capacity, number: info.region, &tx)
        try setExtent(base: base, capacity: capacity, &tx)
        try extents.insert(address, TableKey(extentAt: base), &tx)
    }

    /// Takes the room of new objects, with frames for all of it.
    /// - Returns: the lowest byte.
    func takeRoom(
        for count: Int, of descriptor: ClassDescriptor, _ tx: inout Transaction
    ) throws -> Address {
        try checkNew(descriptor, &tx)
        let extent = try extent(&tx)
        let start = descriptor.alignedUp(extent.top)
        let (bytes, overflow) = count.multipliedReportingOverflow(by: descriptor.stride)
        guard !overflow, start <= extent.end, bytes <= extent.end.rawValue - start.rawValue else {
            let info = try info(&tx)
            throw ObjectError.full(
                .allocator(
                    info.name, free: info.free, capacity: info.capacity, asked: count))
        }
        try reserveFrames(extent, upTo: start + bytes, &tx)
        try tx.store((start + bytes).rawValue, at: top)
        return start
    }

    /// Checks that users may make objects of a class here.
    func checkNew(_ descriptor: ClassDescriptor, _ tx: inout Transaction) throws {
        guard !descriptor.isSystem else {
            throw ObjectError.notPermitted(.instances(class: descriptor.name))
        }
        try tx.checkCurrent(descriptor)
        guard try tx.header(of: address) == AllocatorObject.builtIn.header else {
            throw ObjectError.notFound(.allocatorObject(address))
        }
        guard self != .system else {
            throw ObjectError.notPermitted(.systemAllocator)
        }
    }

    /// Memory of the system allocator that was never used, which is zero.
    /// - Returns: where the object's header will be.
    func grow(by descriptor: ClassDescriptor, _ tx: inout Transaction) throws -> Address {
        let extent = try extent(&tx)
        let start = descriptor.alignedUp(extent.top)
        let end = start + descriptor.stride
        guard end <= extent.end else {
            throw ObjectError.full(.systemAllocator(class: descriptor.name))
        }
        try reserveFrames(extent, upTo: end, &tx)
        try tx.store(end.rawValue, at: top)
        return start + 8 * descriptor.referenceCount
    }

    /// Gives frames to the memory in steps that grow with it, up to 256 KiB, and to the part of
    /// the object map above it.
    private func reserveFrames(
        _ extent: Extent, upTo end: Address, _ tx: inout Transaction
    ) throws {
        let reserved = max(extent.base, Address(try tx.load(self.reserved)))
        guard end > reserved else { return }
        let used = Int(end.rawValue - extent.base.rawValue)
        let step = min(max(used, Address.pageSize), Int(ObjectMap.bytesPerPage))
        let wanted = min(wholePage(end + step), extent.end)
        do throws(TransactionError) {
            try tx.reserve(reserved, count: Int(wanted.rawValue - reserved.rawValue))
            try tx.store(wanted.rawValue, at: self.reserved)
        } catch .outOfMemory {
            // Near the limit of the space every page counts.
            let needed = wholePage(end)
            try tx.reserve(reserved, count: Int(needed.rawValue - reserved.rawValue))
            try tx.store(needed.rawValue, at: self.reserved)
        }
    }

    private func wholePage(_ address: Address) -> Address {
        let pageMask = UInt64(Address.pageSize - 1)
        return Address((address.rawValue + pageMask) & ~pageMask)
    }
}
