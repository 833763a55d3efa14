/// An object of a built-in class: an address with the fields of its class as properties
/// (`BuiltInFields.swift`, made from the class texts). What belongs to a structure is a function of
/// its type and takes the transaction last:
///
///     let extents = try tx.load(region.extents)
///     let entry = try extents.entry(key, &tx)
///
/// A link may lead anywhere in a damaged space: `check` tells whether the object is there.
protocol BuiltInObject: Hashable, Sendable {
    static var builtIn: BuiltInClass { get }
    var address: Address { get }
    init(_ address: Address)
}

extension BuiltInObject {
    static var null: Self { Self(.null) }
    var isNull: Bool { address == .null }

    /// Checks that a link of the layer's own structures leads to an object of the class it must.
    @inline(__always)
    func check(_ tx: inout Transaction) throws {
        try Self.builtIn.check(address, &tx)
    }

    /// A fresh object, all its fields zero.
    ///
    /// It comes from the system allocator, which only ever grows. What is freed goes to a list for
    /// each class, headed in the System object, and is used again before the allocator grows: a
    /// freed object has no bit in the object map, and in place of its header the address of the
    /// next one.
    static func make(_ tx: inout Transaction) throws -> Self {
        let descriptor = builtIn.descriptor
        let freed = Address(try tx.load(builtIn.freedList))
        let object: Address
        if freed == .null {
            object = try AllocatorObject.system.grow(by: descriptor, &tx)
        } else {
            guard freed.rawValue & 7 == 0, freed > SystemArea.allocator,
                freed.rawValue < SystemLayout.systemBase + SystemLayout.systemCapacity,
                try !ObjectMap.contains(freed, &tx)
            else {
                throw ObjectError.damaged("a list of freed objects leads to an object", at: freed)
            }
            object = freed
            try tx.store(tx.load(freed, as: UInt64.self), at: builtIn.freedList)
            try tx.zero(descriptor.start(of: object), count: descriptor.size)
        }
        try tx.store(builtIn.header, at: object)
        try ObjectMap.insert(object, &tx)
        return Self(object)
    }

    /// Takes the object out of the space. Nothing refers to it any more.
    func free(_ tx: inout Transaction) throws {
        try check(&tx)
        let list = Self.builtIn.freedList
        try ObjectMap.remove(address, &tx)
        try tx.store(tx.load(list), at: address)
        try tx.store(address.rawValue, at: list)
    }
}

extension BuiltInClass {
    /// The first of the freed objects of this class.
    var freedList: TypedAddress<UInt64> { SystemObject.root.freed[rawValue] }

    /// Checks that an object of this class is at an address.
    @inline(__always)
    func check(_ object: Address, _ tx: inout Transaction) throws {
        guard object.rawValue & 7 == 0, try tx.load(object, as: UInt64.self) == header else {
            throw ObjectError.damaged("no \(name)", at: object)
        }
    }
}

/// Where a value of a known type is.
struct TypedAddress<T> {
    let address: Address

    @inline(__always)
    init(_ address: Address) { self.address = address }
}

/// Where the elements of an array are; those of references lie below one another.
struct TypedArray<T> {
    private let first: Address
    private let stride: Int
    let count: Int

    @inline(__always)
    init(_ first: Address, stride: Int, count: Int) {
        self.first = first
        self.stride = stride
        self.count = count
    }

    @inline(__always)
    subscript(index: Int) -> TypedAddress<T> { TypedAddress(first + stride * index) }
}

/// Where a string field is: its bytes, padded with NUL.
struct StoredString {
    let address: Address
    let byteCount: Int

    @inline(__always)
    init(_ address: Address, byteCount: Int) {
        self.address = address
        self.byteCount = byteCount
    }
}

extension Transaction {
    @inline(__always)
    mutating func load<T: FixedWidthInteger>(
        _ field: TypedAddress<T>
    ) throws(TransactionError) -> T { try load(field.address) }

    @inline(__always)
    mutating func store<T: FixedWidthInteger>(
        _ value: T, at field: TypedAddress<T>
    ) throws(TransactionError) { try store(value, at: field.address) }

    mutating func load(_ field: TypedAddress<Bool>) throws(TransactionError) -> Bool {
        try load(field.address, as: UInt8.self) != 0
    }

    mutating func store(_ value: Bool, at field: TypedAddress<Bool>) throws(TransactionError) {
        try store(UInt8(value ? 1 : 0), at: field.address)
    }

    /// What a reference leads to.
    @inline(__always)
    mutating func load(_ reference: TypedAddress<Address>) throws(TransactionError) -> Address {
        Address(try load(reference.address))
    }

    @inline(__always)
    mutating func store(
        _ target: Address, at reference: TypedAddress<Address>
    ) throws(TransactionError) { try store(target.rawValue, at: reference.address) }

    @inline(__always)
    mutating func load<T: BuiltInObject>(
        _ reference: TypedAddress<T>
    ) throws(TransactionError) -> T { T(Address(try load(reference.address))) }

    @inline(__always)
    mutating func store<T: BuiltInObject>(
        _ target: T, at reference: TypedAddress<T>
    ) throws(TransactionError) { try store(target.address.rawValue, at: reference.address) }

    mutating func load(
        _ location: TypedAddress<Ownership>
    ) throws(TransactionError) -> Ownership {
        let first = location.address
        return Ownership(uid: try load(first), gid: try load(first + 4), mode: try load(first + 8))
    }

    mutating func store(
        _ ownership: Ownership, at location: TypedAddress<Ownership>
    ) throws(TransactionError) {
        try store(ownership.uid, at: location.address)
        try store(ownership.gid, at: location.address + 4)
        try store(ownership.mode & 0o7777, at: location.address + 8)
    }
}
