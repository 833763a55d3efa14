extension Transaction {
    /// The binding that a `Name` object stands for.
    /// - Throws: `.notFound` if the object is none, or none any more.
    public mutating func nameInfo(at address: Address) throws -> NameInfo {
        guard try isObject(address), try load(address, as: UInt64.self) == BuiltInClass.name.header
        else { throw ObjectError(.notFound, "There is no name at \(address) any more.") }
        let key = try tableKey(of: address, .names)
        return NameInfo(
            key: key.number, name: key.name.string,
            target: try link(address, SystemLayout.Name.target), address: address)
    }
}
