/// The definition of a class: what its `Class` object and its list of `Field` objects hold.
extension ClassObject {
    static func key(_ name: String) throws(ObjectError) -> TableKey {
        TableKey(
            .classes, name: try NameBytes(name, limit: ObjectLimits.nameBytes, what: .class))
    }

    /// The class of this name, or nil; also nil for names that no class can have.
    static func find(_ name: String, _ tx: inout Transaction) throws -> ClassObject? {
        guard name.utf8.count <= ObjectLimits.nameBytes, ClassText.isIdentifier(name) else {
            return nil
        }
        let classes = try tx.loadFixed(SystemObject.root.classes)
        return try classes.entry(try ClassObject.key(name), &tx).map(ClassObject.init)
    }

    /// Makes a class, not defined yet, and enters it into the table of classes.
    static func add(_ name: String, _ tx: inout Transaction) throws -> ClassObject {
        let added = try ClassObject.make(&tx)
        let key = try ClassObject.key(name)
        try tx.store(key.name, at: added.name)
        try tx.loadFixed(SystemObject.root.classes).insert(added.address, key, &tx)
        return added
    }

    /// Takes a class that nobody uses out of the space.
    func remove(_ name: String, _ tx: inout Transaction) throws {
        try removeFields(&tx)
        try tx.loadFixed(SystemObject.root.classes).remove(try ClassObject.key(name), &tx)
        try free(&tx)
    }

    /// Whether this is a class that every space has, which never changes.
    var isBuiltIn: Bool { BuiltInClass.of(header: address.rawValue | 1) != nil }

    func checkHasNoObjects(_ name: String, _ tx: inout Transaction) throws {
        guard try tx.load(instances).isNull else {
            throw ObjectError.busy(.change(name))
        }
    }

    /// Checks that the definition with this revision still holds.
    @inline(__always)
    func checkCurrent(_ revision: UInt64, _ tx: inout Transaction) throws {
        if revision <= UInt64(BuiltInClass.allCases.count) { return }
        guard try isCurrent(revision, &tx) else {
            throw ObjectError.notFound(.definition)
        }
    }

    @inline(__always)
    func isCurrent(_ revision: UInt64, _ tx: inout Transaction) throws -> Bool {
        try ObjectMap.contains(address, &tx) && tx.load(self.revision) == revision
    }

    // MARK: Storing a definition

    /// Stores what the object says of its class, all but the name, and its `Field` objects.
    func storeDefinition(_ descriptor: ClassDescriptor, _ tx: inout Transaction) throws {
        var next = FieldObject.null
        for field in descriptor.fields.reversed() {
            next = try FieldObject.make(field, next: next, &tx)
        }
        try tx.store(next, at: fields)
        try tx.store(descriptor.revision, at: revision)
        try tx.store(UInt32(descriptor.fields.count), at: fieldCount)
        try tx.store(UInt32(descriptor.referenceCount), at: referenceCount)
        try tx.store(UInt32(descriptor.scalarBytes), at: scalarBytes)
        try tx.store(descriptor.isSystem, at: isSystem)
        let isAligned = descriptor.alignment > ClassDeclaration.alignmentMin
        try tx.store(UInt32(isAligned ? descriptor.alignment : 0), at: alignment)
    }

    func removeFields(_ tx: inout Transaction) throws {
        var field = try tx.load(fields)
        var count = 0
        while !field.isNull {
            guard count < ObjectLimits.fieldCount else {
                throw ObjectError.damaged("too many fields in a class", at: address)
            }
            count += 1
            try field.check(&tx)
            let target = try tx.load(field.target)
            if !target.isNull, target != self { try target.addReferrers(-1, &tx) }
            let next = try tx.load(field.next)
            try field.free(&tx)
            field = next
        }
        try tx.store(.null, at: fields)
    }

    /// Counts the fields of other classes that refer to this one.
    func addReferrers(_ change: Int32, _ tx: inout Transaction) throws {
        if isBuiltIn { return }
        try check(&tx)
        let count = Int64(try tx.load(referrers)) + Int64(change)
        guard let count = UInt32(exactly: count) else {
            throw ObjectError.damaged("a wrong count of referrers", at: referrers.address)
        }
        try tx.store(count, at: referrers)
    }

    // MARK: Reading a definition

    /// The descriptor of the present definition.
    func descriptor(_ tx: inout Transaction) throws -> ClassDescriptor {
        if let builtIn = BuiltInClass.of(header: address.rawValue | 1) { return builtIn.descriptor }
        guard address.rawValue & 7 == 0 else {
            throw ObjectError.damaged("an object of no class", at: address)
        }
        let revision = try tx.load(self.revision)
        if let known = ClassCache.shared.descriptor(at: address, revision: revision) {
            return known
        }
        let descriptor = try readDescriptor(revision, &tx)
        ClassCache.shared.insert(descriptor)
        return descriptor
    }

    private func readDescriptor(
        _ revision: UInt64, _ tx: inout Transaction
    ) throws -> ClassDescriptor {
        try check(&tx)
        let name = try tx.load(self.name)
        let count = Int(try tx.load(fieldCount))
        let alignment = Int(try tx.load(self.alignment))
        guard alignment == 0 || alignment == ClassDeclaration.alignmentMax else {
            throw ObjectError.damaged("a class of an unknown alignment", at: address)
        }
        var declarations: [FieldDeclaration] = []
        var targets: [Address] = []
        var field = try tx.load(fields)
        while !field.isNull {
            guard declarations.count < min(count, ObjectLimits.fieldCount) else {
                throw ObjectError.damaged("too many fields in a class", at: address)
            }
            let (declaration, target) = try field.declaration(&tx)
            declarations.append(declaration)
            targets.append(target.address)
            field = try tx.load(field.next)
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
}

extension FieldObject {
    static func make(
        _ field: FieldDescriptor, next: FieldObject, _ tx: inout Transaction
    ) throws -> FieldObject {
        let object = try FieldObject.make(&tx)
        let name = try NameBytes(field.name, limit: ObjectLimits.nameBytes, what: .field)
        try tx.store(ClassObject(field.classAddress), at: object.owner)
        try tx.store(next, at: object.next)
        try tx.store(ClassObject(field.target), at: object.target)
        try tx.store(name, at: object.name)
        try tx.store(Int32(field.offset), at: object.offset)
        try tx.store(UInt32(field.isRaw ? field.byteCount : field.count), at: object.count)
        try tx.store(UInt16(field.index), at: object.index)
        try tx.store(field.type.rawValue, at: object.type)
        try tx.store(field.arrayCount != nil, at: object.isArray)
        return object
    }

    /// The field as the object tells it, and the class that it refers to.
    func declaration(_ tx: inout Transaction) throws -> (FieldDeclaration, ClassObject) {
        try check(&tx)
        guard let type = FieldType(rawValue: try tx.load(type)) else {
            throw ObjectError.damaged("a field without a type", at: address)
        }
        let count = Int(try tx.load(self.count))
        let isArray = try tx.load(self.isArray)
        let target = try tx.load(self.target)
        guard (1...ObjectLimits.objectBytes).contains(count) else {
            throw ObjectError.damaged("a field without a size", at: address)
        }
        var declaration = FieldDeclaration(
            name: try tx.load(name).string, type: type, targetName: "",
            arrayCount: isArray ? count : nil, rawByteCount: type.isRaw ? count : 0)
        if !target.isNull {
            try target.check(&tx)
            declaration.targetName = try tx.load(target.name).string
        } else if type == .reference {
            declaration.targetName = "Object"
        }
        return (declaration, target)
    }
}
