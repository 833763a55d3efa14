/// Where the first objects of a space lie, and where objects can be at all.
enum SystemLayout {
    /// Bytes from the start of region 1 to the system allocator's memory.
    static let systemBase: UInt64 = 0x80_0000_1000
    /// Bytes of the system allocator. Address space only: memory comes when it is used.
    static let systemCapacity: UInt64 = (64 << 30) - 0x1000
    /// Address of the System object.
    static let root: UInt64 = systemBase + 40
    /// Address of the first built-in `Class` object, and of the system allocator behind the last.
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
