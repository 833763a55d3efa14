import Glibc
import RainbowCore

/// `objects/0x.../FIELD`: a file, a link, or a directory of links, as the class says.
struct FieldNode: Node {
    let view: View
    let id: NodeID

    static func type(of field: Field) -> UInt32 {
        guard field.isReference else { return S_IFREG }
        return field.arrayCount == nil ? S_IFLNK : S_IFDIR
    }

    /// The number of the node that a field of an object is.
    static func node(_ field: Field, of object: Address) -> NodeID {
        NodeID(field.isReference ? .reference : .field, address: object + field.offset)
    }

    func place(_ tx: inout Transaction) throws -> FieldPlace {
        let place =
            id.kind == .reference
            ? try tx.reference(at: id.address) : try tx.scalar(at: id.address)
        guard let place, place.index == 0 else {
            throw TreeError(ENOENT, "There is no object with such a field any more.")
        }
        return place
    }

    private func field(_ tx: inout Transaction) throws -> Field {
        try place(&tx).field
    }

    func isLink(_ tx: inout Transaction) throws -> Bool {
        FieldNode.type(of: try field(&tx)) == S_IFLNK
    }

    /// - Throws: ENOTDIR if it is none.
    func directory(_ tx: inout Transaction) throws -> any DirectoryNode {
        let field = try field(&tx)
        guard FieldNode.type(of: field) == S_IFDIR else {
            throw TreeError(ENOTDIR, "The field \(field.name) is not a directory.")
        }
        return ReferenceArrayDirectory(view: view, id: id)
    }

    func describe(_ tx: inout Transaction) throws -> Description {
        let place = try place(&tx)
        let state = try ObjectState(place.object, place.descriptor, &tx)
        let field = place.field
        switch FieldNode.type(of: field) {
        case S_IFDIR: return state.directory(view, id)
        case S_IFREG: return state.file(view, id, size: try size(place, &tx))
        default:
            var description = link(try target(place, &tx), state)
            description.isLasting = state.isLasting
            return description
        }
    }

    func describedObject(_ tx: inout Transaction) throws -> ObjectInfo? {
        let place = try place(&tx)
        return ObjectInfo(address: place.object, descriptor: place.descriptor)
    }

    private func link(_ target: String, _ state: ObjectState) -> Description {
        var ownership = state.ownership
        ownership.mode = 0o777
        return Description(
            attributes: view.attributes(
                id, S_IFLNK, ownership, size: UInt64(target.systemByteCount),
                version: state.version))
    }

    /// Bytes of the file: those of the text that a read now would give.
    private func size(_ place: FieldPlace, _ tx: inout Transaction) throws -> Int {
        guard place.field.type != .bytes else { return place.field.byteCount }
        var text: [UInt8] = []
        try OpenField.format(place.object, place.field, into: &text, &tx)
        return text.count
    }

    func change(_ change: AttributeChange, _ tx: inout Transaction) throws {
        guard FieldNode.type(of: try field(&tx)) != S_IFLNK else { return }
        try refuseChange(change, describe(&tx), ObjectState.ownershipRefusal)
    }

    func checkWritable(_ tx: inout Transaction) throws {
        if try place(&tx).descriptor.isSystem { throw FieldNode.systemRefusal }
    }

    func readLink(_ tx: inout Transaction) throws -> String {
        let place = try place(&tx)
        guard FieldNode.type(of: place.field) == S_IFLNK else {
            throw TreeError(EINVAL, "The field \(place.field.name) is not a reference.")
        }
        return try target(place, &tx)
    }

    private func target(_ place: FieldPlace, _ tx: inout Transaction) throws -> String {
        LinkText.toObject(
            try tx.reference(place.object, place.field, index: 0), from: place.object, up: 1)
    }

    func open(_ request: OpenRequest) throws -> OpenFile {
        let place = try view.transact { tx -> FieldPlace in
            let place = try self.place(&tx)
            if request.writes && place.descriptor.isSystem { throw FieldNode.systemRefusal }
            return place
        }
        let field = place.field
        switch FieldNode.type(of: field) {
        case S_IFDIR: throw TreeError(EISDIR, "The field \(field.name) is a directory.")
        case S_IFLNK: throw TreeError(ELOOP, "The field \(field.name) is a reference.")
        default:
            return switch field.type {
            case .bytes: FieldBytesFile(view, place)
            case .string: FieldStringFile(view, place)
            default: FieldTextFile(view, place)
            }
        }
    }

