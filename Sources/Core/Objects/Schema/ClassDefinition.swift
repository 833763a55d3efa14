/// Defining and removing classes.
extension Transaction {
    /// Defines a class, or defines it anew if it has no objects yet.
    ///
    /// - Parameter text: one field a line (see `ClassText`). References lead to classes that are
    ///   defined already, to the class itself, or to any `Object`.
    /// - Throws: `.invalid` with what is wrong in the text, `.busy` if objects of the class exist
    ///   and the text differs from its definition, `.notPermitted` for built-in classes.
    @discardableResult
    public mutating func defineClass(name: String, text: String) throws -> ClassDescriptor {
        try defineClass(name: name, try ClassText.parse(text))
    }

    /// Defines a class from the bytes of a file.
    @discardableResult
    public mutating func defineClass(
        name: String, text: UnsafeRawBufferPointer
    ) throws -> ClassDescriptor {
        try defineClass(name: name, try unsafe ClassText.parse(text))
    }

    /// Looks whether `defineClass` would succeed, but for want of memory; changes nothing.
    public mutating func checkClass(name: String, text: UnsafeRawBufferPointer) throws {
        let declaration = try unsafe ClassText.parse(text)
        try checkClassName(name)
        _ = try ClassLayout(declaration)
        if let existing = try classObject(named: name),
            try classDescriptor(at: existing).declaration != declaration
        {
            try checkHasNoObjects(existing, name)
        }
        _ = try targets(of: declaration.fields, inClass: name, at: .null)
    }

    private mutating func checkHasNoObjects(_ address: Address, _ name: String) throws {
        guard try link(address, SystemLayout.Class.instances) == .null else {
            throw ObjectError(
                .busy, "The class \(name) has objects, so it cannot change; use a new name.")
        }
    }

    /// Removes a class that has no objects and that no other class refers to.
    public mutating func removeClass(name: String) throws {
        try checkClassName(name)
        guard let address = try classObject(named: name) else {
            throw ObjectError(.notFound, "There is no class \(name).")
        }
        guard try link(address, SystemLayout.Class.instances) == .null else {
            throw ObjectError(.busy, "The class \(name) has objects; it stays as long as they do.")
        }
        let referrers: UInt32 = try load(address + SystemLayout.Class.referrers)
        guard referrers == 0 else {
            throw ObjectError(
                .busy,
                "\(referrers) fields of classes refer to \(name); while those have no objects,"
                    + " rm them first, or define them anew without these fields.")
        }
        try removeFields(ofClassAt: address)
        _ = try removeTableEntry(try classKey(name), in: try classesRoot())
        try freeSystemObject(address, .class)
    }

    private mutating func defineClass(
        name: String, _ declaration: ClassDeclaration
    ) throws -> ClassDescriptor {
        try checkClassName(name)
        let layout = try ClassLayout(declaration)
        let address: Address
        if let existing = try classObject(named: name) {
            address = existing
            let old = try classDescriptor(at: existing)
            // Writing what is there already harms nobody: scripts may run twice.
            if old.declaration == declaration { return old }
            try checkHasNoObjects(existing, name)
            try removeFields(ofClassAt: existing)
        } else {
            address = try newSystemObject(.class)
            let key = try classKey(name)
            try storeName(
                key.name, at: address + SystemLayout.Class.name,
                byteCount: ObjectLimits.nameBytes)
            try insertTableEntry(address, key, in: try classesRoot())
        }
        let first = UInt64(BuiltInClass.allCases.count + 1)
        let identity = ClassIdentity(
            address: address, revision: UInt64.random(in: first...UInt64.max), isSystem: false)
        let targets = try targets(of: declaration.fields, inClass: name, at: address)
        let descriptor = ClassDescriptor(
            identity, name: name, declaration: declaration, layout: layout, targets: targets)
        try storeDefinition(descriptor)
        for target in targets where target != .null && target != address {
            try addReferrers(1, toClassAt: target)
        }
        return descriptor
    }

