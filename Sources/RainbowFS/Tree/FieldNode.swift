import Core
import Glibc

/// `objects/0x.../FIELD`: a file, a link, or a directory of links, as the class says.
struct FieldNode: Node {
    let tree: Tree
    let id: NodeID

    static func type(of field: Field) -> UInt32 {
        guard field.isReference else { return S_IFREG }
        return field.arrayCount == nil ? S_IFLNK : S_IFDIR
    }

    func field(_ descriptor: ClassDescriptor) throws -> Field {
        guard id.part < descriptor.fields.count else {
            throw TreeError(ENOENT, "The class \(descriptor.name) has no such field any more.")
        }
        return descriptor.fields[id.part]
    }

    private func field(_ tx: inout Transaction) throws -> Field {
        try field(tx.descriptor(of: id.address))
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
        return ReferenceArrayDirectory(tree: tree, id: id)
    }

    func describe(_ tx: inout Transaction) throws -> Description {
        let state = try ObjectState(id.address, &tx)
        let field = try field(state.descriptor)
        switch FieldNode.type(of: field) {
        case S_IFDIR: return state.directory(tree, id)
        case S_IFREG: return state.file(tree, id, size: try size(field, &tx))
        default:
            var description = link(try readLink(&tx), state)
            description.isLasting = state.isLasting
            return description
        }
    }

    private func link(_ target: String, _ state: ObjectState) -> Description {
        var ownership = state.ownership
        ownership.mode = 0o777
        return Description(
            attributes: tree.attributes(
                id.inode, S_IFLNK, ownership, size: UInt64(target.utf8.count),
                version: state.version))
    }

    /// Bytes of the file: those of the text that a read now would give.
    private func size(_ field: Field, _ tx: inout Transaction) throws -> Int {
        guard !field.isRaw else { return field.byteCount }
        var text: [UInt8] = []
        try FieldTextFile.format(id.address, field, into: &text, &tx)
        return text.count
    }

    func change(_ change: AttributeChange, _ tx: inout Transaction) throws {
        guard FieldNode.type(of: try field(&tx)) != S_IFLNK else { return }
        try refuseChange(change, describe(&tx), ObjectState.ownershipRefusal)
    }

    func readLink(_ tx: inout Transaction) throws -> String {
        let field = try field(&tx)
        guard FieldNode.type(of: field) == S_IFLNK else {
            throw TreeError(EINVAL, "The field \(field.name) is not a reference.")
        }
        return LinkText.toObject(try tx.reference(id.address, field, index: 0), up: 1)
    }

    func open(_ request: OpenRequest) throws -> OpenFile {
        let address = id.address
        let field = try tree.transact { tx -> Field in
            let descriptor = try tx.descriptor(of: address)
            if request.writes && descriptor.isSystem { throw FieldNode.systemRefusal }
            return try self.field(descriptor)
        }
        switch FieldNode.type(of: field) {
        case S_IFDIR: throw TreeError(EISDIR, "The field \(field.name) is a directory.")
        case S_IFLNK: throw TreeError(ELOOP, "The field \(field.name) is a reference.")
        default:
            return field.isRaw
                ? FieldBytesFile(tree, address, field, isReplaced: request.truncates)
                : FieldTextFile(tree, address, field)
        }
    }

    static let systemRefusal = TreeError(
        EPERM,
        "The objects of the system are changed through classes/, names/ and regions/ only.")

    func extendedAttributes(_ tx: inout Transaction) throws -> [(name: String, value: String)] {
        try ObjectState(id.address, &tx).extendedAttributes(&tx)
    }
}

/// `objects/0x.../FIELD/`: an array of references, one link an element.
struct ReferenceArrayDirectory: DirectoryNode {
    let tree: Tree
    let id: NodeID

    let refusal =
        "The length of an array is that of its class. An element is replaced with ln -sfn;"
        + " rm sets it to null."

    private func field(_ tx: inout Transaction) throws -> Field {
        try FieldNode(tree: tree, id: id).field(tx.descriptor(of: id.address))
    }

    func describe(_ tx: inout Transaction) throws -> Description {
        try FieldNode(tree: tree, id: id).describe(&tx)
    }

    /// - Returns: nil if the name is not the plain decimal number of an element.
    private func index(_ name: String, _ field: Field) -> Int? {
        guard let index = Int(name), index >= 0, index < field.count, String(index) == name else {
            return nil
        }
        return index
    }

    private func element(_ field: Field, _ index: Int) -> NodeID {
        NodeID(.element, part: -field.offset / 8 - 1 + index, address: id.address)
    }

    func lookup(_ name: String, _ tx: inout Transaction) throws -> NodeID? {
        let field = try field(&tx)
        return index(name, field).map { element(field, $0) }
    }

    func list(after key: UInt64, limit: Int, _ tx: inout Transaction) throws -> DirectoryPage {
        let field = try field(&tx)
        let first = key < ListingKey.first ? 0 : Int(min(key - ListingKey.first, 1 << 20)) + 1
        let end = min(field.count, first + limit)
        let entries = (first..<max(first, end)).map { index in
            let node = element(field, index)
            return ListedEntry(
                name: String(index), node: node, key: ListingKey.first + UInt64(index),
                type: S_IFLNK, ino: node.inode)
        }
        return DirectoryPage(entries: entries, next: end < field.count ? entries.last?.key : nil)
    }

    func unlink(_ name: String, _ tx: inout Transaction) throws {
        try replace(name, with: .null, &tx)
    }

    func symlink(_ name: String, _ target: LinkTarget, _ tx: inout Transaction) throws -> NewLink {
        guard PendingLinks.isTemporary(name) else { throw TreeError(EPERM, refusal) }
        return .pending(target.address)
    }

    func replace(_ name: String, with target: Address, _ tx: inout Transaction) throws {
        let field = try field(&tx)
        guard let index = index(name, field) else { throw TreeError.notFound(name) }
        try tx.setReference(id.address, field, index: index, to: target)
    }

    func extendedAttributes(_ tx: inout Transaction) throws -> [(name: String, value: String)] {
        try ObjectState(id.address, &tx).extendedAttributes(&tx)
    }
}

/// `objects/0x.../FIELD/I`: one reference of an array.
struct ElementLink: ObjectLinkNode {
    let tree: Tree
    let id: NodeID

    func readLink(_ tx: inout Transaction) throws -> String {
        let descriptor = try tx.descriptor(of: id.address)
        let offset = -8 * (id.part + 1)
        let found = descriptor.fields.first { field in
            field.isReference && offset <= field.offset && offset > field.offset - 8 * field.count
        }
        guard let field = found else {
            throw TreeError(ENOENT, "The class \(descriptor.name) has no such field any more.")
        }
        let index = (field.offset - offset) / 8
        return LinkText.toObject(try tx.reference(id.address, field, index: index), up: 2)
    }
}
