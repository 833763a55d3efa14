import Synchronization

extension Transaction {
    /// Makes objects, all their fields zero, one after the other; on lines of their own if the
    /// class says so.
    ///
    /// However many they are, the log of the transaction holds one record for their memory, so a
    /// batch costs little more for each object than writing it.
    /// - Parameters:
    ///   - allocator: the `Allocator` object; not the system's.
    ///   - count: at most as many as fit into `ObjectLimits.objectBytes`.
    /// - Returns: the first; the others follow, `descriptor.stride` bytes from one to the next.
    /// - Throws: `.full` if the allocator has no room, `.tooBig`, `.notPermitted`.
    public mutating func newObjects(
        of descriptor: ClassDescriptor, in allocator: Address, count: Int = 1
    ) throws -> Address {
        let countMax = ObjectLimits.objectBytes / descriptor.stride
        guard count > 0, count <= countMax else {
            throw ObjectError.tooBig(.objects(count, class: descriptor.name, max: countMax))
        }
        let first = try room(for: count, of: descriptor, in: AllocatorObject(allocator))
        try initialise(first, descriptor, count)
        try ObjectMap.insert(first: first, stride: descriptor.stride, count: count, &self)
        return first
    }

    /// Takes room from a run of the slot, from the allocator's top, or from what others left, and
    /// lists the objects.
    private mutating func room(
        for count: Int, of descriptor: ClassDescriptor, in allocator: AllocatorObject
    ) throws -> Address {
        if let first = try OpenRun.room(for: count, of: descriptor, in: allocator, &self) {
            return first
        }
        do {
            let start = try allocator.takeRoom(for: count, of: descriptor, &self)
            let first = start + 8 * descriptor.referenceCount
            try Backpack.add(first: first, count: count, of: descriptor, in: allocator, &self)
            return first
        } catch let error as ObjectError {
            guard case .full(.allocator) = error,
                let first = try OpenRun.roomOfOthers(
                    for: count, of: descriptor, in: allocator, &self)
            else { throw error }
            return first
        }
    }

    /// Writes the headers of objects whose room is taken, and zeros as their fields.
    mutating func initialise(
        _ first: Address, _ descriptor: ClassDescriptor, _ count: Int
    ) throws(TransactionError) {
        let (stride, headerOffset) = (descriptor.stride, 8 * descriptor.referenceCount)
        let start = first - headerOffset
        if count * stride < SystemLayout.fillBytesMin {
            try zero(start, count: count * stride)
            for index in 0..<count { try store(descriptor.header, at: first + index * stride) }
        } else {
            try fill(
                start: start, stride: stride, count: count, headerOffset: headerOffset,
                header: descriptor.header)
        }
    }
}

/// Objects too many for one transaction, which still appear all at once: one transaction takes the
/// room for them, more fill it, part by part, and one makes them objects.
///
/// Invariant: until `publish` no bit of the object map and no backpack names them, so nobody finds
/// them. If that never comes, they never were; `giveBack` frees their room. A process that
/// dies before leaves room that nobody uses.
public struct ObjectBatch: Sendable {
    /// Bytes of one batch at most: what `publish` writes is one bit for every eight of them, and a
    /// transaction can write 3.9 MiB.
    public static let bytesMax = 192 << 20
    /// Bytes of one part at most.
    public static let partBytesMax = ObjectLimits.objectBytes

    public let descriptor: ClassDescriptor
    public let allocator: Address
    /// The first object; the others follow, `descriptor.stride` bytes from one to the next.
    public let first: Address
    public let count: Int
    fileprivate let room = BatchRoom()

    /// Address of the object at `index`.
    public subscript(index: Int) -> Address { first + index * descriptor.stride }

    fileprivate var start: Address { first - 8 * descriptor.referenceCount }
    fileprivate var end: Address { start + count * descriptor.stride }
}

/// What the copies of a batch know of its room together.
private final class BatchRoom: Sendable {
    /// `Transaction.commitsSoFar` of the one that gave it back last; 0: none did.
    let givenBack = Atomic<UInt64>(0)
}

extension Transaction {
    /// Takes the room for `count` objects from an allocator.
    /// - Throws: `.full` if the allocator has no room, `.tooBig` for more than
    ///   `ObjectBatch.bytesMax`, `.notPermitted` for classes and allocators of the system.
    public mutating func reserveObjects(
        of descriptor: ClassDescriptor, in allocator: Address, count: Int
    ) throws -> ObjectBatch {
        let countMax = ObjectBatch.bytesMax / descriptor.stride
        guard count > 0, count <= countMax else {
            throw ObjectError.tooBig(.objects(count, class: descriptor.name, max: countMax))
        }
        let start = try AllocatorObject(allocator).takeRoom(for: count, of: descriptor, &self)
        return ObjectBatch(
            descriptor: descriptor, allocator: allocator,
            first: start + 8 * descriptor.referenceCount, count: count)
    }

