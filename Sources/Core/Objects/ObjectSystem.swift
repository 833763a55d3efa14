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
    public static func bootstrap(_ space: Space) throws {
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
    /// Attaches to a space and sees to it that it has its first objects.
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
