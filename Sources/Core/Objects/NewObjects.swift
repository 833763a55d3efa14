extension Transaction {
    /// Makes objects, all their fields zero, one behind the other; on lines of their own if the
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
        guard count > 0, count <= ObjectLimits.objectBytes / descriptor.stride else {
            throw ObjectError(
                .tooBig,
                "One transaction makes 1 to \(ObjectLimits.objectBytes / descriptor.stride) "
                    + "objects of the class \(descriptor.name).")
        }
        let start = try takeRoom(for: count, of: descriptor, in: allocator)
        let first = start + 8 * descriptor.referenceCount
        try initialise(first, descriptor, count)
        try setMarks(first: first, stride: descriptor.stride, count: count)
        try addToBackpack(descriptor, allocator, first: first, count: count)
        return first
    }

    /// Takes the room of new objects from an allocator, with frames for all of it.
    /// - Returns: the lowest byte.
    mutating func takeRoom(
        for count: Int, of descriptor: ClassDescriptor, in allocator: Address
    ) throws -> Address {
        try checkNew(descriptor, allocator)
        let extent = try extent(of: allocator)
        let start = descriptor.alignedUp(extent.top)
        let (bytes, overflow) = count.multipliedReportingOverflow(by: descriptor.stride)
        guard !overflow, start <= extent.end, bytes <= extent.end.rawValue - start.rawValue else {
            throw try noRoom(allocator, extent, count)
        }
        try reserveFrames(allocator, extent, upTo: start + bytes)
        try store((start + bytes).rawValue, at: allocator + SystemLayout.Allocator.top)
        return start
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

    /// Stores the first values of a new object.
    public mutating func setInitial(_ values: [InitialValue], of object: Address) throws {
        for value in values {
            if value.field.isReference {
                try setReference(object, value.field, to: value.reference)
            } else {
                try unsafe value.bytes.withUnsafeBytes { bytes in
                    try unsafe writeField(object, value.field, from: bytes)
                }
            }
        }
    }

    mutating func checkNew(_ descriptor: ClassDescriptor, _ allocator: Address) throws {
        guard !descriptor.isSystem else {
            throw ObjectError(
                .notPermitted, "Objects of the class \(descriptor.name) come with the system only.")
        }
        try checkCurrent(descriptor)
        guard try header(of: allocator) == BuiltInClass.allocator.header else {
            throw ObjectError(.notFound, "The object at \(allocator) is not an allocator.")
        }
        guard allocator != ObjectSystem.systemAllocator else {
            throw ObjectError(
                .notPermitted, "The system allocator belongs to the space itself; make your own.")
        }
    }

    private mutating func noRoom(
        _ allocator: Address, _ extent: Extent, _ count: Int
    ) throws -> ObjectError {
        let info = try allocatorInfo(allocator)
        return ObjectError(
            .full,
            "\(info.name) has \(info.free) of \(info.capacity) bytes left, too few for "
                + "\(count) more; raise its capacity or make another allocator.")
    }
}
