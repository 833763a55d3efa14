/// Backpacks: the instance lists of the classes.
///
/// A class has a backpack for each allocator that holds objects of it, so that nodes with their
/// own allocators never meet in one. It lists runs of objects, `{first, count}`, one stride apart;
/// a run that continues the last one only makes it longer, so a batch costs one entry however
/// large it is. A run may be open: then the object map says how many it has (`OpenRun`). A part
/// that is full goes on in another: the head knows the last.
///
///     Class.instances -> head -> nextOfClass -> ...          all heads of a class
///     Allocator.backpacks -> head -> nextInAllocator -> ...  all heads of an allocator
///     head.next -> ...                                       the parts of one backpack
///     head.last                                              the part that goes on
extension Backpack {
    /// Lists a run of new objects in the backpack of their class and allocator.
    static func add(
        first: Address, count: Int, of descriptor: ClassDescriptor,
        in allocator: AllocatorObject, _ tx: inout Transaction
    ) throws {
        let head = try Backpack.head(of: descriptor, in: allocator, &tx)
        try tx.store(tx.load(head.memberCount) &+ UInt64(count), at: head.memberCount)

        let part = try tx.load(head.last)
        try part.check(&tx)
        let runs = try part.runs(&tx)
        if runs > 0 {
            let lastFirst = try tx.load(part.first[runs - 1])
            let lastCount = try tx.load(part.counts[runs - 1])
            if lastCount >> 63 == 0,
                lastFirst.rawValue &+ lastCount &* UInt64(descriptor.stride) == first.rawValue
            {
                return try tx.store(lastCount &+ UInt64(count), at: part.counts[runs - 1])
            }
        }
        try head.append(first, UInt64(count), &tx)
    }

    /// Adds a run to the last of the parts of a head that no slot has for itself.
    /// - Parameter word: how many objects, or `OpenRun.word`.
    func append(
        _ first: Address, _ word: UInt64, _ tx: inout Transaction
    ) throws {
        var part = try tx.load(last)
        try part.check(&tx)
        var runs = try part.runs(&tx)
        if runs == part.first.count {
            part = try insertPart(after: part, &tx)
            try tx.store(part, at: last)
            runs = 0
        }
        try part.setRun(runs, first, word, &tx)
    }

    /// Makes another part of a head.
    func insertPart(after part: Backpack, _ tx: inout Transaction) throws -> Backpack {
        let new = try Backpack.make(&tx)
        try tx.store(tx.load(memberClass), at: new.memberClass)
        try tx.store(tx.load(allocator), at: new.allocator)
        try tx.store(tx.load(part.next), at: new.next)
        try tx.store(new, at: part.next)
        return new
    }

    /// Adds a run after those that a part has.
    func setRun(
        _ index: Int, _ first: Address, _ word: UInt64, _ tx: inout Transaction
    ) throws {
        try tx.store(first, at: self.first[index])
        try tx.store(word, at: counts[index])
        try tx.store(UInt64(index + 1), at: runCount)
    }

    /// How many objects a run has.
    func objects(inRun index: Int, stride: Int, _ tx: inout Transaction) throws -> UInt64 {
        guard let run = try OpenRun(self, index, &tx) else { return try tx.load(counts[index]) }
        return UInt64(try run.count(stride, &tx))
    }

    /// How many objects the open runs of a head have, which it does not count.
    fileprivate func objectsInOpenRuns(_ tx: inout Transaction) throws -> UInt64 {
        guard try tx.load(openRuns) > 0 else { return 0 }
        let stride = try tx.classDescriptor(at: tx.load(memberClass).address).stride
        var (part, steps, count) = (self, 0, UInt64(0))
        while !part.isNull {
            try part.check(&steps, &tx)
            for index in try 0..<part.runs(&tx) {
                guard let run = try OpenRun(part, index, &tx) else { continue }
                count += UInt64(try run.count(stride, &tx))
            }
            part = try tx.load(part.next)
        }
        return count
    }

    /// How many runs this part has.
    func runs(_ tx: inout Transaction) throws -> Int {
        let runs = try tx.load(runCount)
        guard runs <= UInt64(first.count) else {
            throw ObjectError.damaged("a backpack with too many runs", at: address)
        }
        return Int(runs)
    }

    /// Checks the next one of a list, whose length no damage may make endless.
    func check(_ steps: inout Int, _ tx: inout Transaction) throws {
        try check(&tx)
        steps += 1
        guard steps < 1 << 20 else {
            throw ObjectError.damaged("a list of backpacks without end", at: address)
        }
    }

