/// The objects that every space begins with: the System object, the built-in classes, the region
/// `transactional` and its allocator `system`.
///
///     region 1, offset 4 KiB   the System object, then nine Class objects, then the Allocator
///     behind them              Field objects, the tables of names, classes and regions, the Region
///
/// The first ones are at the same addresses in every space, so that finding anything begins
/// without a search.
public enum ObjectSystem {
    /// Address of the System object; owner, group and mode of the space, of the names and of the
    /// classes are kept in it.
    public static let root = Address(SystemLayout.root)
    /// Address of the allocator of all objects of the layer itself.
    public static let systemAllocator = Address(SystemLayout.systemAllocator)
    /// Where all objects of the layer itself are, and nothing else.
    public static let memory =
        Address(
            SystemLayout.systemBase)..<Address(
            SystemLayout.systemBase + SystemLayout.systemCapacity)

    /// Whether an address lies where the space's own objects are, and no others.
    public static func holds(_ address: Address) -> Bool {
        address.rawValue >= SystemLayout.systemBase
            && address.rawValue - SystemLayout.systemBase < SystemLayout.systemCapacity
    }

    /// Puts the first objects into a space, in one transaction, unless they are there.
    ///
    /// Everyone who attaches calls this; of several at once one does it. They belong to whom the
    /// files of the space belong to.
    /// - Throws: `ObjectError` if the space was made by a version with other built-in classes;
    ///   `SpaceError.damaged` if it had commits, but their memory is gone.
    package static func bootstrap(_ space: Space) throws {
        try space.transact { tx in
            if try tx.load(root, as: UInt64.self) == BuiltInClass.system.header {
                try tx.checkLayoutVersion()
            } else {
                // Frames come before the first commit, also that of a process killed in it.
                if space.usage.version > 1, try space.residency(ofRegion: 1).pages == 0 {
                    throw SpaceError.damaged(space.name, "the memory of its region 1 is gone")
                }
                let owner = space.filesOwner
                try tx.makeSystem(Ownership(uid: owner.user, gid: owner.group, mode: 0o755))
            }
        }
    }
}

extension Space {
    /// Attaches to a space, making it if it is not there: the way in for every program. Several
    /// processes may do so at once; what a killed one left behind is mended.
    ///
    /// - Parameter name: letters, digits, `.`, `_` and `-`, as in `rainbowfs NAME MOUNTPOINT`.
    /// - Throws: `SpaceError` if it cannot be made or used, `ObjectError` if a version made it
    ///   that has other built-in classes.
    public static func open(
        _ name: String, _ options: SpaceOptions = SpaceOptions()
    ) throws -> Space {
        let space = try attach(name, options)
        do {
            try ObjectSystem.bootstrap(space)
        } catch {
            space.detach()
            // Of a space that could not be made, for want of memory, nothing stays.
            if options.create { try? destroyIfUnused(name, options) }
            throw error
        }
        return space
    }
}

/// Owner, group and permission bits, as stored with regions, allocators, names and classes.
public struct Ownership: Hashable, Sendable {
    public var uid: UInt32
    public var gid: UInt32
    /// The lowest twelve bits of `st_mode`.
    public var mode: UInt16
    /// What it takes in an object.
    public static let byteCount = 10

    public init(uid: UInt32, gid: UInt32, mode: UInt16) {
        self.uid = uid
        self.gid = gid
        self.mode = mode & 0o7777
    }
}

extension Transaction {
    fileprivate mutating func checkLayoutVersion() throws {
        let place = ObjectSystem.root + SystemLayout.System.layoutVersion
        let version: UInt64 = try load(place)
        guard version == SystemLayout.version else {
            throw ObjectError(
                .invalid,
                "The objects of this space have layout \(version), this program knows layout "
                    + "\(SystemLayout.version); use the rainbowfs that made it, or destroy it.")
        }
    }

