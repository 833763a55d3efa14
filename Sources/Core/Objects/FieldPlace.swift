/// A field of an object, as it was found by the address of one of its values.
public struct FieldPlace: Sendable {
    public let object: Address
    /// The class of the object.
    public let descriptor: ClassDescriptor
    public let field: Field
    /// Which element of an array it is; 0 for all else.
    public let index: Int
}

/// The way from an address back to the field. Unlike `object(containing:)` it looks only at those
/// parts of the object map that belong to the object, so that what is allocated nearby is no
/// conflict.
extension Transaction {
    /// The scalar field that begins at an address, or nil.
    public mutating func scalar(at address: Address) throws -> FieldPlace? {
        let aligned = Address(address.rawValue & ~7)
        guard try canHoldFields(aligned) else { return nil }
        // The scalars lie behind the header: the nearest one at or below the address is theirs.
        let reach = min(aligned.offset, UInt64(ObjectLimits.objectBytes))
        guard
            let object = try lastMark(
                in: aligned - Int(reach)..<aligned + 8, words: Transaction.wordsPerObject)
        else { return nil }
        let descriptor = try descriptor(of: object)
        let offset = Int(address.rawValue - object.rawValue)
        guard let field = descriptor.fields.first(where: { $0.offset == offset }) else {
            return nil
        }
        return FieldPlace(object: object, descriptor: descriptor, field: field, index: 0)
    }

    /// The reference at an address, or nil.
    public mutating func reference(at address: Address) throws -> FieldPlace? {
        guard address.rawValue & 7 == 0, try canHoldFields(address) else { return nil }
        // The references lie before the header: the nearest one above is theirs.
        var position = address + 8
        var words = Transaction.wordsPerObject
        let highest = min(
            Address(region: address.region, offset: SystemLayout.objectsEnd),
            address + ObjectLimits.objectBytes)
        guard let object = try firstMark(from: &position, to: highest, words: &words) else {
            return nil
        }
        let descriptor = try descriptor(of: object)
        let offset = -Int(object.rawValue - address.rawValue)
        let found = descriptor.fields.first { field in
            field.isReference && offset <= field.offset && offset > field.offset - 8 * field.count
        }
        guard let field = found else { return nil }
        return FieldPlace(
            object: object, descriptor: descriptor, field: field,
            index: (field.offset - offset) / 8)
    }

    /// Words of the object map that cover the largest object, wherever it begins.
    static let wordsPerObject = ObjectLimits.objectBytes / Int(ObjectMap.bytesPerWord) + 2

    private mutating func canHoldFields(_ address: Address) throws -> Bool {
        try address.offset < SystemLayout.objectsEnd && regionExists(address.region)
    }
}
