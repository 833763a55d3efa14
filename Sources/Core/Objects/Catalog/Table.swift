/// A table of objects in shared memory: a trie over 60-bit keys, 16 ways at each level.
///
/// Inner nodes are `Table` objects, entries are the objects themselves (names, classes, regions,
/// allocators), which carry their own key. An entry is as high up as it can be: below its place no
/// other begins. So a table of n entries is log16(n) deep, nothing is ever rehashed, and changes
/// in different places of a large table touch different lines. Keys are hashes of names, or
/// numbers; entries list in the order of their keys whatever comes and goes between.
///
/// Every walk ends: a path has at most `TableKey.levelCountMax` levels, however damaged, and below
/// every inner node are two entries or more.
extension Transaction {
    /// The entry with this key, or nil.
    mutating func tableEntry(_ key: TableKey, in root: Address) throws -> Address? {
        let found = try forgettingTheWay { tx in try tx.searchTable(key, in: root) }
        // Its removal, under whatever key it is found, changes its header.
        if let found, readsFixedMoment { _ = try load(found, as: UInt64.self) }
        return found
    }

    private mutating func searchTable(_ key: TableKey, in root: Address) throws -> Address? {
        try expect(.table, at: root)
        var node = root
        for level in 0..<TableKey.levelCountMax {
            let child = try link(node, key.entryIndex(atLevel: level))
            if child == .null { return nil }
            guard try isTable(child) else { return try isEntry(child, key) ? child : nil }
            node = child
        }
        throw ObjectError.damaged("a table without end", at: root)
    }

    /// Puts an entry in; no other has its key.
    mutating func insertTableEntry(
        _ entry: Address, _ key: TableKey, in root: Address
    ) throws {
        try expect(.table, at: root)
        var node = root
        for level in 0..<TableKey.levelCountMax {
            let index = key.entryIndex(atLevel: level)
            let child = try link(node, index)
            if child == .null {
                return try setLink(node, index, to: entry)
            }
            if try isTable(child) {
                node = child
                continue
            }
            // Another entry is here: both go one level down.
            let other = try tableKey(of: child, key.kind)
            guard !other.matches(key), level + 1 < TableKey.levelCountMax else { break }
            let inner = try newSystemObject(.table)
            try setLink(inner, other.entryIndex(atLevel: level + 1), to: child)
            try setLink(node, index, to: inner)
            node = inner
        }
        throw ObjectError.damaged("two entries with one key", at: root)
    }

    /// Takes the entry with this key out, and the nodes that only led to it.
    /// - Returns: the entry, or nil if there was none.
    mutating func removeTableEntry(_ key: TableKey, in root: Address) throws -> Address? {
        try expect(.table, at: root)
        return try removeTableEntry(key, from: root, level: 0)?.entry
    }

    /// - Returns: the entry, and what the parent shall hold instead of `node`.
    private mutating func removeTableEntry(
        _ key: TableKey, from node: Address, level: Int
    ) throws -> (entry: Address, rest: Address)? {
        guard level < TableKey.levelCountMax else {
            throw ObjectError.damaged("a table without end", at: node)
        }
        let index = key.entryIndex(atLevel: level)
        let child = try link(node, index)
        if child == .null { return nil }
        if try isTable(child) {
            guard let (entry, rest) = try removeTableEntry(key, from: child, level: level + 1)
            else {
                return nil
            }
            if rest != child { try setLink(node, index, to: rest) }
            // Only a node that lost its inner node can have become superfluous.
            return (entry, rest == child ? node : try condensed(node, level))
        }
        guard try isEntry(child, key) else { return nil }
        try setLink(node, index, to: .null)
        return (child, try condensed(node, level))
    }

    /// What remains of an inner node: nothing, its only entry, or itself.
    private mutating func condensed(_ node: Address, _ level: Int) throws -> Address {
        guard level > 0 else { return node }
        var only = Address.null
        for index in 0..<SystemLayout.tableEntryCount {
            let child = try link(node, index)
            if child == .null { continue }
            guard try only == .null && !isTable(child) else { return node }
            only = child
        }
        try freeSystemObject(node, .table)
        return only
    }