    fileprivate mutating func makeSystem(_ ownership: Ownership) throws {
        let root = ObjectSystem.root
        try reserve(Address(SystemLayout.systemBase), count: 64 << 10)
        try makeFirstObject(.system, at: root)
        try store(SystemLayout.version, at: root + SystemLayout.System.layoutVersion)
        try store(SystemCalls.secondsSince1970, at: root + SystemLayout.System.created)
        for part in SystemInfo.Part.allCases { try setOwnership(ownership, of: part) }
        for builtIn in BuiltInClass.allCases { try makeFirstObject(.class, at: builtIn.address) }
        try makeSystemAllocator(ownership)
        for slot in [
            SystemLayout.System.names, SystemLayout.System.classes, SystemLayout.System.regions,
            SystemLayout.System.regionsByNumber,
        ] {
            try setLink(root, slot, to: try newSystemObject(.table))
        }
        for builtIn in BuiltInClass.allCases {
            let key = try classKey(builtIn.name)
            try storeName(
                key.name, at: builtIn.address + SystemLayout.Class.name,
                byteCount: ObjectLimits.nameBytes)
            try storeDefinition(builtIn.descriptor)
            try insertTableEntry(builtIn.address, key, in: try classesRoot())
        }
        let region = try addRegion(
            "transactional", number: SystemLayout.transactionalRegion, ownership)
        try addToTables(ObjectSystem.systemAllocator, "system", region: region)
    }

    /// Everything of the system allocator but its region, which it is needed to make.
    private mutating func makeSystemAllocator(_ ownership: Ownership) throws {
        let allocator = ObjectSystem.systemAllocator
        try makeFirstObject(.allocator, at: allocator)
        let descriptor = BuiltInClass.allocator.descriptor
        let top = descriptor.start(of: allocator) + descriptor.stride
        try store(SystemLayout.systemBase, at: allocator + SystemLayout.Allocator.base)
        try store(SystemLayout.systemCapacity, at: allocator + SystemLayout.Allocator.capacity)
        try store(top.rawValue, at: allocator + SystemLayout.Allocator.top)
        try store(
            SystemLayout.systemBase + (64 << 10), at: allocator + SystemLayout.Allocator.reserved)
        try storeOwnership(ownership, at: allocator + SystemLayout.Allocator.ownership)
        try setLink(ObjectSystem.root, SystemLayout.System.allocator, to: allocator)
    }

    private mutating func makeFirstObject(_ builtIn: BuiltInClass, at address: Address) throws {
        try store(builtIn.header, at: address)
        try setMark(address)
    }

    mutating func loadOwnership(_ place: Address) throws(TransactionError) -> Ownership {
        Ownership(uid: try load(place), gid: try load(place + 4), mode: try load(place + 8))
    }

    mutating func storeOwnership(
        _ ownership: Ownership, at place: Address
    ) throws(TransactionError) {
        try store(ownership.uid, at: place)
        try store(ownership.gid, at: place + 4)
        try store(ownership.mode & 0o7777, at: place + 8)
    }
}

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

/// What a transaction at a fixed moment need not have checked when it commits.
///
/// Such a transaction lives for seconds, and the way to an object leads over lines that others
/// change all the time: the object map of a page, the nodes of a table, the lists in the System
/// object. That something is there stays true until it is removed, and whoever removes it writes to
/// its own header. So a search that found something counts as one read of what it found; one that
/// found nothing counts with every line that it looked at, so that nothing can appear unnoticed.
extension Transaction {
    /// Runs a search, and forgets what it read if it found something.
    @inline(__always)
    mutating func forgettingTheWay<R>(
        _ search: (inout Transaction) throws -> R?
    ) rethrows -> R? {
        guard readsFixedMoment else { return try search(&self) }
        let mark = markReads()
        let found = try search(&self)
        if found != nil { forgetReads(since: mark) }
        return found
    }

    /// A reference in the System object that never changes once it is set.
    mutating func fixedLink(_ slot: Int) throws(TransactionError) -> Address {
        let mark = markReads()
        let target = try link(ObjectSystem.root, slot)
        if readsFixedMoment { forgetReads(since: mark) }
        return target
    }
}