    /// Stores what a `Class` object says of its class, all but the name, and its `Field` objects.
    mutating func storeDefinition(_ descriptor: ClassDescriptor) throws {
        let address = descriptor.address
        var next = Address.null
        for field in descriptor.fields.reversed() {
            next = try storeField(field, next: next)
        }
        try setLink(address, SystemLayout.Class.fields, to: next)
        try store(descriptor.revision, at: address + SystemLayout.Class.revision)
        try store(UInt32(descriptor.fields.count), at: address + SystemLayout.Class.fieldCount)
        try store(
            UInt32(descriptor.referenceCount), at: address + SystemLayout.Class.referenceCount)
        try store(UInt32(descriptor.scalarBytes), at: address + SystemLayout.Class.scalarBytes)
        try store(UInt8(descriptor.isSystem ? 1 : 0), at: address + SystemLayout.Class.isSystem)
        let isAligned = descriptor.alignment > ClassDeclaration.alignmentMin
        let alignment = UInt32(isAligned ? descriptor.alignment : 0)
        try store(alignment, at: address + SystemLayout.Class.alignment)
    }

    private mutating func storeField(_ field: Field, next: Address) throws -> Address {
        let object = try newSystemObject(.field)
        let name = try NameBytes(field.name, limit: ObjectLimits.nameBytes, what: "field")
        try setLink(object, SystemLayout.Field.owner, to: field.classAddress)
        try setLink(object, SystemLayout.Field.next, to: next)
        try setLink(object, SystemLayout.Field.target, to: field.target)
        try storeName(
            name, at: object + SystemLayout.Field.name, byteCount: ObjectLimits.nameBytes)
        try store(Int32(field.offset), at: object + SystemLayout.Field.offset)
        let count = field.isRaw ? field.byteCount : field.count
        try store(UInt32(count), at: object + SystemLayout.Field.count)
        try store(UInt16(field.index), at: object + SystemLayout.Field.index)
        try store(field.type.rawValue, at: object + SystemLayout.Field.type)
        let isArray: UInt8 = field.arrayCount == nil ? 0 : 1
        try store(isArray, at: object + SystemLayout.Field.isArray)
        return object
    }

    private mutating func removeFields(ofClassAt address: Address) throws {
        var field = try link(address, SystemLayout.Class.fields)
        var count = 0
        while field != .null {
            guard count < ObjectLimits.fieldCount else {
                throw ObjectError.damaged("too many fields in a class", at: address)
            }
            count += 1
            try expect(.field, at: field)
            let target = try link(field, SystemLayout.Field.target)
            if target != .null, target != address { try addReferrers(-1, toClassAt: target) }
            let next = try link(field, SystemLayout.Field.next)
            try freeSystemObject(field, .field)
            field = next
        }
        try setLink(address, SystemLayout.Class.fields, to: .null)
    }

    /// The classes that the references of a definition lead to; null for scalars and any object.
    private mutating func targets(
        of declarations: [FieldDeclaration], inClass name: String, at address: Address
    ) throws -> [Address] {
        var targets: [Address] = []
        for declaration in declarations {
            let target = declaration.targetName
            if target.isEmpty || target == "Object" {
                targets.append(.null)
            } else if target == name {
                targets.append(address)
            } else if let found = try classObject(named: target) {
                targets.append(found)
            } else {
                throw ObjectError(
                    .invalid,
                    "The field \(declaration.name) refers to the class \(target), which is not "
                        + "there; define it first, an empty text will do.")
            }
        }
        return targets
    }

    private mutating func addReferrers(_ change: Int32, toClassAt address: Address) throws {
        if BuiltInClass.of(header: address.rawValue | 1) != nil { return }
        try expect(.class, at: address)
        let place = address + SystemLayout.Class.referrers
        let count = Int64(try load(place, as: UInt32.self)) + Int64(change)
        guard count >= 0 else { throw ObjectError.damaged("a count below zero", at: place) }
        try store(UInt32(count), at: place)
    }

    private func checkClassName(_ name: String) throws(ObjectError) {
        guard ClassText.isIdentifier(name) else {
            throw ObjectError(
                .invalid, "A class name has letters, digits and _, and begins with no digit.")
        }
        guard name.utf8.count <= ObjectLimits.nameBytes else {
            throw ObjectError(
                .nameTooLong, "A class name has at most \(ObjectLimits.nameBytes) bytes.")
        }
        guard BuiltInClass.named(name) == nil, name != "Object" else {
            throw ObjectError(.notPermitted, "\(name) is a class of the system; use another name.")
        }
    }
}
