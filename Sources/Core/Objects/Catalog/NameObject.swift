/// An entry of the name service.
public struct NameInfo: Hashable, Sendable {
    /// Where the entry comes in the listing: ascending, at least 16, below 2^60, and the same for
    /// as long as the name is bound.
    public let key: UInt64
    public let name: String
    /// The object that the name is bound to.
    public let target: Address
    /// The `Name` object; its version tells when the binding changed last.
    public let address: Address
}

extension NameObject {
    static func key(_ name: String) throws(ObjectError) -> TableKey {
        TableKey(
            .names,
            name: try NameBytes(name, limit: ObjectLimits.boundNameBytes, what: .object))
    }

    /// Makes a binding and enters it into the table of names.
    static func add(
        _ key: TableKey, to target: Address, in names: Table, _ tx: inout Transaction
    ) throws {
        let entry = try NameObject.make(&tx)
        try tx.store(key.name, at: entry.name)
        try tx.store(target, at: entry.target)
        if key.name.count > entry.name.byteCount {
            let more = try TextObject.make(&tx)
            try tx.store(key.name, at: more.text, from: entry.name.byteCount / 8)
            try tx.store(more, at: entry.more)
        }
        try names.insert(entry.address, key, &tx)
    }

    /// The object of a name in the table of names, or nil.
    static func find(
        _ key: TableKey, in names: Table, _ tx: inout Transaction
    ) throws -> NameObject? {
        try names.entry(key, &tx).map(NameObject.init)
    }

    /// The name, whose end may lie in a `Text` object.
    func fullName(_ tx: inout Transaction) throws -> NameBytes {
        var name = try tx.load(self.name)
        let more = try tx.load(self.more)
        guard !more.isNull else { return name }
        try more.check(&tx)
        try tx.load(more.text, into: &name, from: self.name.byteCount / 8)
        return name
    }

    func info(_ tx: inout Transaction) throws -> NameInfo {
        let key = try TableKey(of: address, .names, &tx)
        return NameInfo(
            key: key.number, name: key.name.string, target: try tx.load(target), address: address)
    }

    /// Frees a binding that no table has any more.
    func freeWithText(_ tx: inout Transaction) throws {
        let more = try tx.load(self.more)
        if !more.isNull { try more.free(&tx) }
        try free(&tx)
    }
}
