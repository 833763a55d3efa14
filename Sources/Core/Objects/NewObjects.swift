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
        try checkNew(descriptor, allocator)
        let stride = descriptor.stride
        guard count > 0, count <= ObjectLimits.objectBytes / stride else {
            throw ObjectError(
                .tooBig,
                "One transaction makes 1 to \(ObjectLimits.objectBytes / stride) objects "
                    + "of the class \(descriptor.name).")
        }
        let extent = try extent(of: allocator)
        let start = descriptor.alignedUp(extent.top)
        let end = start + count * stride
        guard end <= extent.end else { throw try noRoom(allocator, extent, count) }
        try reserveFrames(allocator, extent, upTo: end)

        let first = start + 8 * descriptor.referenceCount
        if count * stride < SystemLayout.fillBytesMin {
            try zero(start, count: count * stride)
            for index in 0..<count { try store(descriptor.header, at: first + index * stride) }
        } else {
            try fill(
                start: start, stride: stride, count: count,
                headerOffset: 8 * descriptor.referenceCount, header: descriptor.header)
        }
        try setMarks(first: first, stride: stride, count: count)
        try store(end.rawValue, at: allocator + SystemLayout.Allocator.top)
        try addToBackpack(descriptor, allocator, first: first, count: count)
        return first
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

    private mutating func checkNew(_ descriptor: ClassDescriptor, _ allocator: Address) throws {
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
