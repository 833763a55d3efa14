/// Objects as files: their memory, lowest address first, that is the references from the last to
/// the first, the header, and the scalars.
extension Transaction {
    /// Reads bytes of an object.
    /// - Returns: how many there were: fewer than asked for at the end, none after it.
    public mutating func readRaw(
        _ object: Address, at position: Int, into bytes: UnsafeMutableRawBufferPointer
    ) throws -> Int {
        let descriptor = try descriptor(of: object)
        guard (0..<descriptor.size).contains(position) else { return 0 }
        let count = min(bytes.count, descriptor.size - position)
        let part = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
        try unsafe read(descriptor.start(of: object) + position, into: part)
        return count
    }

    /// Writes bytes of an object: all of them or none.
    /// - Throws: `.notPermitted` for the header, for system objects and beyond the end; `.invalid`
    ///   for a part of a reference, and for one that leads to nothing or to a wrong class.
    public mutating func writeRaw(
        _ object: Address, at position: Int, from bytes: UnsafeRawBufferPointer
    ) throws {
        let descriptor = try descriptor(of: object)
        try checkWritable(isSystem: descriptor.isSystem)
        guard bytes.count > 0 else { return }
        guard position >= 0, position <= descriptor.size,
            bytes.count <= descriptor.size - position
        else {
            throw ObjectError.notPermitted(.sizeOfObject(bytes: descriptor.size))
        }
        let end = position + bytes.count
        let header = 8 * descriptor.referenceCount
        guard end <= header || position >= header + 8 else {
            throw ObjectError.notPermitted(.header(header...header + 7))
        }
        if position < header { try unsafe checkReferences(descriptor, position, bytes) }
        try unsafe write(descriptor.start(of: object) + position, from: bytes)
        for field in descriptor.fields where field.type == .string {
            let start = header + field.offset
            guard position < start + field.byteCount, start < end else { continue }
            try checkString(object, field)
        }
    }

    /// Checks that the bytes of a string field are a text, padded with NUL.
    private mutating func checkString(_ object: Address, _ field: FieldDescriptor) throws {
        var bytes = [UInt8](repeating: 0, count: field.byteCount)
        try unsafe bytes.withUnsafeMutableBytes { bytes in
            try unsafe read(object + field.offset, into: bytes)
        }
        guard String(validating: bytes.prefix { $0 != 0 }, as: UTF8.self) != nil else {
            throw ObjectError.invalid(.stringBytes(field: field.name))
        }
    }

    private mutating func checkReferences(
        _ descriptor: ClassDescriptor, _ position: Int, _ bytes: UnsafeRawBufferPointer
    ) throws {
        guard position % 8 == 0, bytes.count % 8 == 0 else {
            throw ObjectError.invalid(.partOfReference)
        }
        for index in 0..<bytes.count / 8 {
            let target = unsafe Address(
                bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
            guard target != .null else { continue }
            let offset = position + index * 8 - 8 * descriptor.referenceCount
            guard let field = descriptor.referenceField(at: offset) else { continue }
            try checkTarget(target, of: field)
        }
    }
}

extension ClassDescriptor {
    /// The field that a reference slot belongs to, `offset` bytes (below zero) from the object.
    func referenceField(at offset: Int) -> FieldDescriptor? {
        fields.first { field in
            field.isReference && offset <= field.offset
                && offset > field.offset - 8 * field.count
        }
    }
}
