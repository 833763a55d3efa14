import Glibc
import RainbowCore

/// `objects/0x.../FIELD`: a file, a link, or a directory of links, as the class says.
protocol FieldNode: Node {
    /// - Throws: ENOENT if the object is gone, or has no such field.
    func place(_ tx: inout Transaction) throws -> FieldPlace
}

enum FieldRefusal {
    static let gone = TreeError(ENOENT, "There is no object with such a field any more.")
    static let system = TreeError(
        EPERM,
        "The objects of the system are changed through classes/, names/ and regions/ only.")
}

extension FieldNode {
    func describedObject(_ tx: inout Transaction) throws -> ObjectInfo? {
        let place = try place(&tx)
        return ObjectInfo(address: place.object, descriptor: place.descriptor)
    }

    func checkWritable(_ tx: inout Transaction) throws {
        if try place(&tx).descriptor.isSystem { throw FieldRefusal.system }
    }

    func extendedAttributes(_ tx: inout Transaction) throws -> [(name: String, value: String)] {
        let place = try place(&tx)
        return try ObjectState(place.object, place.descriptor, &tx).extendedAttributes(&tx)
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

    func place(_ tx: inout Transaction) throws -> FieldPlace {
        guard let place = try tx.scalar(at: id.address), place.index == 0 else {
            throw FieldRefusal.gone
        }
        return place
    }

    func describe(_ tx: inout Transaction) throws -> Description {
        let place = try place(&tx)
        let state = try ObjectState(place.object, place.descriptor, &tx)
        return state.file(view, id, size: try size(place, &tx))
    }

    /// Bytes of the file: those of the text that a read now would give.
    private func size(_ place: FieldPlace, _ tx: inout Transaction) throws -> Int {
        guard place.field.type != .bytes else { return place.field.byteCount }
        var text: [UInt8] = []
        try OpenField.format(place.object, place.field, into: &text, &tx)
        return text.count
    }

    func change(_ change: AttributeChange, _ tx: inout Transaction) throws {
        try refuseChange(change, describe(&tx), ObjectState.ownershipRefusal)
    }

    func open(_ request: OpenRequest, _ tx: inout Transaction) throws -> OpenFile? {
        let place = try place(&tx)
        if request.writes && place.descriptor.isSystem { throw FieldRefusal.system }
        return switch place.field.type {
        case .bytes: FieldBytesFile(view, place)
        case .string: FieldStringFile(view, place)
        default: FieldTextFile(view, place)
        }
    }
}

/// `objects/0x.../FIELD`, a reference.
struct ReferenceLink: FieldNode, LinkNode {
    let view: View
    let id: NodeID

    func place(_ tx: inout Transaction) throws -> FieldPlace {
        guard let place = try tx.reference(at: id.address), place.field.arrayCount == nil else {
            throw FieldRefusal.gone
        }
        return place
    }

    func describe(_ tx: inout Transaction) throws -> Description {
        try describe(place(&tx), up: 1, &tx)
    }

    func readLink(_ tx: inout Transaction) throws -> String {
        try target(place(&tx), up: 1, &tx)
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

    func place(_ tx: inout Transaction) throws -> FieldPlace {
        guard let place = try tx.reference(at: id.address), place.index == 0,
            place.field.arrayCount != nil
        else { throw FieldRefusal.gone }
        return place
    }

    func describe(_ tx: inout Transaction) throws -> Description {
        let place = try place(&tx)
        return try ObjectState(place.object, place.descriptor, &tx).directory(view, id)
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
        guard let index = index(name, try place(&tx).field) else { return nil }
        if let file = view.pendingFiles.find(id, name), try isNull(name, &tx) { return file.node }
        return element(index)
    }

    func list(after key: UInt64, limit: Int, _ tx: inout Transaction) throws -> DirectoryPage {
        let field = try place(&tx).field
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
        let place = try place(&tx)
        return ReferenceHolder(object: place.object, array: place.field.name)
    }

    func isNull(_ name: String, _ tx: inout Transaction) throws -> Bool {
        let place = try place(&tx)
        guard let index = index(name, place.field) else { return false }
        return try tx.reference(place.object, place.field, index: index) == .null
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

    func symlink(_ name: String, _ target: LinkTarget, _ tx: inout Transaction) throws -> NewLink {
        guard PendingLinks.isTemporary(name) else { throw TreeError(EPERM, refusal) }
        return .pending(target.address)
    }

    func replace(_ name: String, with target: Address, _ tx: inout Transaction) throws {
        let place = try place(&tx)
        guard let index = index(name, place.field) else { throw TreeError.notFound(name) }
        try tx.setReference(place.object, place.field, index: index, to: target)
    }
}

/// `objects/0x.../FIELD/I`: one reference of an array.
struct ElementLink: LinkNode {
    let view: View
    let id: NodeID

    private func place(_ tx: inout Transaction) throws -> FieldPlace {
        guard let place = try tx.reference(at: id.address) else { throw FieldRefusal.gone }
        return place
    }

    func describe(_ tx: inout Transaction) throws -> Description {
        try describe(place(&tx), up: 2, &tx)
    }

    func readLink(_ tx: inout Transaction) throws -> String {
        try target(place(&tx), up: 2, &tx)
    }
}

extension LinkNode {
    /// The path to what a reference refers to, from `up` levels below the folder of its object.
    fileprivate func target(
        _ place: FieldPlace, up: Int, _ tx: inout Transaction
    ) throws -> String {
        LinkText.toObject(
            try tx.reference(place.object, place.field, index: place.index), from: place.object,
            up: up)
    }

    fileprivate func describe(
        _ place: FieldPlace, up: Int, _ tx: inout Transaction
    ) throws -> Description {
        let state = try ObjectState(place.object, place.descriptor, &tx)
        var description = link(
            try target(place, up: up, &tx), state.ownership, version: state.version)
        description.isLasting = state.isLasting
        return description
    }
}