    /// Writes the headers of a part of the batch, and zeros as their fields. Their first values can
    /// be set in the same transaction.
    /// - Parameter part: of the batch, `ObjectBatch.partBytesMax` at most.
    public mutating func initialise(_ part: Range<Int>, of batch: ObjectBatch) throws {
        try checkRoom(of: batch)
        try initialise(batch[part.lowerBound], batch.descriptor, part.count)
    }

    /// Writes bytes of a scalar field of an object whose part was initialised.
    public mutating func writeField(
        _ field: FieldDescriptor, ofObject index: Int, of batch: ObjectBatch, at position: Int = 0,
        from bytes: UnsafeRawBufferPointer
    ) throws {
        try check(field, batch)
        try checkScalar(field, position, bytes.count)
        try unsafe write(batch[index] + (field.offset + position), from: bytes)
    }

    /// Lets a reference of an object whose part was initialised lead to another object.
    public mutating func setReference(
        _ field: FieldDescriptor, _ element: Int = 0, ofObject index: Int, of batch: ObjectBatch,
        to target: Address
    ) throws {
        try check(field, batch)
        try checkTarget(target, of: field)
        try store(target.rawValue, at: elementAddress(batch[index], field, element))
    }

    private func check(_ field: FieldDescriptor, _ batch: ObjectBatch) throws(ObjectError) {
        let descriptor = batch.descriptor
        guard field.classAddress == descriptor.address, field.revision == descriptor.revision else {
            throw ObjectError.notFound(.field(field.name, class: descriptor.name))
        }
    }

    /// Makes the room objects of their class. All parts must be filled.
    /// - Throws: `.notFound` if the class was removed or defined again meanwhile.
    public mutating func publish(_ batch: ObjectBatch) throws {
        try checkRoom(of: batch)
        try AllocatorObject(batch.allocator).checkNew(batch.descriptor, &self)
        try ObjectMap.insert(
            first: batch.first, stride: batch.descriptor.stride, count: batch.count, &self)
        try Backpack.add(
            first: batch.first, count: batch.count, of: batch.descriptor,
            in: AllocatorObject(batch.allocator), &self)
    }

    /// Frees the room of a batch, unless it is published or was given back: then nothing happens.
    /// Room after which more was taken meanwhile stays unused; so may that of a transaction that is
    /// not committed, if its thread commits another one before it tries again.
    public mutating func giveBack(_ batch: ObjectBatch) throws {
        let allocator = AllocatorObject(batch.allocator)
        let before = batch.room.givenBack.load(ordering: .relaxed)
        guard try allocator.extent(&self).top == batch.end,
            !mayHaveGivenBack(batch, before)
        else { return }
        var (position, words) = (batch.start, Transaction.wordsPerObject)
        guard try ObjectMap.first(from: &position, to: batch.end, words: &words, &self) == nil
        else { return }
        // Of two threads one gives it back.
        guard
            batch.room.givenBack.compareExchange(
                expected: before, desired: commitsSoFar, ordering: .relaxed
            ).exchanged
        else { return }
        do throws(TransactionError) {
            try store(batch.start.rawValue, at: allocator.top)
        } catch {
            batch.room.givenBack.store(before, ordering: .relaxed)
            throw error
        }
    }

    /// Whether the room may be somebody else's by now: it was given back by a transaction that may
    /// have been committed, or in this run, which then has written the allocator's top.
    private mutating func mayHaveGivenBack(_ batch: ObjectBatch, _ before: UInt64) -> Bool {
        let top = AllocatorObject(batch.allocator).top.address
        return before != 0 && (before != commitsSoFar || entryIndex(ofLine: top.line) != nil)
    }

    /// A number that changes with each commit of the thread, and that no other thread has.
    private var commitsSoFar: UInt64 {
        UInt64(slot.index + 1) << 48 | slot.commits.loadRelaxed() & (1 << 48 - 1)
    }

    /// An allocator with room that is taken stays where it is, unless the space is damaged.
    private mutating func checkRoom(of batch: ObjectBatch) throws {
        let allocator = AllocatorObject(batch.allocator)
        try allocator.check(&self)
        let extent = try allocator.extent(&self)
        guard extent.base <= batch.start, batch.end <= extent.top else {
            throw ObjectError.damaged("an allocator that lost objects", at: batch.allocator)
        }
    }
}
