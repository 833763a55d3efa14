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

/// The name service: names of objects, each a `Name` object in one table of the space.
extension Transaction {
    /// Gives an object a name.
    /// - Throws: `.exists` if the name is bound, `.invalid` if there is no object at `target` or
    ///   the name is none, `.nameTooLong`.
    public mutating func bind(_ name: String, to target: Address) throws {
        let key = try nameKey(name)
        let root = try namesRoot()
        try checkTarget(target)
        guard try tableEntry(key, in: root) == nil else {
            throw ObjectError(.exists, "The name \(name) is taken; remove it first.")
        }
        try addName(key, target, in: root)
    }

    /// Gives an object a name, whatever the name was bound to before.
    public mutating func rebind(_ name: String, to target: Address) throws {
        let key = try nameKey(name)
        let root = try namesRoot()
        try checkTarget(target)
        if let entry = try tableEntry(key, in: root) {
            try setLink(entry, SystemLayout.Name.target, to: target)
        } else {
            try addName(key, target, in: root)
        }
    }

    /// Takes a name away from its object.
    public mutating func unbind(_ name: String) throws {
        let root = try namesRoot()
        guard let entry = try removeTableEntry(try nameKey(name), in: root) else {
            throw noName(name)
        }
        try freeName(entry)
    }

    /// Moves a binding to another name in one step.
    /// - Parameter replace: whether a binding of the new name may be replaced.
    public mutating func rename(_ from: String, to: String, replace: Bool = true) throws {
        let oldKey = try nameKey(from)
        let newKey = try nameKey(to)
        let root = try namesRoot()
        guard let entry = try tableEntry(oldKey, in: root) else { throw noName(from) }
        if oldKey.matches(newKey) { return }
        let target = try link(entry, SystemLayout.Name.target)
        if let replaced = try tableEntry(newKey, in: root) {
            guard replace else {
                throw ObjectError(.exists, "The name \(to) is taken; remove it first.")
            }
            try setLink(replaced, SystemLayout.Name.target, to: target)
        } else {
            try addName(newKey, target, in: root)
        }
        try unbind(from)
    }

    /// The object that a name is bound to, or nil.
    public mutating func target(ofName name: String) throws -> Address? {
        guard let entry = try nameObject(name) else { return nil }
        return try link(entry, SystemLayout.Name.target)
    }

    /// The `Name` object of a bound name, or nil.
    public mutating func nameObject(_ name: String) throws -> Address? {
        try tableEntry(try nameKey(name), in: try namesRoot())
    }

    /// Up to `limit` bound names behind `key`, in the order of their keys. Names that share a key,
    /// which is very rare, stay together, so there can be a few more.
    public mutating func names(after key: UInt64, limit: Int) throws -> [NameInfo] {
        let root = try namesRoot()
        var infos: [NameInfo] = []
        for entry in try tableEntries(.names, in: root, after: key, limit: limit) {
            let key = try tableKey(of: entry, .names)
            infos.append(
                NameInfo(
                    key: key.number, name: key.name.string,
                    target: try link(entry, SystemLayout.Name.target), address: entry))
        }
        try checkOrder(infos.map(\.key), after: key, in: root)
        return infos
    }

    private mutating func namesRoot() throws -> Address {
        try fixedLink(SystemLayout.System.names)
    }

    private func nameKey(_ name: String) throws(ObjectError) -> TableKey {
        TableKey(
            .names,
            name: try NameBytes(name, limit: ObjectLimits.boundNameBytes, what: "binding"))
    }

    private func noName(_ name: String) -> ObjectError {
        ObjectError(.notFound, "Nothing is bound to the name \(name).")
    }

    private mutating func checkTarget(_ target: Address) throws {
        guard try isObject(target) else {
            throw ObjectError(.invalid, "A name must lead to an object; none is at \(target).")
        }
    }

    private mutating func addName(
        _ key: TableKey, _ target: Address, in root: Address
    ) throws {
        let entry = try newSystemObject(.name)
        let ownBytes = SystemLayout.Name.nameBytes
        try storeName(key.name, at: entry + SystemLayout.Name.name, byteCount: ownBytes)
        try setLink(entry, SystemLayout.Name.target, to: target)
        if key.name.count > ownBytes {
            let more = try newSystemObject(.text)
            try storeName(
                key.name, at: more + SystemLayout.Text.text,
                byteCount: NameBytes.capacity - ownBytes, from: ownBytes / 8)
            try setLink(entry, SystemLayout.Name.more, to: more)
        }
        try insertTableEntry(entry, key, in: root)
    }

    private mutating func freeName(_ entry: Address) throws {
        let more = try link(entry, SystemLayout.Name.more)
        if more != .null { try freeSystemObject(more, .text) }
        try freeSystemObject(entry, .name)
    }
}
