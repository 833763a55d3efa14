/// Room for objects of one class that one slot fills.
///
/// Two threads that make objects in one allocator would write the same lines: the allocator's top,
/// the backpack, the object map. So one that has lost takes room for many objects at once, mostly
/// to the end of a page, and a part of the backpack for its runs. A run's entry there is written
/// when it is taken and when it is closed, and says whose it is. How many objects it has, the
/// object map says: they follow one another from `first` on, and no others are in its room. Making
/// one writes it and its bit.
///
/// The slot is a hint: a run that others fill, too, or whose thread is gone, is as right. Before an
/// allocator is full, what is left of the runs in it is used, by any class.
struct OpenRun {
    let part: Backpack
    let index: Int
    /// The first object, were there one.
    let first: Address
    /// Of all objects there may be.
    let bytes: Int
    let slot: Int

    /// - Returns: nil if the run is closed: then `word` is a number of objects.
    init?(_ part: Backpack, _ index: Int, _ tx: inout Transaction) throws {
        let word = try tx.load(part.counts[index])
        guard word >> 63 != 0 else { return nil }
        self.part = part
        self.index = index
        first = try tx.load(part.first[index])
        bytes = Int(word & 0xffff_ffff) * 8
        slot = Int(word >> 32 & 0x7fff_ffff)
    }

    /// What stands in the backpack in place of a number of objects.
    static func word(bytes: Int, slot: Int) -> UInt64 {
        1 << 63 | UInt64(slot) << 32 | UInt64(bytes / 8)
    }

    /// How many objects it has, found by halving.
    func count(_ stride: Int, _ tx: inout Transaction) throws -> Int {
        var (low, high) = (0, bytes / stride)
        while low < high {
            let middle = (low + high) / 2
            if try ObjectMap.contains(first + middle * stride, &tx) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }

    /// Where `count` more objects have room.
    func room(
        for count: Int, of descriptor: ClassDescriptor, _ tx: inout Transaction
    ) throws -> Address? {
        let made = try self.count(descriptor.stride, &tx)
        guard count <= bytes / descriptor.stride - made else { return nil }
        return first + made * descriptor.stride
    }

    /// Ends the run: it has the objects that it has.
    /// - Returns: what is left of its room.
    @discardableResult
    func seal(
        _ head: Backpack, _ stride: Int, _ tx: inout Transaction
    ) throws -> (first: Address, bytes: Int) {
        let made = try count(stride, &tx)
        try tx.store(UInt64(made), at: part.counts[index])
        try tx.store(tx.load(head.memberCount) &+ UInt64(made), at: head.memberCount)
        try tx.store(tx.load(head.openRuns) &- 1, at: head.openRuns)
        return (first + made * stride, bytes - made * stride)
    }
}

extension OpenRun {
    /// In place of the slot of a run that is left over.
    static let nobody = 0x7fff_ffff
    private static let partsSearched = 16
    /// Objects that a run has room for, if the allocator is large.
    private static let objects = 64

    /// Room in a run of the transaction's slot, which is taken now if the transaction has lost or
    /// its slot filled one. A thread alone has none.
    static func room(
        for count: Int, of descriptor: ClassDescriptor, in allocator: AllocatorObject,
        _ tx: inout Transaction
    ) throws -> Address? {
        guard tx.restarts > 0 || tx.openRunPart != .null else { return nil }
        try allocator.checkNew(descriptor, &tx)
        if let own = try own(of: descriptor, in: allocator, &tx)
            ?? recent(of: descriptor, in: allocator, &tx)
        {
            if let room = try own.room(for: count, of: descriptor, &tx) { return room }
            let head = try Backpack.head(of: descriptor, in: allocator, &tx)
            let left = try own.seal(head, descriptor.stride, &tx)
            try keep(left, head, &tx)
            return try take(for: count, of: descriptor, in: allocator, after: own, &tx)
        }
        guard tx.restarts > 0 else { return nil }
        return try take(for: count, of: descriptor, in: allocator, after: nil, &tx)
    }

    /// The run that this thread has used last, if that is one of this class and allocator.
    private static func own(
        of descriptor: ClassDescriptor, in allocator: AllocatorObject, _ tx: inout Transaction
    ) throws -> OpenRun? {
        let (part, index) = (Backpack(tx.openRunPart), tx.openRunIndex)
        guard !part.isNull, try tx.isObject(part.address),
            try tx.load(part.address, as: UInt64.self) == Backpack.builtIn.header,
            try tx.load(part.memberClass) == descriptor.object,
            try tx.load(part.allocator) == allocator,
            try index < part.runs(&tx),
            let run = try OpenRun(part, index, &tx), run.slot == tx.slot.index
        else { return nil }
        return run
    }

    /// One of the slot in the newest parts of a backpack, for a transaction that has lost: threads
    /// that make objects of several classes come back to their runs.
    private static func recent(
        of descriptor: ClassDescriptor, in allocator: AllocatorObject, _ tx: inout Transaction
    ) throws -> OpenRun? {
        guard tx.restarts > 0 else { return nil }
        let head = try Backpack.knownHead(of: descriptor, in: allocator, &tx)
        guard try !head.isNull && tx.load(head.openRuns) > 0 else { return nil }
        var part = try tx.load(head.next)
        for _ in 0..<partsSearched where !part.isNull {
            try part.check(&tx)
            let index = try part.runs(&tx) - 1
            if index >= 0, let run = try OpenRun(part, index, &tx), run.slot == tx.slot.index {
                (tx.openRunPart, tx.openRunIndex) = (part.address, index)
                return run
            }
            part = try tx.load(part.next)
        }
        return nil
    }

