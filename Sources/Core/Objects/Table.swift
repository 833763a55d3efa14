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
