/// What holds for the whole space rather than for a region.
public struct SystemInfo: Hashable, Sendable {
    /// Who owns the space: the owner of its files, unless it was given away.
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
    }
}

extension SystemObject {
    static var root: SystemObject { SystemObject(ObjectSystem.root) }

    func ownership(of part: SystemInfo.Part) -> TypedAddress<Ownership> {
        switch part {
        case .space: TypedAddress(owner.address)
        case .names: TypedAddress(namesOwner.address)
        case .classes: TypedAddress(classesOwner.address)
        }
    }

    func checkLayoutVersion(_ tx: inout Transaction) throws {
        let version = try tx.load(layoutVersion)
        guard version == SystemLayout.version else {
            throw ObjectError.invalid(.layout(found: version, known: SystemLayout.version))
        }
    }

    /// Makes the first objects of a space.
    static func make(_ ownership: Ownership, _ tx: inout Transaction) throws {
        try tx.reserve(Address(SystemLayout.systemBase), count: 64 << 10)
        try makeFirst(root, &tx)
        try tx.store(SystemLayout.version, at: root.layoutVersion)
        try tx.store(SystemCalls.secondsSince1970, at: root.created)
        for part in SystemInfo.Part.allCases { try tx.setOwnership(ownership, of: part) }
        for builtIn in BuiltInClass.allCases { try makeFirst(builtIn.object, &tx) }
        try makeAllocator(ownership, &tx)
        for table in [root.names, root.classes, root.regions, root.regionsByNumber] {
            try tx.store(try Table.make(&tx), at: table)
        }
        for builtIn in BuiltInClass.allCases {
            let key = try ClassObject.key(builtIn.name)
            try tx.store(key.name, at: builtIn.object.name)
            try builtIn.object.storeDefinition(builtIn.descriptor, &tx)
            try tx.load(root.classes).insert(builtIn.address, key, &tx)
        }
        let region = try RegionObject.add(
            "transactional", number: SystemLayout.transactionalRegion, ownership, &tx)
        try AllocatorObject.system.enter("system", into: region, &tx)
    }

    /// Everything of the system allocator but its region, which it is needed to make.
    private static func makeAllocator(_ ownership: Ownership, _ tx: inout Transaction) throws {
        let allocator = AllocatorObject.system
        try makeFirst(allocator, &tx)
        let descriptor = BuiltInClass.allocator.descriptor
        let top = descriptor.start(of: allocator.address) + descriptor.stride
        try tx.store(SystemLayout.systemBase, at: allocator.base)
        try tx.store(SystemLayout.systemCapacity, at: allocator.capacity)
        try tx.store(top.rawValue, at: allocator.top)
        try tx.store(SystemLayout.systemBase + (64 << 10), at: allocator.reserved)
        try tx.store(ownership, at: allocator.ownership)
        try tx.store(allocator, at: root.allocator)
    }

    private static func makeFirst<T: BuiltInObject>(_ object: T, _ tx: inout Transaction) throws {
        try tx.store(T.builtIn.header, at: object.address)
        try ObjectMap.insert(object.address, &tx)
    }
}

extension Transaction {
    public mutating func systemInfo() throws -> SystemInfo {
        let root = SystemObject.root
        return SystemInfo(
            ownership: try load(root.ownership(of: .space)),
            names: try load(root.ownership(of: .names)),
            classes: try load(root.ownership(of: .classes)),
            created: try load(root.created))
    }

    /// Changes owner, group and mode of the space, of its names, or of its classes.
    public mutating func setOwnership(_ ownership: Ownership, of part: SystemInfo.Part) throws {
        try store(ownership, at: SystemObject.root.ownership(of: part))
    }
}

/// What a transaction at a fixed view need not have checked when it commits.
///
/// Such a transaction lives for seconds, and the search for an object reads lines that others
/// change all the time: the object map of a page, the nodes of a table, the lists in the System
/// object. That something is there stays true until it is removed, and its removal writes its
/// header. So a search that found something counts as one read of what it found; one
/// that found nothing counts with every line that it looked at, so that nothing can appear
/// unnoticed.
extension Transaction {
    /// Runs a search, and forgets what it read if it found something.
    @inline(__always)
    mutating func forgettingSearch<R>(
        _ search: (inout Transaction) throws -> R?
    ) rethrows -> R? {
        guard readsFixedView else { return try search(&self) }
        let position = readPosition()
        let found = try search(&self)
        if found != nil { forgetReads(since: position) }
        return found
    }

    /// A reference in the System object that never changes once it is set.
    mutating func loadFixed(_ reference: TypedAddress<Table>) throws(TransactionError) -> Table {
        let position = readPosition()
        let target = try load(reference)
        if readsFixedView { forgetReads(since: position) }
        return target
    }
}
