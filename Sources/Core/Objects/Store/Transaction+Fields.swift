/// Reading and writing the fields of objects.
///
/// Each function checks that the object is alive and of the class that the field describes: one
/// load each of the object map, the header and the revision of the class, and no heap memory.
extension Transaction {
    /// The bytes of a scalar field.
    /// - Parameters:
    ///   - position: the first byte of the field to read.
    ///   - bytes: what is filled; it ends within the field.
    public mutating func readField(
        _ object: Address, _ field: FieldDescriptor, at position: Int = 0,
        into bytes: UnsafeMutableRawBufferPointer
    ) throws {
        try check(object, isOf: field)
        try checkScalar(field, position, bytes.count)
        try unsafe read(object + (field.offset + position), into: bytes)
    }

    /// Writes bytes of a scalar field.
    /// - Throws: `.notPermitted` on system objects and beyond the end of the field.
    public mutating func writeField(
        _ object: Address, _ field: FieldDescriptor, at position: Int = 0,
        from bytes: UnsafeRawBufferPointer
    ) throws {
        try check(object, isOf: field)
        try checkScalar(field, position, bytes.count)
        try checkWritable(isSystem: field.isSystem)
        try unsafe write(object + (field.offset + position), from: bytes)
    }

    /// What a reference leads to; null for nothing.
    public mutating func reference(
        _ object: Address, _ field: FieldDescriptor, index: Int = 0
    ) throws -> Address {
        try check(object, isOf: field)
        return Address(try load(try elementAddress(object, field, index), as: UInt64.self))
    }

    /// Lets a reference lead to another object, or to nothing.
    /// - Throws: `.invalid` if there is no object at `target` or it is of another class than the
    ///   field takes, `.notPermitted` on system objects.
    public mutating func setReference(
        _ object: Address, _ field: FieldDescriptor, index: Int = 0, to target: Address
    ) throws {
        try check(object, isOf: field)
        try checkWritable(isSystem: field.isSystem)
        try checkTarget(target, of: field)
        try store(target.rawValue, at: try elementAddress(object, field, index))
    }

    /// The object that an address is in or at, or nil.
    public mutating func object(containing address: Address) throws -> Address? {
        try forgettingSearch { tx in try tx.searchObject(containing: address) }
    }

    private mutating func searchObject(containing address: Address) throws -> Address? {
        guard address.offset < SystemLayout.objectsEnd, try regionExists(address.region) else {
            return nil
        }
        let aligned = Address(address.rawValue & ~7)
        let words = Transaction.wordsPerObject
        // After a header: the nearest one at or below; before it, among its references, above.
        let reach = min(aligned.offset, UInt64(ObjectLimits.objectBytes))
        let lowest = Address(aligned.rawValue - reach)
        if let below = try ObjectMap.last(in: lowest..<aligned + 8, words: words, &self),
            try contains(below, aligned)
        {
            return below
        }
        var budget = words
        var position = aligned + 8
        let highest = min(
            Address(region: address.region, offset: SystemLayout.objectsEnd),
            aligned + ObjectLimits.objectBytes)
        guard
            let above = try ObjectMap.first(
                from: &position, to: highest, words: &budget, &self),
            try contains(above, aligned)
        else { return nil }
        return above
    }

    // MARK: Checks

    @inline(__always)
    mutating func check(_ object: Address, isOf field: FieldDescriptor) throws {
        guard try header(of: object) == ClassDescriptor.header(ofClassAt: field.classAddress) else {
            throw ObjectError.notFound(.fieldOfObject(field.name, object))
        }
        try ClassObject(field.classAddress).checkCurrent(field.revision, &self)
    }

    func checkWritable(isSystem: Bool) throws(ObjectError) {
        guard !isSystem else {
            throw ObjectError.notPermitted(.systemObject)
        }
    }

