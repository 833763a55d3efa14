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
extension Table {
    /// The entry with this key, or nil.
    func entry(_ key: TableKey, _ tx: inout Transaction) throws -> Address? {
        let found = try tx.forgettingSearch { tx in try search(key, &tx) }
        // Its removal, under whatever key it is found, changes its header.
        if let found, tx.readsFixedView { _ = try tx.load(found, as: UInt64.self) }
        return found
    }

    private func search(_ key: TableKey, _ tx: inout Transaction) throws -> Address? {
        try check(&tx)
        var node = self
        for level in 0..<TableKey.levelCountMax {
            let child = try tx.load(node.entries[key.entryIndex(atLevel: level)])
            if child == .null { return nil }
            guard let inner = try Table(inner: child, &tx) else {
                return try key.isKey(of: child, &tx) ? child : nil
            }
            node = inner
        }
        throw ObjectError.damaged("a table without end", at: address)
    }

    /// Puts an entry in; no other has its key.
    func insert(_ entry: Address, _ key: TableKey, _ tx: inout Transaction) throws {
        try check(&tx)
        var node = self
        for level in 0..<TableKey.levelCountMax {
            let slot = node.entries[key.entryIndex(atLevel: level)]
            let child = try tx.load(slot)
            if child == .null {
                return try tx.store(entry, at: slot)
            }
            if let inner = try Table(inner: child, &tx) {
                node = inner
                continue
            }
            // Another entry is here: both go one level down.
            let other = try TableKey(of: child, key.kind, &tx)
            guard !other.matches(key), level + 1 < TableKey.levelCountMax else { break }
            let inner = try Table.make(&tx)
            try tx.store(child, at: inner.entries[other.entryIndex(atLevel: level + 1)])
            try tx.store(inner.address, at: slot)
            node = inner
        }
        throw ObjectError.damaged("two entries with one key", at: address)
    }

    /// Takes the entry with this key out, and the nodes that only led to it.
    /// - Returns: the entry, or nil if there was none.
    @discardableResult
    func remove(_ key: TableKey, _ tx: inout Transaction) throws -> Address? {
        try check(&tx)
        return try remove(key, level: 0, &tx)?.entry
    }

    /// - Returns: the entry, and what the parent is to hold instead of this node.
    private func remove(
        _ key: TableKey, level: Int, _ tx: inout Transaction
    ) throws -> (entry: Address, rest: Address)? {
        guard level < TableKey.levelCountMax else {
            throw ObjectError.damaged("a table without end", at: address)
        }
        let slot = entries[key.entryIndex(atLevel: level)]
        let child = try tx.load(slot)
        if child == .null { return nil }
        if let inner = try Table(inner: child, &tx) {
            guard let (entry, rest) = try inner.remove(key, level: level + 1, &tx) else {
                return nil
            }
            if rest != child { try tx.store(rest, at: slot) }
            // Only a node that lost its inner node can have become superfluous.
            return (entry, rest == child ? address : try condensed(level, &tx))
        }
        guard try key.isKey(of: child, &tx) else { return nil }
        try tx.store(.null, at: slot)
        return (child, try condensed(level, &tx))
    }

    /// What remains of an inner node: nothing, its only entry, or itself.
    private func condensed(_ level: Int, _ tx: inout Transaction) throws -> Address {
        guard level > 0 else { return address }
        var only = Address.null
        for index in 0..<entries.count {
            let child = try tx.load(entries[index])
            if child == .null { continue }
            guard try only == .null && Table(inner: child, &tx) == nil else { return address }
            only = child
        }
        try free(&tx)
        return only
    }

    /// The inner node at an address; nil if what is there is an entry.
    @inline(__always)
    private init?(inner object: Address, _ tx: inout Transaction) throws {
        guard object.rawValue & 7 == 0 else {
            throw ObjectError.damaged("a table leads to no object", at: object)
        }
        guard try tx.load(object, as: UInt64.self) == Table.builtIn.header else { return nil }
        self.init(object)
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

    /// The name of an entry, of a table where entries have one.
    func name(of entry: Address, _ tx: inout Transaction) throws -> NameBytes {
        switch self {
        case .names: try NameObject(entry).fullName(&tx)
        case .classes: try tx.load(ClassObject(entry).name)
        case .regions, .regionsByNumber: try tx.load(RegionObject(entry).name)
        case .allocators, .extents: try tx.load(AllocatorObject(entry).name)
        }
    }
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

    /// The entry of an inner node that leads to a key's number.
    static func digit(_ key: UInt64, _ level: Int) -> Int {
        let levels = TableKey.bitCount / 4
        guard level < levels else { return 0 }
        return Int(key >> UInt64(TableKey.bitCount - 4 - level * 4) & 15)
    }

    /// The numbers below 16 are left to anyone who lists a table as a directory.
    private static func number(of name: NameBytes) -> UInt64 { max(name.hash(seed: 0), 16) }
}

extension TableKey {
    /// What finds an entry of a table: read from the entry itself.
    init(of entry: Address, _ kind: TableKind, _ tx: inout Transaction) throws {
        try kind.entryClass.check(entry, &tx)
        switch kind {
        case .names, .classes, .regions, .allocators:
            self.init(kind, name: try kind.name(of: entry, &tx))
        case .regionsByNumber:
            self.init(regionNumber: Int(try tx.load(RegionObject(entry).number)))
        case .extents:
            self.init(extentAt: Address(try tx.load(AllocatorObject(entry).base)))
        }
    }

