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