    /// The head for a class in an allocator, or null.
    static func knownHead(
        of descriptor: ClassDescriptor, in allocator: AllocatorObject, _ tx: inout Transaction
    ) throws -> Backpack {
        var head = try tx.load(allocator.backpacks)
        var steps = 0
        while !head.isNull {
            try head.check(&steps, &tx)
            if try tx.load(head.memberClass) == descriptor.object { break }
            head = try tx.load(head.nextInAllocator)
        }
        return head
    }

    /// The head for a class in an allocator, made now if it is the first object.
    static func head(
        of descriptor: ClassDescriptor, in allocator: AllocatorObject, _ tx: inout Transaction
    ) throws -> Backpack {
        let known = try knownHead(of: descriptor, in: allocator, &tx)
        guard known.isNull else { return known }
        let first = try tx.load(allocator.backpacks)
        let head = try Backpack.make(&tx)
        try tx.store(descriptor.object, at: head.memberClass)
        try tx.store(allocator, at: head.allocator)
        try tx.store(head, at: head.last)
        try tx.store(first, at: head.nextInAllocator)
        try tx.store(tx.load(descriptor.object.instances), at: head.nextOfClass)
        try tx.store(head, at: allocator.backpacks)
        try tx.store(head, at: descriptor.object.instances)
        return head
    }
}

/// Where a listing of a class's objects stands.
public struct InstanceCursor: Hashable, Sendable {
    /// The part of a backpack, the head that it belongs to, the run in it, the object in the run.
    var head: Backpack
    var part: Backpack
    var run: Int
    var index: UInt64
}

/// A part of a listing of a class's objects.
public struct InstancePage: Sendable {
    public var objects: [Address] = []
    /// Where the next part begins; nil at the end.
    public var next: InstanceCursor?
}

extension InstanceCursor {
    /// Checks a cursor, which may come from anywhere.
    fileprivate func check(of descriptor: ClassDescriptor, _ tx: inout Transaction) throws {
        guard run >= 0, try tx.isObject(part.address), try tx.isObject(head.address) else {
            throw ObjectError.invalid(.listing(class: descriptor.name))
        }
        try part.check(&tx)
        try head.check(&tx)
        guard try tx.load(part.memberClass) == descriptor.object else {
            throw ObjectError.damaged("a backpack of another class", at: part.address)
        }
    }

    /// To the next part of the backpack, or to the next backpack of the class.
    fileprivate mutating func advance(_ steps: inout Int, _ tx: inout Transaction) throws {
        try part.check(&steps, &tx)
        run = 0
        index = 0
        part = try tx.load(part.next)
        guard part.isNull else { return }
        head = try tx.load(head.nextOfClass)
    }
}

extension Transaction {
    /// How many objects an allocator holds.
    public mutating func objectCount(in allocator: Address) throws -> UInt64 {
        let info = try self.allocator(at: allocator)
        if info.isSystem { return try ObjectMap.count(in: info.base..<info.top, &self) }
        var count: UInt64 = 0
        var head = try load(info.object.backpacks)
        var steps = 0
        while !head.isNull {
            try head.check(&steps, &self)
            count &+= try load(head.memberCount) &+ head.objectsInOpenRuns(&self)
            head = try load(head.nextInAllocator)
        }
        return count
    }

    /// Up to `limit` objects of a class, allocator by allocator; begin with nil.
    ///
    /// Backpacks only grow, so objects that are made meanwhile disturb a listing nowhere. The
    /// objects of built-in classes are in no backpack: list the system allocator.
    public mutating func instances(
        of descriptor: ClassDescriptor, after cursor: InstanceCursor?, limit: Int
    ) throws -> InstancePage {
        try checkCurrent(descriptor)
        var page = InstancePage()
        let head = try load(descriptor.object.instances)
        var cursor = cursor ?? InstanceCursor(head: head, part: .null, run: 0, index: 0)
        var steps = 0
        while !cursor.head.isNull {
            if cursor.part.isNull { cursor.part = cursor.head }
            try cursor.check(of: descriptor, &self)
            guard try cursor.run < cursor.part.runs(&self) else {
                try cursor.advance(&steps, &self)
                continue
            }
            let first = try load(cursor.part.first[cursor.run])
            let count = try cursor.part.objects(
                inRun: cursor.run, stride: descriptor.stride, &self)
            guard count <= SystemLayout.objectsEnd / UInt64(descriptor.stride) else {
                throw ObjectError.damaged(
                    "a backpack with too many objects", at: cursor.part.address)
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
}
