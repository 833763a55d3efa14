/// The tables of the layer: what their entries are, and what finds an entry.
enum TableKind {
    case names
    case classes
    case regions
    case regionsByNumber
    case allocators
    /// The allocators of a region by their place, in the order of their addresses.
    case extents

    /// The class of the entries.
    var entryClass: BuiltInClass {
        switch self {
        case .names: .name
        case .classes: .class
        case .regions, .regionsByNumber: .region
        case .allocators, .extents: .allocator
        }
    }

    /// Whether entries are found by their name rather than by a number.
    var isNamed: Bool { self != .regionsByNumber && self != .extents }
}

/// What one entry of a table is found by: a number below 2^60, and the name that it is the hash of.
struct TableKey {
    /// Bits of the number, four for each level of the table.
    static let bitCount = 60
    static let levelCountMax = 4 * bitCount / 4

    let kind: TableKind
    let number: UInt64
    let name: NameBytes

    init(_ kind: TableKind, name: NameBytes) {
        self.kind = kind
        self.name = name
        self.number = TableKey.number(of: name)
    }

    init(regionNumber: Int) {
        self.init(.regionsByNumber, number: UInt64(regionNumber) << 35)
    }

    /// - Parameter base: where the extent of an allocator begins, or any address inside it.
    init(extentAt base: Address) {
        self.init(.extents, number: (base.offset >> Address.pageShift) << 33)
    }

    private init(_ kind: TableKind, number: UInt64) {
        self.kind = kind
        self.number = number
        self.name = NameBytes()
    }

    /// Names whose hashes begin alike are told apart by more bits of it, and names with the same
    /// hash by other hashes.
    func entryIndex(atLevel level: Int) -> Int {
        let levels = TableKey.bitCount / 4
        let bits = level < levels ? number : name.hash(seed: UInt64(level / levels))
        return Int(bits >> UInt64(TableKey.bitCount - 4 - level % levels * 4) & 15)
    }

    /// The numbers below 16 are left to whoever lists a table as a directory.
    private static func number(of name: NameBytes) -> UInt64 { max(name.hash(seed: 0), 16) }
}

extension Transaction {
    /// What finds an entry of a table: read from the entry itself.
    mutating func tableKey(of entry: Address, _ kind: TableKind) throws -> TableKey {
        try expect(kind.entryClass, at: entry)
        switch kind {
        case .names:
            return TableKey(kind, name: try loadBoundName(of: entry))
        case .classes, .regions, .allocators:
            let name = try loadName(entry + 8, byteCount: ObjectLimits.nameBytes)
            return TableKey(kind, name: name)
        case .regionsByNumber:
            let number: UInt32 = try load(entry + SystemLayout.Region.number)
            return TableKey(regionNumber: Int(number))
        case .extents:
            let base: UInt64 = try load(entry + SystemLayout.Allocator.base)
            return TableKey(extentAt: Address(base))
        }
    }

    /// Whether an entry has this key; compares names without hashing the entry's.
    mutating func isEntry(_ entry: Address, _ key: TableKey) throws -> Bool {
        try expect(key.kind.entryClass, at: entry)
        switch key.kind {
        case .names: return try loadBoundName(of: entry) == key.name
        case .classes, .regions, .allocators:
            return try loadName(entry + 8, byteCount: ObjectLimits.nameBytes) == key.name
        case .regionsByNumber, .extents: return try tableKey(of: entry, key.kind).matches(key)
        }
    }

    /// The name of a `Name` object, whose end may lie in a `Text` object.
    mutating func loadBoundName(of entry: Address) throws -> NameBytes {
        let ownBytes = SystemLayout.Name.nameBytes
        var name = try loadName(entry + SystemLayout.Name.name, byteCount: ownBytes)
        let more = try link(entry, SystemLayout.Name.more)
        guard more != .null else { return name }
        try expect(.text, at: more)
        try loadName(
            more + SystemLayout.Text.text, byteCount: NameBytes.capacity - ownBytes, into: &name,
            from: ownBytes / 8)
        return name
    }
}
