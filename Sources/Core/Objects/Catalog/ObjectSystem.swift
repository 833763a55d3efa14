/// The objects that every space begins with: the System object, the built-in classes, the region
/// `transactional` and its allocator `system`.
///
///     region 1, offset 4 KiB   the System object, then nine Class objects, then the Allocator
///     after them              Field objects, the tables of names, classes and regions, the Region
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
                try SystemObject.root.checkLayoutVersion(&tx)
            } else {
                // Frames come before the first commit, also that of a process killed in it.
                if space.usage.version > 1, try space.residency(ofRegion: 1).pages == 0 {
                    throw SpaceError.damaged(space.name, "the memory of its region 1 is gone")
                }
                let owner = space.filesOwner
                try SystemObject.make(
                    Ownership(uid: owner.user, gid: owner.group, mode: 0o755), &tx)
            }
        }
    }
}

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

/// Where the first objects of a space lie, and where objects can be at all.
enum SystemLayout {
    /// Bytes from the start of region 1 to the system allocator's memory.
    static let systemBase: UInt64 = 0x80_0000_1000
    /// Bytes of the system allocator. Address space only: memory comes when it is used.
    static let systemCapacity: UInt64 = (64 << 30) - 0x1000
    /// Address of the System object.
    static let root: UInt64 = systemBase + 40
    /// Address of the first built-in `Class` object, and of the system allocator after the last.
    static let firstClass: UInt64 = systemBase + 256 + 16
    static let systemAllocator: UInt64 = systemBase + 256 + 9 * 128 + 16
    /// Raised whenever one of the built-in classes changes.
    static let version: UInt64 = 2

    /// The objects of a region lie below this; the object map lies above.
    static let objectsEnd: UInt64 = 504 << 30
    /// The first region that `createRegion` may make; the ones below it are the default regions.
    static let firstUserRegion = 4
    static let transactionalRegion = 1
    /// Below this many bytes, new objects are cheaper as stores than as a record of their own.
    static let fillBytesMin = 512
}
