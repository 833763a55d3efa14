import Glibc
import RainbowCore

/// `objects/0x.../`: an object field by field.
struct ObjectDirectory: DirectoryNode, ObjectNode {
    let view: View
    let id: NodeID

    var takesLinks: Bool { true }
    let refusal =
        "The fields of an object are those of its class: they are written, not made, moved or"
        + " removed. A new file may be renamed over one. A reference is replaced with ln -sfn; rm"
        + " sets it to null."

    static let className = "class"
    static let rawName = "raw"

    func describe(_ tx: inout Transaction) throws -> Description {
        try ObjectState(id.address, &tx).directory(view, id)
    }

    func change(_ change: AttributeChange, _ tx: inout Transaction) throws {
        try refuseChange(change, describe(&tx), ObjectState.ownershipRefusal)
    }

    func lookup(_ name: String, _ tx: inout Transaction) throws -> NodeID? {
        let descriptor = try tx.descriptor(of: id.address)
        if let field = descriptor.field(named: name) {
            return try newFile(of: name, &tx) ?? NodeID(field, of: id.address)
        }
        if name.isSame(as: ObjectDirectory.className) {
            return NodeID(.classLink, address: id.address)
        }
        if name.isSame(as: ObjectDirectory.rawName) {
            return NodeID(.rawLink, address: id.address)
        }
        return view.pendingFiles.find(id, name)?.node
    }

    func list(after key: UInt64, limit: Int, _ tx: inout Transaction) throws -> DirectoryPage {
        let descriptor = try tx.descriptor(of: id.address)
        var entries = descriptor.fields.map { field in
            let node = NodeID(field, of: id.address)
            return ListedEntry(
                name: field.name, node: node, key: ListingKey.first + UInt64(field.index),
                type: field.fileType)
        }
        let links: [(String, NodeKind)] = [
            (ObjectDirectory.className, .classLink), (ObjectDirectory.rawName, .rawLink),
        ]
        for (name, kind) in links where descriptor.field(named: name) == nil {
            let node = NodeID(kind, address: id.address)
            entries.append(
                ListedEntry(
                    name: name, node: node, key: ListingKey.first + UInt64(entries.count),
                    type: S_IFLNK))
        }
        return page(entries, after: key, limit: limit)
    }

    func holder(_ tx: inout Transaction) throws -> ReferenceHolder? {
        ReferenceHolder(object: id.address)
    }

    /// The new file that stands for a reference to nothing.
    private func newFile(of name: String, _ tx: inout Transaction) throws -> NodeID? {
        guard let file = view.pendingFiles.find(id, name), try isNull(name, &tx) else {
            return nil
        }
        return file.node
    }

    func isNull(_ name: String, _ tx: inout Transaction) throws -> Bool {
        guard let field = try tx.descriptor(of: id.address).field(named: name),
            field.fileType == S_IFLNK
        else { return false }
        return try tx.reference(id.address, field, index: 0) == .null
    }

    func unlink(_ name: String, _ tx: inout Transaction) throws {
        try replace(name, with: .null, &tx)
    }

    /// Keeps a link of another name until it is renamed over a reference.
    func symlink(_ name: String, _ target: Address, _ tx: inout Transaction) throws -> NewLink {
        let descriptor = try tx.descriptor(of: id.address)
        guard PendingLinks.isTemporary(name), descriptor.referenceCount > 0 else {
            throw TreeError(
                EPERM,
                "The class \(descriptor.name) has no reference \(TreeError.quoted(name))."
                    + " A reference that it has is replaced with ln -sfn.")
        }
        return .pending(target)
    }

    func checkCreate(_ name: String, _ request: OpenRequest, _ tx: inout Transaction) throws {
        let descriptor = try tx.descriptor(of: id.address)
        guard !descriptor.isSystem else { throw FieldRefusal.system }
        guard view.pendingLinks.find(id, name) == nil else { throw TreeError.exists(name) }
        // Programs that replace files ask for a name that is new; who does not has misspelled that
        // of a field, and would never learn it.
        guard request.flags & O_EXCL != 0 else {
            throw TreeError(
                EPERM,
                "The class \(descriptor.name) has no field \(TreeError.quoted(name)). Only a"
                    + " file made with O_EXCL, to be renamed over a field, can be new here."
            )
        }
    }

    /// Keeps a file of another name until it is renamed over a field.
    func create(_ name: String, _ request: OpenRequest) throws -> (NodeID, OpenFile) {
        let file = try view.pendingFiles.add(id, name, request)
        return (file.node, OpenPendingFile(view, file))
    }

    func replace(_ name: String, with target: Address, _ tx: inout Transaction) throws {
        let descriptor = try tx.descriptor(of: id.address)
        guard let field = descriptor.field(named: name) else {
            throw try lookup(name, &tx) == nil
                ? TreeError.notFound(name) : TreeError(EPERM, refusal)
        }
        guard field.isReference, field.arrayCount == nil else { throw TreeError(EPERM, refusal) }
        try tx.setReference(id.address, field, index: 0, to: target)
    }

