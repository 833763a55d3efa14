/// The types of the built-in objects. `BuiltInClassTests` makes this file from the
/// texts in `BuiltInClass` and compares it with them; with RAINBOWFS_GENERATE=1 in its
/// environment it writes the file again.

struct SystemObject: BuiltInObject {
    static var builtIn: BuiltInClass { .system }
    let address: Address
    init(_ address: Address) { self.address = address }

    var names: TypedAddress<Table> { TypedAddress(address - 8) }
    var classes: TypedAddress<Table> { TypedAddress(address - 16) }
    var regions: TypedAddress<Table> { TypedAddress(address - 24) }
    var regionsByNumber: TypedAddress<Table> { TypedAddress(address - 32) }
    var allocator: TypedAddress<AllocatorObject> { TypedAddress(address - 40) }
    var layoutVersion: TypedAddress<UInt64> { TypedAddress(address + 8) }
    var created: TypedAddress<UInt64> { TypedAddress(address + 16) }
    var owner: TypedAddress<UInt32> { TypedAddress(address + 24) }
    var group: TypedAddress<UInt32> { TypedAddress(address + 28) }
    var mode: TypedAddress<UInt16> { TypedAddress(address + 32) }
    var namesOwner: TypedAddress<UInt32> { TypedAddress(address + 36) }
    var namesGroup: TypedAddress<UInt32> { TypedAddress(address + 40) }
    var namesMode: TypedAddress<UInt16> { TypedAddress(address + 44) }
    var classesOwner: TypedAddress<UInt32> { TypedAddress(address + 48) }
    var classesGroup: TypedAddress<UInt32> { TypedAddress(address + 52) }
    var classesMode: TypedAddress<UInt16> { TypedAddress(address + 56) }
    var freed: TypedArray<UInt64> { TypedArray(address + 88, stride: 8, count: 9) }
}

struct ClassObject: BuiltInObject {
    static var builtIn: BuiltInClass { .class }
    let address: Address
    init(_ address: Address) { self.address = address }

    var fields: TypedAddress<FieldObject> { TypedAddress(address - 8) }
    var instances: TypedAddress<Backpack> { TypedAddress(address - 16) }
    var name: StoredString { StoredString(address + 8, byteCount: 48) }
    var revision: TypedAddress<UInt64> { TypedAddress(address + 56) }
    var fieldCount: TypedAddress<UInt32> { TypedAddress(address + 64) }
    var referenceCount: TypedAddress<UInt32> { TypedAddress(address + 68) }
    var scalarBytes: TypedAddress<UInt32> { TypedAddress(address + 72) }
    var referrers: TypedAddress<UInt32> { TypedAddress(address + 76) }
    var isSystem: TypedAddress<Bool> { TypedAddress(address + 80) }
    var alignment: TypedAddress<UInt32> { TypedAddress(address + 84) }
}

struct FieldObject: BuiltInObject {
    static var builtIn: BuiltInClass { .field }
    let address: Address
    init(_ address: Address) { self.address = address }

    var owner: TypedAddress<ClassObject> { TypedAddress(address - 8) }
    var next: TypedAddress<FieldObject> { TypedAddress(address - 16) }
    var target: TypedAddress<ClassObject> { TypedAddress(address - 24) }
    var name: StoredString { StoredString(address + 8, byteCount: 48) }
    var offset: TypedAddress<Int32> { TypedAddress(address + 56) }
    var count: TypedAddress<UInt32> { TypedAddress(address + 60) }
    var index: TypedAddress<UInt16> { TypedAddress(address + 64) }
    var type: TypedAddress<UInt8> { TypedAddress(address + 66) }
    var isArray: TypedAddress<Bool> { TypedAddress(address + 67) }
}

struct RegionObject: BuiltInObject {
    static var builtIn: BuiltInClass { .region }
    let address: Address
    init(_ address: Address) { self.address = address }

    var allocators: TypedAddress<Table> { TypedAddress(address - 8) }
    var extents: TypedAddress<Table> { TypedAddress(address - 16) }
    var name: StoredString { StoredString(address + 8, byteCount: 48) }
    var number: TypedAddress<UInt32> { TypedAddress(address + 56) }
    var owner: TypedAddress<UInt32> { TypedAddress(address + 60) }
    var group: TypedAddress<UInt32> { TypedAddress(address + 64) }
    var mode: TypedAddress<UInt16> { TypedAddress(address + 68) }
    var model: StoredString { StoredString(address + 70, byteCount: 16) }
}

struct AllocatorObject: BuiltInObject {
    static var builtIn: BuiltInClass { .allocator }
    let address: Address
    init(_ address: Address) { self.address = address }

    var region: TypedAddress<RegionObject> { TypedAddress(address - 8) }
    var backpacks: TypedAddress<Backpack> { TypedAddress(address - 16) }
    var name: StoredString { StoredString(address + 8, byteCount: 48) }
    var base: TypedAddress<UInt64> { TypedAddress(address + 56) }
    var capacity: TypedAddress<UInt64> { TypedAddress(address + 64) }
    var owner: TypedAddress<UInt32> { TypedAddress(address + 72) }
    var group: TypedAddress<UInt32> { TypedAddress(address + 76) }
    var mode: TypedAddress<UInt16> { TypedAddress(address + 80) }
    var top: TypedAddress<UInt64> { TypedAddress(address + 112) }
    var reserved: TypedAddress<UInt64> { TypedAddress(address + 120) }
}

struct NameObject: BuiltInObject {
    static var builtIn: BuiltInClass { .name }
    let address: Address
    init(_ address: Address) { self.address = address }

    var target: TypedAddress<Address> { TypedAddress(address - 8) }
    var more: TypedAddress<TextObject> { TypedAddress(address - 16) }
    var name: StoredString { StoredString(address + 8, byteCount: 40) }
}

struct TextObject: BuiltInObject {
    static var builtIn: BuiltInClass { .text }
    let address: Address
    init(_ address: Address) { self.address = address }

    var text: StoredString { StoredString(address + 8, byteCount: 216) }
}

struct Table: BuiltInObject {
    static var builtIn: BuiltInClass { .table }
    let address: Address
    init(_ address: Address) { self.address = address }

    var entries: TypedArray<Address> { TypedArray(address - 8, stride: -8, count: 16) }
}

struct Backpack: BuiltInObject {
    static var builtIn: BuiltInClass { .backpack }
    let address: Address
    init(_ address: Address) { self.address = address }

    var memberClass: TypedAddress<ClassObject> { TypedAddress(address - 8) }
    var allocator: TypedAddress<AllocatorObject> { TypedAddress(address - 16) }
    var nextOfClass: TypedAddress<Backpack> { TypedAddress(address - 24) }
    var nextInAllocator: TypedAddress<Backpack> { TypedAddress(address - 32) }
    var next: TypedAddress<Backpack> { TypedAddress(address - 40) }
    var last: TypedAddress<Backpack> { TypedAddress(address - 48) }
    var first: TypedArray<Address> { TypedArray(address - 56, stride: -8, count: 27) }
    var memberCount: TypedAddress<UInt64> { TypedAddress(address + 8) }
    var runCount: TypedAddress<UInt64> { TypedAddress(address + 16) }
    var counts: TypedArray<UInt64> { TypedArray(address + 24, stride: 8, count: 27) }
    var openRuns: TypedAddress<UInt64> { TypedAddress(address + 240) }
}
