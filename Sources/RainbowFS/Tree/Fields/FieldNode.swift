import Glibc
import RainbowCore

/// `objects/0x.../FIELD`: a file, a link, or a directory of links, as the class says.
protocol FieldNode: Node {
    /// - Throws: ENOENT if the object is gone, or has no such field.
    func location(_ tx: inout Transaction) throws -> FieldLocation
}

enum FieldRefusal {
    static let gone = TreeError(ENOENT, "There is no object with such a field any more.")
    static let system = TreeError(
        EPERM,
        "The objects of the system are changed through classes/, names/ and regions/ only.")
}

extension FieldNode {
    func describedObject(_ tx: inout Transaction) throws -> ObjectInfo? {
        let location = try location(&tx)
        return ObjectInfo(address: location.object, descriptor: location.descriptor)
    }

    func checkWritable(_ tx: inout Transaction) throws {
        if try location(&tx).descriptor.isSystem { throw FieldRefusal.system }
    }

    func extendedAttributes(_ tx: inout Transaction) throws -> [(name: String, value: String)] {
        let location = try location(&tx)
        return try ObjectState(location.object, location.descriptor, &tx).extendedAttributes(&tx)
    }
}

extension FieldDescriptor {
    /// The type bits of `st_mode`.
    var fileType: UInt32 {
        switch nodeKind {
        case .reference: S_IFLNK
        case .referenceArray: S_IFDIR
        default: S_IFREG
        }
    }

    fileprivate var nodeKind: NodeKind {
        guard isReference else { return .field }
        return arrayCount == nil ? .reference : .referenceArray
    }
}

extension NodeID {
    init(_ field: FieldDescriptor, of object: Address) {
        self.init(field.nodeKind, address: object + field.offset)
    }
}

/// `objects/0x.../FIELD`, a scalar or an array of scalars.
struct FieldFile: FieldNode {
    let view: View
    let id: NodeID

    func location(_ tx: inout Transaction) throws -> FieldLocation {
        guard let location = try tx.scalar(at: id.address), location.index == 0 else {
            throw FieldRefusal.gone
        }
        return location
    }

    func describe(_ tx: inout Transaction) throws -> Description {
        let location = try location(&tx)
        let state = try ObjectState(location.object, location.descriptor, &tx)
        return state.file(view, id, size: try size(location, &tx))
    }

    /// Bytes of the file: those of the text that a read now would give.
    private func size(_ location: FieldLocation, _ tx: inout Transaction) throws -> Int {
        guard location.field.type != .bytes else { return location.field.byteCount }
        var text: [UInt8] = []
        try OpenField.format(location.object, location.field, into: &text, &tx)
        return text.count
    }

    func change(_ change: AttributeChange, _ tx: inout Transaction) throws {
        try refuseChange(change, describe(&tx), ObjectState.ownershipRefusal)
    }

    func open(_ request: OpenRequest, _ tx: inout Transaction) throws -> OpenFile? {
        let location = try location(&tx)
        if request.writes && location.descriptor.isSystem { throw FieldRefusal.system }
        return switch location.field.type {
        case .bytes: OpenFieldBytes(view, location)
        case .string: OpenFieldString(view, location)
        default: OpenFieldText(view, location)
        }
    }
}

/// `objects/0x.../FIELD`, a reference.
struct ReferenceLink: FieldNode, LinkNode {
    let view: View
    let id: NodeID

    func location(_ tx: inout Transaction) throws -> FieldLocation {
        guard let location = try tx.reference(at: id.address), location.field.arrayCount == nil
        else {
            throw FieldRefusal.gone
        }
        return location
    }

    func describe(_ tx: inout Transaction) throws -> Description {
        try describe(location(&tx), up: 1, &tx)
    }

    func readLink(_ tx: inout Transaction) throws -> String {
        try target(location(&tx), up: 1, &tx)
    }
}

/// `objects/0x.../FIELD/`: an array of references, one link an element.
struct ReferenceArrayDirectory: FieldNode, DirectoryNode {
    let view: View
    let id: NodeID

    var takesLinks: Bool { true }
    let refusal =
        "The length of an array is that of its class. An element is replaced with ln -sfn;"
        + " rm sets it to null."

    func location(_ tx: inout Transaction) throws -> FieldLocation {
        guard let location = try tx.reference(at: id.address), location.index == 0,
            location.field.arrayCount != nil
        else { throw FieldRefusal.gone }
        return location
    }

