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
    static var root: SystemObject { SystemObject(SystemArea.root) }

    func ownership(of part: SystemInfo.Part) -> TypedAddress<Ownership> {
        switch part {
        case .space: TypedAddress(owner.address)
        case .names: TypedAddress(namesOwner.address)
        case .classes: TypedAddress(classesOwner.address)
        }
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

/// Where the first objects of a space lie, and where objects can be at all.
enum SystemLayout {
    /// Address of the system allocator's memory, in region 1.
    static let systemBase: UInt64 = 0x80_0000_1000
    /// Bytes of the system allocator. Address space only: memory comes when it is used.
    static let systemCapacity: UInt64 = (64 << 30) - 0x1000
    /// Address of the System object.
    static let root: UInt64 = systemBase + 40
    /// Address of the first built-in `Class` object, and of the system allocator after the last.
    static let firstClass: UInt64 = systemBase + 256 + 16
    static let systemAllocator: UInt64 = systemBase + 256 + 9 * 128 + 16
    /// Raised whenever one of the built-in classes changes.
    static let version: UInt64 = 3

    /// The objects of a region lie below this; the object map lies above.
    static let objectsEnd: UInt64 = 504 << 30
    /// The first region that `createRegion` may make; the ones below it are the default regions.
    static let firstUserRegion = 4
    static let transactionalRegion = 1
    /// Below this many bytes, new objects are cheaper as stores than as a record of their own.
    static let fillBytesMin = 512
}
