/// The memory of an allocator: objects from `base` to `top`, room for more up to `end`.
struct Extent {
    let base: Address
    let top: Address
    let end: Address
}

/// Making and freeing the objects that the layer itself is made of.
///
/// They come from the system allocator, which only ever grows. What is freed goes to a list for
/// each class, headed in the System object, and is used again before the allocator grows: a freed
/// object has no bit in the object map, and in place of its header the address of the next one.
extension Transaction {
    /// The reference in a slot of an object.
    @inline(__always)
    mutating func link(_ object: Address, _ slot: Int) throws(TransactionError) -> Address {
        guard object.rawValue & 7 == 0 else { throw .invalidAddress(object) }
        return Address(try load(object - 8 * (slot + 1), as: UInt64.self))
    }

    @inline(__always)
    mutating func setLink(
        _ object: Address, _ slot: Int, to target: Address
    ) throws(TransactionError) {
        try store(target.rawValue, at: object - 8 * (slot + 1))
    }

    /// Checks that a link of the layer's own structures leads to an object of the class it must.
    @inline(__always)
    mutating func expect(_ builtIn: BuiltInClass, at object: Address) throws {
        guard object.rawValue & 7 == 0, try load(object, as: UInt64.self) == builtIn.header else {
            throw ObjectError.damaged("no \(builtIn.name)", at: object)
        }
    }

    /// A fresh object of a built-in class, all its fields zero.
    mutating func newSystemObject(_ builtIn: BuiltInClass) throws -> Address {
        let descriptor = builtIn.descriptor
        let list = ObjectSystem.root + (SystemLayout.System.freed + 8 * builtIn.rawValue)
        let freed = Address(try load(list, as: UInt64.self))
        let object: Address
        if freed == .null {
            object = try growSystem(descriptor)
        } else {
            guard freed.rawValue & 7 == 0, freed > ObjectSystem.systemAllocator,
                freed.rawValue < SystemLayout.systemBase + SystemLayout.systemCapacity,
                try !isMarked(freed)
            else {
                throw ObjectError.damaged("a list of freed objects leads to an object", at: freed)
            }
            object = freed
            try store(load(freed, as: UInt64.self), at: list)
            try zero(descriptor.start(of: object), count: descriptor.size)
        }
        try store(builtIn.header, at: object)
        try setMark(object)
        return object
    }

    /// Takes an object out of the space. Nothing refers to it any more.
    mutating func freeSystemObject(_ object: Address, _ builtIn: BuiltInClass) throws {
        try expect(builtIn, at: object)
        let list = ObjectSystem.root + (SystemLayout.System.freed + 8 * builtIn.rawValue)
        try clearMark(object)
        try store(load(list, as: UInt64.self), at: object)
        try store(object.rawValue, at: list)
    }

    /// Memory that was never used, which is zero.
    private mutating func growSystem(_ descriptor: ClassDescriptor) throws -> Address {
        let allocator = ObjectSystem.systemAllocator
        let extent = try extent(of: allocator)
        let start = descriptor.alignedUp(extent.top)
        let end = start + descriptor.stride
        guard end <= extent.end else {
            throw ObjectError(
                .full,
                "The system allocator has no room for another \(descriptor.name) object; those that"
                    + " are removed make room only for their like.")
        }
        try reserveFrames(allocator, extent, upTo: end)
        try store(end.rawValue, at: allocator + SystemLayout.Allocator.top)
        return start + 8 * descriptor.referenceCount
    }

    /// The memory of an allocator, checked: the range lies in one region, and `top` in it.
    mutating func extent(of allocator: Address) throws -> Extent {
        let base: UInt64 = try load(allocator + SystemLayout.Allocator.base)
        let top: UInt64 = try load(allocator + SystemLayout.Allocator.top)
        let capacity: UInt64 = try load(allocator + SystemLayout.Allocator.capacity)
        guard (base | top) & 7 == 0, Address(base).region < SpaceLayout.regionCountMax,
            capacity <= SystemLayout.objectsEnd,
            Address(base).offset + capacity <= SystemLayout.objectsEnd,
            base <= top, top <= base + capacity
        else { throw ObjectError.damaged("an allocator with a wrong extent", at: allocator) }
        return Extent(base: Address(base), top: Address(top), end: Address(base + capacity))
    }

    /// Gives frames to an allocator's memory in steps that grow with it, up to 256 KiB, and to the
    /// part of the object map above it.
    mutating func reserveFrames(_ allocator: Address, _ extent: Extent, upTo end: Address) throws {
        let place = allocator + SystemLayout.Allocator.reserved
        let reserved = max(extent.base, Address(try load(place, as: UInt64.self)))
        guard end > reserved else { return }
        let used = Int(end.rawValue - extent.base.rawValue)
        let step = min(max(used, Address.pageSize), Int(ObjectMap.bytesPerPage))
        let wanted = min(roundedUp(end + step), extent.end)
        do throws(TransactionError) {
            try reserve(reserved, count: Int(wanted.rawValue - reserved.rawValue))
            try store(wanted.rawValue, at: place)
        } catch .outOfMemory {
            // Near the limit of the space every page counts.
            let needed = roundedUp(end)
            try reserve(reserved, count: Int(needed.rawValue - reserved.rawValue))
            try store(needed.rawValue, at: place)
        }
    }

    private func roundedUp(_ address: Address) -> Address {
        let pageMask = UInt64(Address.pageSize - 1)
        return Address((address.rawValue + pageMask) & ~pageMask)
    }
}