    /// Takes a run from the allocator's top.
    /// - Returns: the first object in it.
    private static func take(
        for count: Int, of descriptor: ClassDescriptor, in allocator: AllocatorObject,
        after last: OpenRun?, _ tx: inout Transaction
    ) throws -> Address? {
        let stride = descriptor.stride
        let extent = try allocator.extent(&tx)
        let start = descriptor.alignedUp(extent.top)
        let share = (extent.end.rawValue - extent.base.rawValue) / 64
        let least = start.rawValue + min(UInt64(objects * stride), share)
        let end = min((least | UInt64(Address.pageSize - 1)) + 1, extent.end.rawValue)
        guard start.rawValue < end else { return nil }
        let objects = Int(end - start.rawValue) / stride
        guard objects >= count, objects > 1 else { return nil }
        do {
            _ = try allocator.takeRoom(for: objects, of: descriptor, &tx)
        } catch TransactionError.outOfMemory {
            return nil
        }
        let head = try Backpack.head(of: descriptor, in: allocator, &tx)
        return try enter(
            start + 8 * descriptor.referenceCount, bytes: objects * stride, after: last, head, &tx)?
            .first
    }

    /// Enters a run into a part of the backpack that only the transaction's slot writes: after
    /// the slot's last run, or in a part made now.
    private static func enter(
        _ first: Address, bytes: Int, after last: OpenRun?, _ head: Backpack,
        _ tx: inout Transaction
    ) throws -> OpenRun? {
        var (part, index) = (last?.part ?? .null, (last?.index ?? 0) + 1)
        let goesOn =
            try !part.isNull && part != tx.load(head.last) && index == part.runs(&tx)
            && index < part.first.count
        if !goesOn { (part, index) = (try head.insertPart(after: head, &tx), 0) }
        try part.setRun(index, first, OpenRun.word(bytes: bytes, slot: tx.slot.index), &tx)
        try tx.store(tx.load(head.openRuns) &+ 1, at: head.openRuns)
        (tx.openRunPart, tx.openRunIndex) = (part.address, index)
        return try OpenRun(part, index, &tx)
    }

    /// Keeps what is left of a closed run for other classes or smaller numbers.
    private static func keep(
        _ left: (first: Address, bytes: Int), _ head: Backpack, _ tx: inout Transaction
    ) throws {
        guard left.bytes > 0 else { return }
        try head.append(left.first, OpenRun.word(bytes: left.bytes, slot: nobody), &tx)
        try tx.store(tx.load(head.openRuns) &+ 1, at: head.openRuns)
    }

    /// Room for objects in what is left of any run of a full allocator, listed as theirs.
    static func roomOfOthers(
        for count: Int, of descriptor: ClassDescriptor, in allocator: AllocatorObject,
        _ tx: inout Transaction
    ) throws -> Address? {
        var head = try tx.load(allocator.backpacks)
        var steps = 0
        while !head.isNull {
            try head.check(&steps, &tx)
            var part = try tx.load(head.openRuns) == 0 ? Backpack.null : head
            while !part.isNull {
                try part.check(&steps, &tx)
                for index in try 0..<part.runs(&tx) {
                    if let run = try OpenRun(part, index, &tx),
                        let room = try run.give(
                            count, of: descriptor, from: head, in: allocator, &tx)
                    {
                        return room
                    }
                }
                part = try tx.load(part.next)
            }
            head = try tx.load(head.nextInAllocator)
        }
        return nil
    }

    /// Makes the run one of the transaction's slot.
    private func own(_ tx: inout Transaction) throws {
        try tx.store(OpenRun.word(bytes: bytes, slot: tx.slot.index), at: part.counts[index])
        (tx.openRunPart, tx.openRunIndex) = (part.address, index)
    }

    /// Gives a part of what is left to objects of any class.
    private func give(
        _ count: Int, of descriptor: ClassDescriptor, from head: Backpack,
        in allocator: AllocatorObject, _ tx: inout Transaction
    ) throws -> Address? {
        let owner = try tx.classDescriptor(at: tx.load(head.memberClass).address)
        if owner.object == descriptor.object {
            guard let room = try room(for: count, of: descriptor, &tx) else { return nil }
            try own(&tx)
            return room
        }
        let made = try self.count(owner.stride, &tx)
        let end = first + bytes - 8 * owner.referenceCount
        let rest = first + made * owner.stride - 8 * owner.referenceCount
        let start = descriptor.alignedUp(rest)
        guard start <= end,
            count * descriptor.stride <= Int(end.rawValue - start.rawValue)
        else { return nil }
        let after = start + count * descriptor.stride
        let left = (
            first: after + 8 * owner.referenceCount, bytes: Int(end.rawValue - after.rawValue)
        )
        if made == 0, left.bytes > 0 {
            try tx.store(left.first, at: part.first[index])
            try tx.store(OpenRun.word(bytes: left.bytes, slot: slot), at: part.counts[index])
        } else {
            try seal(head, owner.stride, &tx)
            try OpenRun.keep(left, head, &tx)
        }
        let room = start + 8 * descriptor.referenceCount
        try Backpack.add(first: room, count: count, of: descriptor, in: allocator, &tx)
        return room
    }
}
