/// Where a listing of a class's objects stands.
public struct InstanceCursor: Hashable, Sendable {
    /// The part of a backpack, the head that it belongs to, the run in it, the object in the run.
    var head: Address
    var part: Address
    var run: Int
    var index: UInt64
}

/// A part of a listing of a class's objects.
public struct InstancePage: Sendable {
    public var objects: [Address] = []
    /// Where the next part begins; nil at the end.
    public var next: InstanceCursor?
}

extension Transaction {
    /// Up to `limit` objects of a class, allocator by allocator; begin with nil.
    ///
    /// Backpacks only grow, so objects that are made meanwhile disturb a listing nowhere. The
    /// objects of built-in classes are in no backpack: list the system allocator.
    public mutating func instances(
        of descriptor: ClassDescriptor, after cursor: InstanceCursor?, limit: Int
    ) throws -> InstancePage {
        try checkCurrent(descriptor)
        var page = InstancePage()
        let head = try link(descriptor.address, SystemLayout.Class.instances)
        var cursor = cursor ?? InstanceCursor(head: head, part: .null, run: 0, index: 0)
        var steps = 0
        while cursor.head != .null {
            if cursor.part == .null { cursor.part = cursor.head }
            try check(cursor, of: descriptor)
            guard try cursor.run < runCount(of: cursor.part) else {
                try advance(&cursor, &steps)
                continue
            }
            let first = try link(cursor.part, SystemLayout.Backpack.first + cursor.run)
            let count: UInt64 = try load(countPlace(cursor.part, cursor.run))
            guard count <= SystemLayout.objectsEnd / UInt64(descriptor.stride) else {
                throw ObjectError.damaged("a backpack with too many objects", at: cursor.part)
            }
            while cursor.index < count {
                guard page.objects.count < limit else {
                    page.next = cursor
                    return page
                }
                page.objects.append(
                    first + Int(truncatingIfNeeded: cursor.index) &* descriptor.stride)
                cursor.index += 1
            }
            cursor.run += 1
            cursor.index = 0
        }
        return page
    }

    /// Checks a cursor, which may come from anywhere.
    private mutating func check(_ cursor: InstanceCursor, of descriptor: ClassDescriptor) throws {
        guard cursor.run >= 0, try isObject(cursor.part), try isObject(cursor.head) else {
            throw ObjectError(.invalid, "The listing of \(descriptor.name) must begin anew.")
        }
        try expect(.backpack, at: cursor.part)
        try expect(.backpack, at: cursor.head)
        guard try link(cursor.part, SystemLayout.Backpack.memberClass) == descriptor.address else {
            throw ObjectError.damaged("a backpack of another class", at: cursor.part)
        }
    }

    /// To the next part of the backpack, or to the next backpack of the class.
    private mutating func advance(_ cursor: inout InstanceCursor, _ steps: inout Int) throws {
        try checkHead(cursor.part, &steps)
        cursor.run = 0
        cursor.index = 0
        cursor.part = try link(cursor.part, SystemLayout.Backpack.next)
        guard cursor.part == .null else { return }
        cursor.head = try link(cursor.head, SystemLayout.Backpack.nextOfClass)
    }
}