    static let systemRefusal = TreeError(
        EPERM,
        "The objects of the system are changed through classes/, names/ and regions/ only.")

    func extendedAttributes(_ tx: inout Transaction) throws -> [(name: String, value: String)] {
        let place = try place(&tx)
        return try ObjectState(place.object, place.descriptor, &tx).extendedAttributes(&tx)
    }
}

/// `objects/0x.../FIELD/`: an array of references, one link an element.
struct ReferenceArrayDirectory: DirectoryNode {
    let view: View
    let id: NodeID

    var takesLinks: Bool { true }
    let refusal =
        "The length of an array is that of its class. An element is replaced with ln -sfn;"
        + " rm sets it to null."

    private var node: FieldNode { FieldNode(view: view, id: id) }

    func name(_ tx: inout Transaction) throws -> String { try node.place(&tx).field.name }

    func describe(_ tx: inout Transaction) throws -> Description {
        try node.describe(&tx)
    }

    /// - Returns: nil if the name is not the plain decimal number of an element.
    private func index(_ name: String, _ field: Field) -> Int? {
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
        guard let index = index(name, try node.place(&tx).field) else { return nil }
        if let file = view.pendingFiles.find(id, name), try isNull(name, &tx) { return file.node }
        return element(index)
    }

    func list(after key: UInt64, limit: Int, _ tx: inout Transaction) throws -> DirectoryPage {
        let field = try node.place(&tx).field
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

    func object(_ tx: inout Transaction) throws -> Address? { try node.place(&tx).object }

    func isNull(_ name: String, _ tx: inout Transaction) throws -> Bool {
        let place = try node.place(&tx)
        guard let index = index(name, place.field) else { return false }
        return try tx.reference(place.object, place.field, index: index) == .null
    }

    func unlink(_ name: String, _ tx: inout Transaction) throws {
        try replace(name, with: .null, &tx)
    }

    /// Keeps a file that holds the place of a reference to nothing, until it is removed.
    func create(_ name: String, _ request: OpenRequest) throws -> (NodeID, OpenFile) {
        let isFree = try view.transact { tx -> Bool in try self.isNull(name, &tx) }
        guard isFree, request.flags & O_EXCL != 0 else { throw TreeError(EPERM, refusal) }
        let file = try view.pendingFiles.add(id, name, request)
        return (file.node, OpenPendingFile(view, file))
    }

    func symlink(_ name: String, _ target: LinkTarget, _ tx: inout Transaction) throws -> NewLink {
        guard PendingLinks.isTemporary(name) else { throw TreeError(EPERM, refusal) }
        return .pending(target.address)
    }

    func replace(_ name: String, with target: Address, _ tx: inout Transaction) throws {
        let place = try node.place(&tx)
        guard let index = index(name, place.field) else { throw TreeError.notFound(name) }
        try tx.setReference(place.object, place.field, index: index, to: target)
    }

    func extendedAttributes(_ tx: inout Transaction) throws -> [(name: String, value: String)] {
        try node.extendedAttributes(&tx)
    }
}

/// `objects/0x.../FIELD/I`: one reference of an array.
struct ElementLink: LinkNode {
    let view: View
    let id: NodeID

    private func place(_ tx: inout Transaction) throws -> FieldPlace {
        guard let place = try tx.reference(at: id.address) else {
            throw TreeError(ENOENT, "There is no object with such a field any more.")
        }
        return place
    }

    private func target(_ place: FieldPlace, _ tx: inout Transaction) throws -> String {
        LinkText.toObject(
            try tx.reference(place.object, place.field, index: place.index), from: place.object,
            up: 2)
    }

    func describe(_ tx: inout Transaction) throws -> Description {
        let place = try place(&tx)
        let state = try ObjectState(place.object, place.descriptor, &tx)
        var description = link(try target(place, &tx), state.ownership, version: state.version)
        description.isLasting = state.isLasting
        return description
    }

    func readLink(_ tx: inout Transaction) throws -> String {
        try target(place(&tx), &tx)
    }
}