    /// Whether an entry has this key; compares names without hashing the entry's.
    func isKey(of entry: Address, _ tx: inout Transaction) throws -> Bool {
        try kind.entryClass.check(entry, &tx)
        guard kind.isNamed else { return try TableKey(of: entry, kind, &tx).matches(self) }
        return try kind.name(of: entry, &tx) == name
    }

    func matches(_ other: TableKey) -> Bool {
        number == other.number && (!kind.isNamed || name == other.name)
    }
}

/// Walks through a table in the order of its keys.
extension Table {
    /// The entries with keys above `key`, in order, at most `limit` of them; entries that share a
    /// key stay together, so that going on after the last key misses none.
    func entries(
        _ kind: TableKind, after key: UInt64?, limit: Int, _ tx: inout Transaction
    ) throws -> [Address] {
        var found: [Address] = []
        guard limit > 0, key.map({ $0 < 1 << UInt64(TableKey.bitCount) }) ?? true else { return [] }
        try check(&tx)
        var walk = TableWalk(kind: kind, root: self)
        try collect(0, after: key, limit: limit, into: &found, &walk, &tx)
        return found
    }

    /// What `info` tells of those entries.
    /// - Parameter number: the key that an info has. A listing that does not come forward by these
    ///   would have no end.
    func infos<Info>(
        _ kind: TableKind, after key: UInt64, limit: Int, by number: (Info) -> UInt64,
        _ tx: inout Transaction, _ info: (Address, inout Transaction) throws -> Info
    ) throws -> [Info] {
        var infos: [Info] = []
        var last = key &+ 1
        for entry in try entries(kind, after: key, limit: limit, &tx) {
            let next = try info(entry, &tx)
            guard number(next) >= last else {
                throw ObjectError.damaged("a table out of order", at: address)
            }
            last = number(next)
            infos.append(next)
        }
        return infos
    }

    /// The entry with the highest key that is at most `key`.
    func lastEntry(
        _ kind: TableKind, upTo key: UInt64, _ tx: inout Transaction
    ) throws -> Address? {
        try check(&tx)
        var walk = TableWalk(kind: kind, root: self)
        return try last(0, upTo: key, &walk, &tx)
    }

    private func collect(
        _ level: Int, after key: UInt64?, limit: Int, into found: inout [Address],
        _ walk: inout TableWalk, _ tx: inout Transaction
    ) throws {
        try walk.enter(level, found: found.count)
        let isTie = level >= TableKey.bitCount / 4
        // Everything below a tie has the key that led here.
        if isTie, key != nil { return }
        let first = key.map { TableKey.digit($0, level) } ?? 0
        for index in first..<entries.count {
            guard found.count < limit || isTie else { return }
            let child = try tx.load(entries[index])
            if child == .null { continue }
            let bound = index == first ? key : nil
            if let inner = try Table(inner: child, &tx) {
                try inner.collect(level + 1, after: bound, limit: limit, into: &found, &walk, &tx)
            } else if let bound {
                if try TableKey(of: child, walk.kind, &tx).number > bound { found.append(child) }
            } else {
                found.append(child)
            }
        }
    }

    private func last(
        _ level: Int, upTo key: UInt64?, _ walk: inout TableWalk, _ tx: inout Transaction
    ) throws -> Address? {
        try walk.enter(level, found: 0)
        let top = key.map { TableKey.digit($0, level) } ?? entries.count - 1
        for index in (0...top).reversed() {
            let child = try tx.load(entries[index])
            if child == .null { continue }
            let bound = index == top ? key : nil
            if let inner = try Table(inner: child, &tx) {
                if let found = try inner.last(level + 1, upTo: bound, &walk, &tx) { return found }
            } else if let bound {
                if try TableKey(of: child, walk.kind, &tx).number <= bound { return child }
            } else {
                return child
            }
        }
        return nil
    }
}

/// A walk through a table, which ends: in a sound one a path of inner nodes soon leads to an entry.
private struct TableWalk {
    let kind: TableKind
    let root: Table
    private var nodeCount = 0
    /// No table has more: the system allocator has no memory for them.
    private static let nodeCountMax = 1 << 26

    init(kind: TableKind, root: Table) {
        self.kind = kind
        self.root = root
    }

    mutating func enter(_ level: Int, found: Int) throws(ObjectError) {
        nodeCount += 1
        guard level < TableKey.levelCountMax, nodeCount <= TableWalk.nodeCountMax,
            nodeCount <= (found + 2) * TableKey.levelCountMax
        else { throw ObjectError.damaged("a table without end", at: root.address) }
    }
}
