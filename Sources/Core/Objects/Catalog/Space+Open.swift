extension Space {
    /// Attaches to a space, making it if it is not there: every program begins here. Several
    /// processes may do so at once; what a killed one left is mended.
    ///
    /// - Parameter name: letters, digits, `.`, `_` and `-`, as in `rainbowfs NAME MOUNTPOINT`.
    /// - Throws: `SpaceError` if it cannot be made or used, `ObjectError` if a version made it
    ///   that has other built-in classes.
    public static func open(
        _ name: String, _ options: SpaceOptions = SpaceOptions()
    ) throws -> Space {
        let space = try attach(name, options)
        do {
            try SystemArea.bootstrap(space)
        } catch {
            space.detach()
            // Of a space that could not be made, for want of memory, nothing stays.
            if options.makesSpace { try? destroyIfUnused(name, options) }
            throw error
        }
        return space
    }
}

extension SystemArea {
    /// Puts the first objects into a space, in one transaction, unless they are there.
    ///
    /// Everyone who attaches calls this; of several at once one does it. They belong to whom the
    /// files of the space belong to.
    /// - Throws: `ObjectError` if the space was made by a version with other built-in classes;
    ///   `SpaceError.damaged` if it had commits, but their memory is gone, or something else is
    ///   there.
    package static func bootstrap(_ space: Space) throws {
        try space.transact { tx in
            switch try tx.load(root, as: UInt64.self) {
            case BuiltInClass.system.header: try SystemObject.root.checkLayoutVersion(&tx)
            case 0:
                // Frames come before the first commit, also that of a process killed in it.
                if space.usage.version > 1, try space.residency(ofRegion: 1).pages == 0 {
                    throw SpaceError.damaged(space.name, "the memory of its region 1 is gone")
                }
                let owner = space.filesOwner
                try SystemObject.make(
                    Ownership(uid: owner.user, gid: owner.group, mode: 0o755), &tx)
            default: throw SpaceError.damaged(space.name, "its System object is no such object")
            }
        }
    }
}

extension SystemObject {
    fileprivate func checkLayoutVersion(_ tx: inout Transaction) throws {
        let version = try tx.load(layoutVersion)
        guard version == SystemLayout.version else {
            throw ObjectError.invalid(.layout(found: version, known: SystemLayout.version))
        }
    }

    /// Makes the first objects of a space.
    fileprivate static func make(_ ownership: Ownership, _ tx: inout Transaction) throws {
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