    @inline(__always)
    mutating func isTable(_ object: Address) throws -> Bool {
        guard object.rawValue & 7 == 0 else {
            throw ObjectError.damaged("a table leads astray", at: object)
        }
        return try load(object, as: UInt64.self) == BuiltInClass.table.header
    }
}

extension TableKey {
    func matches(_ other: TableKey) -> Bool {
        number == other.number && (!kind.isNamed || name == other.name)
    }
}

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

/// Walks through a table in the order of its keys.
extension Transaction {
    /// The entries with keys above `key`, in order, at most `limit` of them; entries that share a
    /// key stay together, so that going on behind the last key misses none.
    mutating func tableEntries(
        _ kind: TableKind, in root: Address, after key: UInt64?, limit: Int
    ) throws -> [Address] {
        var found: [Address] = []
        guard limit > 0, key.map({ $0 < 1 << UInt64(TableKey.bitCount) }) ?? true else { return [] }
        try expect(.table, at: root)
        var walk = TableWalk(root: root)
        try collect(kind, root, 0, after: key, limit: limit, into: &found, &walk)
        return found
    }

    /// Checks the keys of a part of a listing: one that does not come forward has no end.
    func checkOrder(_ keys: [UInt64], after key: UInt64, in root: Address) throws(ObjectError) {
        guard keys.first.map({ $0 > key }) ?? true,
            zip(keys, keys.dropFirst()).allSatisfy({ $0 <= $1 })
        else { throw ObjectError.damaged("a table out of order", at: root) }
    }

    /// The entry with the highest key that is at most `key`.
    mutating func lastTableEntry(
        _ kind: TableKind, in root: Address, upTo key: UInt64
    ) throws -> Address? {
        try expect(.table, at: root)
        var walk = TableWalk(root: root)
        return try last(kind, root, 0, upTo: key, &walk)
    }

    private mutating func collect(
        _ kind: TableKind, _ node: Address, _ level: Int, after key: UInt64?, limit: Int,
        into found: inout [Address], _ walk: inout TableWalk
    ) throws {
        try walk.enter(level, found: found.count)
        let isTie = level >= TableKey.bitCount / 4
        // Everything below a tie has the key that led here.
        if isTie, key != nil { return }
        let first = key.map { digit($0, level) } ?? 0
        for index in first..<SystemLayout.tableEntryCount {
            guard found.count < limit || isTie else { return }
            let child = try link(node, index)
            if child == .null { continue }
            let bound = index == first ? key : nil
            if try isTable(child) {
                try collect(kind, child, level + 1, after: bound, limit: limit, into: &found, &walk)
            } else if let bound {
                if try tableKey(of: child, kind).number > bound { found.append(child) }
            } else {
                found.append(child)
            }
        }
    }

    private mutating func last(
        _ kind: TableKind, _ node: Address, _ level: Int, upTo key: UInt64?,
        _ walk: inout TableWalk
    ) throws -> Address? {
        try walk.enter(level, found: 0)
        let top = key.map { digit($0, level) } ?? SystemLayout.tableEntryCount - 1
        for index in (0...top).reversed() {
            let child = try link(node, index)
            if child == .null { continue }
            let bound = index == top ? key : nil
            if try isTable(child) {
                if let found = try last(kind, child, level + 1, upTo: bound, &walk) { return found }
            } else if let bound {
                if try tableKey(of: child, kind).number <= bound { return child }
            } else {
                return child
            }
        }
        return nil
    }

    private func digit(_ key: UInt64, _ level: Int) -> Int {
        let levels = TableKey.bitCount / 4
        guard level < levels else { return 0 }
        return Int(key >> UInt64(TableKey.bitCount - 4 - level * 4) & 15)
    }
}

/// Bounds a walk through a table: in a sound one a path of inner nodes soon leads to an entry.
private struct TableWalk {
    let root: Address
    private var nodeCount = 0
    /// No table has more: the system allocator has no memory for them.
    private static let nodeCountMax = 1 << 26

    init(root: Address) { self.root = root }

    mutating func enter(_ level: Int, found: Int) throws(ObjectError) {
        nodeCount += 1
        guard level < TableKey.levelCountMax, nodeCount <= TableWalk.nodeCountMax,
            nodeCount <= (found + 2) * TableKey.levelCountMax
        else { throw ObjectError.damaged("a table without end", at: root) }
    }
}
