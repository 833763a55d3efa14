/// Where the fields of the built-in classes lie: slots of references (slot i is 8 * (i + 1) bytes
/// below the object's address) and offsets of scalars behind it.
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

    enum System {
        static let names = 0
        static let classes = 1
        static let regions = 2
        static let regionsByNumber = 3
        static let allocator = 4
        static let layoutVersion = 8
        static let created = 16
        static let ownership = 24
        static let namesOwnership = 36
        static let classesOwnership = 48
        static let freed = 88
    }

    enum Class {
        static let fields = 0
        static let instances = 1
        static let name = 8
        static let revision = 56
        static let fieldCount = 64
        static let referenceCount = 68
        static let scalarBytes = 72
        static let referrers = 76
        static let isSystem = 80
        static let alignment = 84
    }

    enum Field {
        static let owner = 0
        static let next = 1
        static let target = 2
        static let name = 8
        static let offset = 56
        static let count = 60
        static let index = 64
        static let type = 66
        static let isArray = 67
    }

    enum Region {
        static let allocators = 0
        static let extents = 1
        static let name = 8
        static let number = 56
        static let ownership = 60
        static let model = 70
    }

    enum Allocator {
        static let region = 0
        static let backpacks = 1
        static let name = 8
        static let base = 56
        static let capacity = 64
        static let ownership = 72
        static let top = 112
        static let reserved = 120
    }

    enum Name {
        static let target = 0
        static let more = 1
        static let name = 8
        static let nameBytes = 40
    }

    enum Text {
        static let text = 8
    }

    enum Backpack {
        static let memberClass = 0
        static let allocator = 1
        static let nextOfClass = 2
        static let nextInAllocator = 3
        static let next = 4
        static let last = 5
        static let first = 6
        static let memberCount = 8
        static let runCount = 16
        static let counts = 24
        static let runCountMax = 27
    }

    static let tableEntryCount = 16
    /// Below this many bytes, new objects are cheaper as stores than as a record of their own.
    static let fillBytesMin = 512
}
