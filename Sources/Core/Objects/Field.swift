/// An object of a space, whose class was looked at once.
///
/// Only checked calls make one, and an object keeps its class and the definition of it for as
/// long as it is there. So an access by `Field` compares two numbers in registers, and reads
/// no more memory than `load` at an offset does. Belongs to its space and to every transaction
/// there.
@frozen
public struct Object: Hashable, Sendable {
    public let address: Address
    /// The definition of the class, as `ClassDescriptor.revision`.
    @usableFromInline let revision: UInt64
}

/// What a field can hold in a program: a `FieldScalar`, or `Object?` for a reference.
public protocol FieldStored: Sendable {
    /// The type that a class text gives such a field.
    static var fieldType: FieldType { get }
}

/// What a single scalar in a space can be in a program: the integers, floats and `Bool`.
public protocol FieldScalar: FieldStored {
    /// The integer of the same size that lies in the memory.
    associatedtype Bits: FixedWidthInteger
    init(fieldBits: Bits)
    var fieldBits: Bits { get }
}

/// A field of a class, looked up once and checked against the class:
///
///     let balance = try Field<Int64>("balance", of: "Account", in: space)
///     let heir = try Field<Object?>("heir", of: "Account", in: space)
///     try space.transact { tx in
///         let alice = try tx.object(named: "alice")
///         try tx.update(alice, balance) { $0 += 1 }
///         guard let next = try tx[alice, heir] else { return }
///         print(try tx[next, balance])
///     }
///
/// An array's elements have an index. Text and bytes have no fixed size in a program;
/// `Transaction.readField` copies them.
@frozen
public struct Field<Stored: FieldStored>: Sendable {
    /// Of the first element from the object's address, in bytes.
    @usableFromInline let offset: Int
    @usableFromInline let count: Int
    /// The definition of the class, as `Object.revision`.
    @usableFromInline let revision: UInt64
    /// The header of the objects that a reference may lead to; 1 for those of all classes.
    @usableFromInline let targetHeader: UInt64

    /// - Throws: `ObjectError`: `.notFound` if there is no such class or field, `.invalid` if it is
    ///   of another type, `.notPermitted` if it belongs to a class of the system, whose objects
    ///   change by their own functions.
    public init(_ name: String, of className: String, in space: Space) throws {
        self = try space.transact { tx in try Field(name, of: className, in: &tx) }
    }

    public init(_ name: String, of className: String, in tx: inout Transaction) throws {
        let field = try tx.field(name, ofClass: className)
        guard field.type == Stored.fieldType else {
            throw ObjectError.invalid(.type(field.type, field: field.name, asked: Stored.fieldType))
        }
        guard !field.isSystem else {
            throw ObjectError.notPermitted(.systemField(field.name))
        }
        offset = field.offset
        count = field.count
        revision = field.revision
        targetHeader = ClassDescriptor.header(ofClassAt: field.target)
    }
}

extension Object?: FieldStored {
    public static var fieldType: FieldType { .reference }
}

extension Transaction {
    fileprivate mutating func field(_ name: String, ofClass className: String) throws
        -> FieldDescriptor
    {
        let descriptor = try classDescriptor(named: className)
        guard let field = descriptor.field(named: name) else {
            throw ObjectError.notFound(.field(name, class: className))
        }
        return field
    }

    // MARK: Objects

    /// - Throws: `ObjectError.notFound` if there is no object at this address.
    public mutating func object(at address: Address) throws -> Object {
        let header = try header(of: address)
        if let builtIn = BuiltInClass.of(header: header) {
            return Object(address: address, revision: builtIn.descriptor.revision)
        }
        guard header & 7 == 1 else {
            throw ObjectError.damaged("an object of no class", at: address)
        }
        let revision = try load(ClassObject(Address(header & ~7)).revision)
        return Object(address: address, revision: revision)
    }

    /// - Throws: `ObjectError.notFound` if nothing has this name.
    public mutating func object(named name: String) throws -> Object {
        guard let address = try target(ofName: name) else {
            throw ObjectError.notFound(.name(name))
        }
        return try object(at: address)
    }

    // MARK: Scalars

