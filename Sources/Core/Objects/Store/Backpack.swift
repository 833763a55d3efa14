/// Backpacks: the instance lists of the classes.
///
/// A class has a backpack for each allocator that holds objects of it, so that nodes with their
/// own allocators never meet in one. It lists runs of objects, `{first, count}`, one stride apart;
/// a run that continues the last one only makes it longer, so a batch costs one entry however
/// large it is. A backpack that is full goes on in another: the head knows the last.
///
///     Class.instances -> head -> nextOfClass -> ...          all heads of a class
///     Allocator.backpacks -> head -> nextInAllocator -> ...  all heads of an allocator
///     head.next -> ... -> head.last                          the parts of one backpack
extension Transaction {
    /// How many objects of a class exist.
    public mutating func instanceCount(of descriptor: ClassDescriptor) throws -> UInt64 {
        try checkCurrent(descriptor)
        var count: UInt64 = 0
        var head = try link(descriptor.address, SystemLayout.Class.instances)
        var steps = 0
        while head != .null {
            try checkHead(head, &steps)
            count &+= try load(head + SystemLayout.Backpack.memberCount, as: UInt64.self)
            head = try link(head, SystemLayout.Backpack.nextOfClass)
        }
        return count
    }

    /// How many objects an allocator holds.
    public mutating func objectCount(in allocator: Address) throws -> UInt64 {
        let info = try self.allocator(at: allocator)
        if info.isSystem { return try markCount(info.base..<info.top) }
        var count: UInt64 = 0
        var head = try link(allocator, SystemLayout.Allocator.backpacks)
        var steps = 0
        while head != .null {
            try checkHead(head, &steps)
            count &+= try load(head + SystemLayout.Backpack.memberCount, as: UInt64.self)
            head = try link(head, SystemLayout.Backpack.nextInAllocator)
        }
        return count
    }

    /// Lists a run of new objects in the backpack of their class and allocator.
    mutating func addToBackpack(
        _ descriptor: ClassDescriptor, _ allocator: Address, first: Address, count: Int
    ) throws {
        let head = try backpack(of: descriptor, in: allocator)
        let members = head + SystemLayout.Backpack.memberCount
        try store(load(members, as: UInt64.self) &+ UInt64(count), at: members)

        var part = try link(head, SystemLayout.Backpack.last)
        try expect(.backpack, at: part)
        var runs = try runCount(of: part)
        if runs > 0 {
            let place = countPlace(part, runs - 1)
            let lastFirst = try link(part, SystemLayout.Backpack.first + runs - 1)
            let lastCount: UInt64 = try load(place)
            if lastFirst.rawValue &+ lastCount &* UInt64(descriptor.stride) == first.rawValue {
                return try store(lastCount &+ UInt64(count), at: place)
            }
        }
        if runs == SystemLayout.Backpack.runCountMax {
            let next = try newBackpack(descriptor, allocator)
            try setLink(part, SystemLayout.Backpack.next, to: next)
            try setLink(head, SystemLayout.Backpack.last, to: next)
            part = next
            runs = 0
        }
        try setLink(part, SystemLayout.Backpack.first + runs, to: first)
        try store(UInt64(count), at: countPlace(part, runs))
        try store(UInt64(runs + 1), at: part + SystemLayout.Backpack.runCount)
    }

    /// The runs in one part of a backpack.
    mutating func runCount(of part: Address) throws -> Int {
        let runs: UInt64 = try load(part + SystemLayout.Backpack.runCount)
        guard runs <= UInt64(SystemLayout.Backpack.runCountMax) else {
            throw ObjectError.damaged("a backpack with too many runs", at: part)
        }
        return Int(runs)
    }

    func countPlace(_ part: Address, _ run: Int) -> Address {
        part + (SystemLayout.Backpack.counts + 8 * run)
    }

    /// Checks the next head of a list, whose length no damage may make endless.
    mutating func checkHead(_ head: Address, _ steps: inout Int) throws {
        try expect(.backpack, at: head)
        steps += 1
        guard steps < 1 << 20 else {
            throw ObjectError.damaged("a list of backpacks without end", at: head)
        }
    }

    /// The head for a class in an allocator, made now if it is the first object.
    private mutating func backpack(
        of descriptor: ClassDescriptor, in allocator: Address
    ) throws -> Address {
        let first = try link(allocator, SystemLayout.Allocator.backpacks)
        var head = first
        var steps = 0
        while head != .null {
            try checkHead(head, &steps)
            if try link(head, SystemLayout.Backpack.memberClass) == descriptor.address {
                return head
            }
            head = try link(head, SystemLayout.Backpack.nextInAllocator)
        }
        head = try newBackpack(descriptor, allocator)
        try setLink(head, SystemLayout.Backpack.last, to: head)
        try setLink(head, SystemLayout.Backpack.nextInAllocator, to: first)
        try setLink(
            head, SystemLayout.Backpack.nextOfClass,
            to: try link(descriptor.address, SystemLayout.Class.instances))
        try setLink(allocator, SystemLayout.Allocator.backpacks, to: head)
        try setLink(descriptor.address, SystemLayout.Class.instances, to: head)
        return head
    }

    private mutating func newBackpack(
        _ descriptor: ClassDescriptor, _ allocator: Address
    ) throws -> Address {
        let part = try newSystemObject(.backpack)
        try setLink(part, SystemLayout.Backpack.memberClass, to: descriptor.address)
        try setLink(part, SystemLayout.Backpack.allocator, to: allocator)
        return part
    }

    private mutating func markCount(_ range: Range<Address>) throws -> UInt64 {
        var count: UInt64 = 0
        var position = ObjectMap.base(ofWordWith: range.lowerBound)
        while position < range.upperBound {
            let word: UInt64 = try load(ObjectMap.word(of: position))
            count += UInt64(word.nonzeroBitCount)
            position = position + Int(ObjectMap.bytesPerWord)
        }
        return count
    }
}

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