    func replace(_ name: String, with content: [UInt8], _ tx: inout Transaction) throws {
        let descriptor = try tx.descriptor(of: id.address)
        guard let field = descriptor.field(named: name) else { throw TreeError(EPERM, refusal) }
        guard !field.isReference else {
            throw TreeError(
                EINVAL,
                "The field \(name) holds references, which no file can replace. A reference is"
                    + " replaced with ln -sfn.")
        }
        try FieldContent.store(content, id.address, field, &tx)
    }

    func extendedAttributes(_ tx: inout Transaction) throws -> [(name: String, value: String)] {
        try ObjectState(id.address, &tx).extendedAttributes(&tx)
    }
}

/// `objects/0x.../class`: the classes of the system's objects are beside them as well.
struct ClassLink: LinkNode, ObjectNode {
    let view: View
    let id: NodeID

    func describe(_ tx: inout Transaction) throws -> Description {
        let state = try ObjectState(id.address, &tx)
        var description = link(
            text(state.descriptor), state.ownership, version: state.version)
        description.isPermanent = state.isPermanent
        return description
    }

    func readLink(_ tx: inout Transaction) throws -> String {
        text(try tx.descriptor(of: id.address))
    }

    private func text(_ descriptor: ClassDescriptor) -> String {
        "../../classes/" + descriptor.name
    }
}

/// `objects/0x.../raw`
struct RawLink: LinkNode, ObjectNode {
    let view: View
    let id: NodeID

    func describe(_ tx: inout Transaction) throws -> Description {
        let state = try ObjectState(id.address, &tx)
        var description = link(try readLink(&tx), state.ownership, version: state.version)
        description.isPermanent = state.isPermanent
        return description
    }

    func readLink(_ tx: inout Transaction) throws -> String {
        let descriptor = try tx.descriptor(of: id.address)
        guard let allocator = try tx.allocator(containing: id.address) else {
            throw TreeError(ENOENT, "The object \(id.address) is in no allocator.")
        }
        let region = try tx.region(number: allocator.region)
        let top = SystemArea.holds(id.address) ? "../../../" : "../../"
        return "\(top)regions/\(region.name)/\(allocator.name)/"
            + LinkText.rawName(id.address, descriptor)
    }
}

/// What every node of an object needs of it.
struct ObjectState {
    var address: Address
    var descriptor: ClassDescriptor
    /// Of its allocator; without write permission for the objects of the system.
    var ownership: Ownership
    /// The newest commit that wrote any of its lines.
    var version: UInt64

    /// - Throws: ENOENT if there is no such object.
    init(_ address: Address, _ tx: inout Transaction) throws {
        try self.init(address, tx.descriptor(of: address), &tx)
    }

    init(_ address: Address, _ descriptor: ClassDescriptor, _ tx: inout Transaction) throws {
        self.address = address
        self.descriptor = descriptor
        let allocator = try tx.allocator(containing: address)
        ownership = try allocator?.ownership ?? tx.systemInfo().ownership
        if descriptor.isSystem { ownership.mode &= ~0o222 }
        version = try tx.version(of: descriptor.start(of: address), count: descriptor.size)
    }

    /// Objects never go away, those of the system apart: names and classes come and go.
    var isPermanent: Bool { !descriptor.isSystem }

    var forFile: Ownership {
        Ownership(uid: ownership.uid, gid: ownership.gid, mode: ownership.mode & 0o666)
    }

    /// Who may read may also look inside.
    var forDirectory: Ownership {
        let readable = ownership.mode & 0o444
        return Ownership(
            uid: ownership.uid, gid: ownership.gid, mode: ownership.mode & 0o777 | readable >> 2)
    }

    func file(_ view: View, _ id: NodeID, size: Int) -> Description {
        var attributes = view.attributes(
            id, S_IFREG, forFile, size: UInt64(size), version: version)
        if view.options.umask != nil { attributes.mode &= ~0o111 }
        return Description(attributes: attributes, isPermanent: isPermanent)
    }

    func directory(_ view: View, _ id: NodeID) -> Description {
        Description(
            attributes: view.attributes(
                id, S_IFDIR, forDirectory, size: 0, version: version),
            isPermanent: isPermanent)
    }

    static let ownershipRefusal =
        "An object has the owner and the mode of its allocator. Change those of the allocator's"
        + " directory below regions/ instead."

    /// `user.rainbow.*` of the object.
    func extendedAttributes(_ tx: inout Transaction) throws -> [(name: String, value: String)] {
        let region = try tx.region(number: address.region)
        return [
            ("address", address.description), ("class", descriptor.name),
            ("size", String(descriptor.size)), ("region", region.name),
            ("consistency", region.model), ("version", String(version)),
        ]
    }
}
