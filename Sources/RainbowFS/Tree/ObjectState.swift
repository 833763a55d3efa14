import Glibc
import RainbowCore

/// What every view of an object needs of it.
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
    var isLasting: Bool { !descriptor.isSystem }

    var forFile: Ownership {
        Ownership(uid: ownership.uid, gid: ownership.gid, mode: ownership.mode & 0o666)
    }

    /// Who may read may also look inside.
    var forDirectory: Ownership {
        let readable = ownership.mode & 0o444
        return Ownership(
            uid: ownership.uid, gid: ownership.gid, mode: ownership.mode & 0o777 | readable >> 2)
    }

    func file(_ tree: Tree, _ id: NodeID, size: Int) -> Description {
        var attributes = tree.attributes(
            id, S_IFREG, forFile, size: UInt64(size), version: version)
        if tree.options.umask != nil { attributes.mode &= ~0o111 }
        return Description(attributes: attributes, isLasting: isLasting)
    }

    func directory(_ tree: Tree, _ id: NodeID) -> Description {
        Description(
            attributes: tree.attributes(
                id, S_IFDIR, forDirectory, size: 0, version: version),
            isLasting: isLasting)
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
