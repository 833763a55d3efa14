/// The name service: names of objects, each a `Name` object in one table of the space.
extension Transaction {
    /// Gives an object a name.
    /// - Throws: `.exists` if the name is bound, `.invalid` if there is no object at `target` or
    ///   the name is none, `.nameTooLong`.
    public mutating func bind(_ name: String, to target: Address) throws {
        let key = try NameObject.key(name)
        let names = try loadFixed(SystemObject.root.names)
        try checkTarget(target)
        guard try NameObject.find(key, in: names, &self) == nil else {
            throw ObjectError.exists(.name(name))
        }
        try NameObject.add(key, to: target, in: names, &self)
    }

    /// Gives an object a name, whatever the name was bound to before.
    public mutating func rebind(_ name: String, to target: Address) throws {
        let key = try NameObject.key(name)
        let names = try loadFixed(SystemObject.root.names)
        try checkTarget(target)
        if let entry = try NameObject.find(key, in: names, &self) {
            try store(target, at: entry.target)
        } else {
            try NameObject.add(key, to: target, in: names, &self)
        }
    }

    /// Takes a name away from its object.
    public mutating func unbind(_ name: String) throws {
        let names = try loadFixed(SystemObject.root.names)
        guard let entry = try names.remove(try NameObject.key(name), &self) else {
            throw noName(name)
        }
        try NameObject(entry).freeWithText(&self)
    }

    /// Moves a binding to another name in one step.
    /// - Parameter replace: whether a binding of the new name may be replaced.
    public mutating func rename(_ from: String, to: String, replace: Bool = true) throws {
        let oldKey = try NameObject.key(from)
        let newKey = try NameObject.key(to)
        let names = try loadFixed(SystemObject.root.names)
        guard let entry = try NameObject.find(oldKey, in: names, &self) else { throw noName(from) }
        if oldKey.matches(newKey) { return }
        let target = try load(entry.target)
        if let replaced = try NameObject.find(newKey, in: names, &self) {
            guard replace else {
                throw ObjectError.exists(.name(to))
            }
            try store(target, at: replaced.target)
        } else {
            try NameObject.add(newKey, to: target, in: names, &self)
        }
        try unbind(from)
    }

    /// The object that a name is bound to, or nil.
    public mutating func target(ofName name: String) throws -> Address? {
        guard let entry = try nameObject(name) else { return nil }
        return try load(NameObject(entry).target)
    }

    /// The `Name` object of a bound name, or nil.
    public mutating func nameObject(_ name: String) throws -> Address? {
        let key = try NameObject.key(name)
        return try loadFixed(SystemObject.root.names).entry(key, &self)
    }

    /// Up to `limit` bound names after `key`, in the order of their keys. Names that share a key,
    /// which is very rare, stay together, so there can be a few more.
    public mutating func names(after key: UInt64, limit: Int) throws -> [NameInfo] {
        let names = try loadFixed(SystemObject.root.names)
        return try names.infos(.names, after: key, limit: limit, by: \.key, &self) {
            try NameObject($0).info(&$1)
        }
    }

    /// The binding that a `Name` object stands for.
    /// - Throws: `.notFound` if the object is none, or none any more.
    public mutating func nameInfo(at address: Address) throws -> NameInfo {
        guard try isObject(address), try load(address, as: UInt64.self) == NameObject.builtIn.header
        else { throw ObjectError.notFound(.nameObject(address)) }
        return try NameObject(address).info(&self)
    }

    private func noName(_ name: String) -> ObjectError {
        ObjectError.notFound(.name(name))
    }

    private mutating func checkTarget(_ target: Address) throws {
        guard try isObject(target) else {
            throw ObjectError.invalid(.namedObject(target))
        }
    }
}
