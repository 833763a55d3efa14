/// Finding classes, and the descriptors of objects.
extension Transaction {
    /// The class with this name.
    /// - Throws: `.notFound`.
    public mutating func classDescriptor(named name: String) throws -> ClassDescriptor {
        guard let entry = try classObject(named: name) else {
            throw ObjectError(
                .notFound, "There is no class \(name); define it in classes/\(name).")
        }
        return try classDescriptor(at: entry)
    }

    /// The class whose `Class` object is at an address.
    public mutating func classDescriptor(at address: Address) throws -> ClassDescriptor {
        let header = try header(of: address)
        guard header == BuiltInClass.class.header else {
            throw ObjectError(.notFound, "The object at \(address) is not a class.")
        }
        return try currentDescriptor(ofClassAt: address)
    }

    /// The class of a live object.
    /// - Throws: `.notFound` if there is no object at exactly this address.
    public mutating func descriptor(of object: Address) throws -> ClassDescriptor {
        let header = try header(of: object)
        if let builtIn = BuiltInClass.of(header: header) { return builtIn.descriptor }
        return try currentDescriptor(ofClassAt: Address(header & ~1))
    }

    /// Up to `limit` classes behind `key`, in the order of their keys; begin with key 0.
    public mutating func classes(after key: UInt64, limit: Int) throws -> [ClassEntry] {
        let root = try classesRoot()
        var entries: [ClassEntry] = []
        for entry in try tableEntries(.classes, in: root, after: key, limit: limit) {
            entries.append(
                ClassEntry(
                    key: try tableKey(of: entry, .classes).number,
                    descriptor: try classDescriptor(at: entry)))
        }
        try checkOrder(entries.map(\.key), after: key, in: root)
        return entries
    }

    mutating func classesRoot() throws(TransactionError) -> Address {
        try fixedLink(SystemLayout.System.classes)
    }

    /// The `Class` object of this name, or nil; also nil for names that no class can have.
    mutating func classObject(named name: String) throws -> Address? {
        guard name.utf8.count <= ObjectLimits.nameBytes, ClassText.isIdentifier(name) else {
            return nil
        }
        return try tableEntry(try classKey(name), in: try classesRoot())
    }

    func classKey(_ name: String) throws(ObjectError) -> TableKey {
        TableKey(
            .classes, name: try NameBytes(name, limit: ObjectLimits.nameBytes, what: "class"))
    }

    /// Checks that a class is still defined as the descriptor says.
    mutating func checkCurrent(_ descriptor: ClassDescriptor) throws {
        try checkCurrent(classAt: descriptor.address, revision: descriptor.revision)
    }

    /// Checks that the definition of a class with this revision still holds. Built-in classes
    /// never change.
    @inline(__always)
    mutating func checkCurrent(classAt address: Address, revision: UInt64) throws {
        if revision <= UInt64(BuiltInClass.allCases.count) { return }
        guard try isMarked(address),
            try load(address + SystemLayout.Class.revision, as: UInt64.self) == revision
        else {
            throw ObjectError(.notFound, "The class was removed or defined anew; look it up again.")
        }
    }

    /// The descriptor of a class object's present definition.
    private mutating func currentDescriptor(ofClassAt address: Address) throws -> ClassDescriptor {
        if let builtIn = BuiltInClass.of(header: address.rawValue | 1) { return builtIn.descriptor }
        guard address.rawValue & 7 == 0 else {
            throw ObjectError.damaged("an object of no class", at: address)
        }
        let revision: UInt64 = try load(address + SystemLayout.Class.revision)
        if let known = ClassCache.shared.descriptor(at: address, revision: revision) {
            return known
        }
        let descriptor = try readDescriptor(ofClassAt: address, revision)
        ClassCache.shared.insert(descriptor)
        return descriptor
    }

    private mutating func readDescriptor(
        ofClassAt address: Address, _ revision: UInt64
    ) throws -> ClassDescriptor {
        try expect(.class, at: address)
        let name = try loadName(
            address + SystemLayout.Class.name, byteCount: ObjectLimits.nameBytes)
        let count = Int(try load(address + SystemLayout.Class.fieldCount, as: UInt32.self))
        let alignment = Int(try load(address + SystemLayout.Class.alignment, as: UInt32.self))
        guard alignment == 0 || alignment == ClassDeclaration.alignmentMax else {
            throw ObjectError.damaged("a class of an unknown alignment", at: address)
        }
        var declarations: [FieldDeclaration] = []
        var targets: [Address] = []
        var field = try link(address, SystemLayout.Class.fields)
        while field != .null {
            guard declarations.count < min(count, ObjectLimits.fieldCount) else {
                throw ObjectError.damaged("too many fields in a class", at: address)
            }
            let (declaration, target) = try readDeclaration(field)
            declarations.append(declaration)
            targets.append(target)
            field = try link(field, SystemLayout.Field.next)
        }
        let identity = ClassIdentity(address: address, revision: revision, isSystem: false)
        guard declarations.count == count,
            Set(declarations.map(\.name)).count == count
        else { throw ObjectError.damaged("a class without its fields", at: address) }
        let declaration = ClassDeclaration(
            alignment: max(alignment, ClassDeclaration.alignmentMin), fields: declarations)
        return ClassDescriptor(
            identity, name: name.string, declaration: declaration,
            layout: try ClassLayout(declaration), targets: targets)
    }

    /// A field as its `Field` object tells it, and the class that it refers to.
    mutating func readDeclaration(_ field: Address) throws -> (FieldDeclaration, Address) {
        try expect(.field, at: field)
        let type: UInt8 = try load(field + SystemLayout.Field.type)
        guard let type = FieldType(rawValue: type) else {
            throw ObjectError.damaged("a field without a type", at: field)
        }
        let nameBytes = ObjectLimits.nameBytes
        let count = Int(try load(field + SystemLayout.Field.count, as: UInt32.self))
        let isArray = try load(field + SystemLayout.Field.isArray, as: UInt8.self) != 0
        let target = try link(field, SystemLayout.Field.target)
        guard (1...ObjectLimits.objectBytes).contains(count) else {
            throw ObjectError.damaged("a field without a size", at: field)
        }
        var declaration = FieldDeclaration(
            name: try loadName(field + SystemLayout.Field.name, byteCount: nameBytes).string,
            type: type, targetName: "", arrayCount: isArray ? count : nil,
            rawByteCount: type.isRaw ? count : 0)
        if target != .null {
            try expect(.class, at: target)
            let name = try loadName(target + SystemLayout.Class.name, byteCount: nameBytes)
            declaration.targetName = name.string
        } else if type == .reference {
            declaration.targetName = "Object"
        }
        return (declaration, target)
    }
}

/// A class in a listing.
public struct ClassEntry: Sendable {
    /// Where the class comes in the listing: ascending, at least 16, below 2^60.
    public let key: UInt64
    public let descriptor: ClassDescriptor
}
