/// Finding classes, and the descriptors of objects.
extension Transaction {
    /// The class with this name.
    /// - Throws: `.notFound`.
    public mutating func classDescriptor(named name: String) throws -> ClassDescriptor {
        guard let found = try ClassObject.find(name, &self) else {
            throw ObjectError.notFound(.class(name))
        }
        return try classDescriptor(at: found.address)
    }

    /// The class whose `Class` object is at an address.
    public mutating func classDescriptor(at address: Address) throws -> ClassDescriptor {
        guard try header(of: address) == ClassObject.builtIn.header else {
            throw ObjectError.notFound(.classObject(address))
        }
        return try ClassObject(address).descriptor(&self)
    }

    /// The class of a live object.
    /// - Throws: `.notFound` if there is no object at exactly this address.
    public mutating func descriptor(of object: Address) throws -> ClassDescriptor {
        let header = try header(of: object)
        if let builtIn = BuiltInClass.of(header: header) { return builtIn.descriptor }
        return try ClassObject(Address(header & ~1)).descriptor(&self)
    }

    /// Up to `limit` classes after `key`, in the order of their keys; begin with key 0.
    public mutating func classes(after key: UInt64, limit: Int) throws -> [ClassEntry] {
        let classes = try loadFixed(SystemObject.root.classes)
        return try classes.infos(.classes, after: key, limit: limit, by: \.key, &self) {
            ClassEntry(
                key: try TableKey(of: $0, .classes, &$1).number,
                descriptor: try $1.classDescriptor(at: $0))
        }
    }

    /// Checks that a class is still defined as the descriptor says.
    mutating func checkCurrent(_ descriptor: ClassDescriptor) throws {
        try descriptor.object.checkCurrent(descriptor.revision, &self)
    }
}

/// A class in a listing.
public struct ClassEntry: Sendable {
    /// Where the class comes in the listing: ascending, at least 16, below 2^60.
    public let key: UInt64
    public let descriptor: ClassDescriptor
}

/// Defining and removing classes.
extension Transaction {
    /// Defines a class, or defines it again if it has no objects yet.
    ///
    /// - Parameter text: one field a line (see `ClassText`). References lead to classes that are
    ///   defined already, to the class itself, or to any `Object`.
    /// - Throws: `.invalid` with what is wrong in the text, `.busy` if objects of the class exist
    ///   and the text differs from its definition, `.notPermitted` for built-in classes.
    @discardableResult
    public mutating func defineClass(name: String, text: String) throws -> ClassDescriptor {
        try defineClass(name: name, try ClassText.parse(text))
    }

    /// Looks whether `defineClass` would succeed, except for want of memory; changes nothing.
    public mutating func checkClass(name: String, _ declaration: ClassDeclaration) throws {
        try checkClassName(name)
        _ = try ClassLayout(declaration)
        if let existing = try ClassObject.find(name, &self),
            try classDescriptor(at: existing.address).declaration != declaration
        {
            try existing.checkHasNoObjects(name, &self)
        }
        _ = try targets(of: declaration.fields, inClass: name, at: .null)
    }

    /// Removes a class that has no objects and that no other class refers to.
    public mutating func removeClass(name: String) throws {
        try checkClassName(name)
        guard let found = try ClassObject.find(name, &self) else {
            throw ObjectError.notFound(.class(name))
        }
        guard try load(found.instances).isNull else {
            throw ObjectError.busy(.removal(name))
        }
        let referrers = try load(found.referrers)
        guard referrers == 0 else {
            throw ObjectError.busy(.hasReferrers(name, fields: referrers))
        }
        try found.remove(name, &self)
    }

    /// Defines a class as its text would.
    @discardableResult
    public mutating func defineClass(
        name: String, _ declaration: ClassDeclaration
    ) throws -> ClassDescriptor {
        try checkClassName(name)
        let layout = try ClassLayout(declaration)
        let defined: ClassObject
        if let existing = try ClassObject.find(name, &self) {
            defined = existing
            let old = try classDescriptor(at: existing.address)
            // Writing what is there already harms nobody: scripts may run twice.
            if old.declaration == declaration { return old }
            try existing.checkHasNoObjects(name, &self)
            try existing.removeFields(&self)
        } else {
            defined = try ClassObject.add(name, &self)
        }
        let first = UInt64(BuiltInClass.allCases.count + 1)
        let identity = ClassIdentity(
            address: defined.address, revision: UInt64.random(in: first...UInt64.max),
            isSystem: false)
        let targets = try targets(of: declaration.fields, inClass: name, at: defined.address)
        let descriptor = ClassDescriptor(
            identity, name: name, declaration: declaration, layout: layout, targets: targets)
        try defined.storeDefinition(descriptor, &self)
        for target in targets where target != .null && target != defined.address {
            try ClassObject(target).addReferrers(1, &self)
        }
        return descriptor
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
            } else if let found = try ClassObject.find(target, &self) {
                targets.append(found.address)
            } else {
                throw ObjectError.invalid(.targetClass(target, field: declaration.name))
            }
        }
        return targets
    }

    private func checkClassName(_ name: String) throws(ObjectError) {
        guard ClassText.isIdentifier(name) else {
            throw ObjectError.invalid(.identifier(of: .class))
        }
        guard name.utf8.count <= ObjectLimits.nameBytes else {
            throw ObjectError.nameTooLong(.class, max: ObjectLimits.nameBytes)
        }
        guard BuiltInClass.named(name) == nil, name != "Object" else {
            throw ObjectError.notPermitted(.systemClass(name))
        }
    }
}