    /// Checks what a reference field is about to be given.
    mutating func checkTarget(_ target: Address, of field: FieldDescriptor) throws {
        guard target != .null else { return }
        guard try isObject(target) else {
            throw ObjectError.invalid(.target(target, field: field.name))
        }
        guard field.target != .null else { return }
        let header: UInt64 = try load(target)
        guard header == ClassDescriptor.header(ofClassAt: field.target) else {
            let found = try descriptor(of: target).name
            throw ObjectError.invalid(
                .classOfTarget(
                    found, target, field: field.name, expected: field.targetName))
        }
    }

    func checkScalar(_ field: FieldDescriptor, _ position: Int, _ count: Int) throws(ObjectError) {
        guard !field.isReference else {
            throw ObjectError.invalid(.reference(field: field.name))
        }
        guard position >= 0, count <= field.byteCount, position <= field.byteCount - count else {
            throw ObjectError.notPermitted(
                .sizeOfField(field.name, bytes: field.byteCount))
        }
    }

    func elementAddress(
        _ object: Address, _ field: FieldDescriptor, _ index: Int
    ) throws(ObjectError) -> Address {
        guard field.isReference else {
            throw ObjectError.invalid(.noReference(field: field.name))
        }
        guard (0..<field.count).contains(index) else {
            throw ObjectError.notFound(
                .element(index, field: field.name, count: field.count))
        }
        return object + field.offset(ofElement: index)
    }

    private mutating func contains(_ object: Address, _ address: Address) throws -> Bool {
        let descriptor = try descriptor(of: object)
        let start = descriptor.start(of: object)
        return address >= start && address < start + descriptor.size
    }
}

/// A field of an object, as it was found by the address of one of its values.
public struct FieldLocation: Sendable {
    public let object: Address
    /// The class of the object.
    public let descriptor: ClassDescriptor
    public let field: FieldDescriptor
    /// Which element of an array it is; 0 for all else.
    public let index: Int
}

/// From an address back to the field. Unlike `object(containing:)` it looks only at those
/// parts of the object map that belong to the object, so that what is allocated nearby is no
/// conflict.
extension Transaction {
    /// The scalar field that begins at an address, or nil.
    public mutating func scalar(at address: Address) throws -> FieldLocation? {
        let aligned = Address(address.rawValue & ~7)
        guard try canHoldFields(aligned) else { return nil }
        // The scalars lie after the header: the nearest one at or below the address is theirs.
        let reach = min(aligned.offset, UInt64(ObjectLimits.objectBytes))
        guard
            let object = try ObjectMap.last(
                in: aligned - Int(reach)..<aligned + 8, words: Transaction.wordsPerObject, &self)
        else { return nil }
        let descriptor = try descriptor(of: object)
        let offset = Int(address.rawValue - object.rawValue)
        guard let field = descriptor.fields.first(where: { $0.offset == offset }) else {
            return nil
        }
        return FieldLocation(object: object, descriptor: descriptor, field: field, index: 0)
    }

    /// The reference at an address, or nil.
    public mutating func reference(at address: Address) throws -> FieldLocation? {
        guard address.rawValue & 7 == 0, try canHoldFields(address) else { return nil }
        // The references lie before the header: the nearest one above is theirs.
        var position = address + 8
        var words = Transaction.wordsPerObject
        let highest = min(
            Address(region: address.region, offset: SystemLayout.objectsEnd),
            address + ObjectLimits.objectBytes)
        guard
            let object = try ObjectMap.first(
                from: &position, to: highest, words: &words, &self)
        else { return nil }
        let descriptor = try descriptor(of: object)
        let offset = -Int(object.rawValue - address.rawValue)
        let found = descriptor.fields.first { field in
            field.isReference && offset <= field.offset && offset > field.offset - 8 * field.count
        }
        guard let field = found else { return nil }
        return FieldLocation(
            object: object, descriptor: descriptor, field: field,
            index: (field.offset - offset) / 8)
    }

    /// Words of the object map that cover the largest object, wherever it begins.
    static let wordsPerObject = ObjectLimits.objectBytes / Int(ObjectMap.bytesPerWord) + 2

    private mutating func canHoldFields(_ address: Address) throws -> Bool {
        try address.offset < SystemLayout.objectsEnd && regionExists(address.region)
    }
}