    /// The value of a field.
    /// - Throws: `noSuchField` if the object is of another class, or the array has no such element.
    @inlinable
    public subscript<Stored: FieldScalar>(
        object: Object, field: Field<Stored>, index: Int = 0
    ) -> Stored {
        mutating get throws(TransactionError) {
            let location = try field.location(
                in: object, index, stride: MemoryLayout<Stored.Bits>.size)
            return Stored(fieldBits: try load(location))
        }
    }

    /// Sets a field.
    /// - Throws: as reading it does; `outOfMemory` if there is no memory for the page.
    @inlinable
    public mutating func set<Stored: FieldScalar>(
        _ object: Object, _ field: Field<Stored>, index: Int = 0, to value: Stored
    ) throws(TransactionError) {
        let location = try field.location(in: object, index, stride: MemoryLayout<Stored.Bits>.size)
        try store(value.fieldBits, at: location)
    }

    /// Changes a field: `try tx.update(account, balance) { $0 += 1 }`.
    @inlinable
    public mutating func update<Stored: FieldScalar>(
        _ object: Object, _ field: Field<Stored>, index: Int = 0,
        _ change: (inout Stored) throws(TransactionError) -> Void
    ) throws(TransactionError) {
        let location = try field.location(in: object, index, stride: MemoryLayout<Stored.Bits>.size)
        var value = Stored(fieldBits: try load(location))
        try change(&value)
        try store(value.fieldBits, at: location)
    }

    // MARK: References

    /// What a reference leads to; nil for nothing.
    public subscript(object: Object, field: Field<Object?>, index: Int = 0) -> Object? {
        mutating get throws {
            let target = Address(
                try load(try field.location(in: object, index, stride: -8), as: UInt64.self))
            return target == .null ? nil : try self.object(at: target)
        }
    }

    /// Lets a reference lead to another object, or to nothing.
    /// - Throws: `noSuchField` also if the field does not take objects of the target's class.
    public mutating func set(
        _ object: Object, _ field: Field<Object?>, index: Int = 0, to target: Object?
    ) throws(TransactionError) {
        let location = try field.location(in: object, index, stride: -8)
        if let target, field.targetHeader != 1,
            try load(target.address, as: UInt64.self) != field.targetHeader
        {
            throw .noSuchField(target.address)
        }
        try store(target?.address.rawValue ?? 0, at: location)
    }
}

extension Field {
    /// Where an element lies. An object of another class, or of an older definition, has none.
    @inlinable
    func location(
        in object: Object, _ index: Int, stride: Int
    ) throws(TransactionError) -> Address {
        guard object.revision == revision, index >= 0, index < count else {
            throw .noSuchField(object.address)
        }
        return object.address + (offset &+ index &* stride)
    }
}

extension FieldScalar where Self: FixedWidthInteger {
    @inlinable public init(fieldBits: Self) { self = fieldBits }
    @inlinable public var fieldBits: Self { self }
}

extension Int8: FieldScalar { public static var fieldType: FieldType { .int8 } }
extension Int16: FieldScalar { public static var fieldType: FieldType { .int16 } }
extension Int32: FieldScalar { public static var fieldType: FieldType { .int32 } }
extension Int64: FieldScalar { public static var fieldType: FieldType { .int64 } }
extension UInt8: FieldScalar { public static var fieldType: FieldType { .uint8 } }
extension UInt16: FieldScalar { public static var fieldType: FieldType { .uint16 } }
extension UInt32: FieldScalar { public static var fieldType: FieldType { .uint32 } }
extension UInt64: FieldScalar { public static var fieldType: FieldType { .uint64 } }

extension Float: FieldScalar {
    public static var fieldType: FieldType { .float32 }
    @inlinable public init(fieldBits: UInt32) { self.init(bitPattern: fieldBits) }
    @inlinable public var fieldBits: UInt32 { bitPattern }
}

extension Double: FieldScalar {
    public static var fieldType: FieldType { .float64 }
    @inlinable public init(fieldBits: UInt64) { self.init(bitPattern: fieldBits) }
    @inlinable public var fieldBits: UInt64 { bitPattern }
}

extension Bool: FieldScalar {
    public static var fieldType: FieldType { .bool }
    @inlinable public init(fieldBits: UInt8) { self = fieldBits != 0 }
    @inlinable public var fieldBits: UInt8 { self ? 1 : 0 }
}