    func describe(_ tx: inout Transaction) throws -> Description {
        let location = try location(&tx)
        return try ObjectState(location.object, location.descriptor, &tx).directory(view, id)
    }

    func change(_ change: AttributeChange, _ tx: inout Transaction) throws {
        try refuseChange(change, describe(&tx), ObjectState.ownershipRefusal)
    }

    /// - Returns: nil if the name is not the plain decimal number of an element.
    private func index(_ name: String, _ field: FieldDescriptor) -> Int? {
        guard let index = Int(name), index >= 0, index < field.count, String(index) == name else {
            return nil
        }
        return index
    }

    /// The references of an object lie one below the other.
    private func element(_ index: Int) -> NodeID {
        NodeID(.element, address: id.address - 8 * index)
    }

    func lookup(_ name: String, _ tx: inout Transaction) throws -> NodeID? {
        guard let index = index(name, try location(&tx).field) else { return nil }
        if let file = view.pendingFiles.find(id, name), try isNull(name, &tx) { return file.node }
        return element(index)
    }

    func list(after key: UInt64, limit: Int, _ tx: inout Transaction) throws -> DirectoryPage {
        let field = try location(&tx).field
        let first = key < ListingKey.first ? 0 : Int(min(key - ListingKey.first, 1 << 20)) + 1
        let end = min(field.count, first + limit)
        let entries = (first..<max(first, end)).map { index in
            let node = element(index)
            return ListedEntry(
                name: String(index), node: node, key: ListingKey.first + UInt64(index),
                type: S_IFLNK)
        }
        return DirectoryPage(entries: entries, next: end < field.count ? entries.last?.key : nil)
    }

    func holder(_ tx: inout Transaction) throws -> ReferenceHolder? {
        let location = try location(&tx)
        return ReferenceHolder(object: location.object, array: location.field.name)
    }

    func isNull(_ name: String, _ tx: inout Transaction) throws -> Bool {
        let location = try location(&tx)
        guard let index = index(name, location.field) else { return false }
        return try tx.reference(location.object, location.field, index: index) == .null
    }

    func unlink(_ name: String, _ tx: inout Transaction) throws {
        try replace(name, with: .null, &tx)
    }

    func checkCreate(_ name: String, _ request: OpenRequest, _ tx: inout Transaction) throws {
        guard try isNull(name, &tx), request.flags & O_EXCL != 0 else {
            throw TreeError(EPERM, refusal)
        }
    }

    /// Keeps a file in place of a reference to nothing, until it is removed.
    func create(_ name: String, _ request: OpenRequest) throws -> (NodeID, OpenFile) {
        let file = try view.pendingFiles.add(id, name, request)
        return (file.node, OpenPendingFile(view, file))
    }

    func symlink(_ name: String, _ target: Address, _ tx: inout Transaction) throws -> NewLink {
        guard PendingLinks.isTemporary(name) else { throw TreeError(EPERM, refusal) }
        return .pending(target)
    }

    func replace(_ name: String, with target: Address, _ tx: inout Transaction) throws {
        let location = try location(&tx)
        guard let index = index(name, location.field) else { throw TreeError.notFound(name) }
        try tx.setReference(location.object, location.field, index: index, to: target)
    }
}

/// `objects/0x.../FIELD/I`: one reference of an array.
struct ElementLink: LinkNode {
    let view: View
    let id: NodeID

    private func location(_ tx: inout Transaction) throws -> FieldLocation {
        guard let location = try tx.reference(at: id.address) else { throw FieldRefusal.gone }
        return location
    }

    func describe(_ tx: inout Transaction) throws -> Description {
        try describe(location(&tx), up: 2, &tx)
    }

    func readLink(_ tx: inout Transaction) throws -> String {
        try target(location(&tx), up: 2, &tx)
    }
}

extension LinkNode {
    /// The path to what a reference refers to, from `up` levels below the folder of its object.
    fileprivate func target(
        _ location: FieldLocation, up: Int, _ tx: inout Transaction
    ) throws -> String {
        LinkText.toObject(
            try tx.reference(location.object, location.field, index: location.index),
            from: location.object,
            up: up)
    }

    fileprivate func describe(
        _ location: FieldLocation, up: Int, _ tx: inout Transaction
    ) throws -> Description {
        let state = try ObjectState(location.object, location.descriptor, &tx)
        var description = link(
            try target(location, up: up, &tx), state.ownership, version: state.version)
        description.isPermanent = state.isPermanent
        return description
    }
}
