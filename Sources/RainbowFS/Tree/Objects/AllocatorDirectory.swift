import Glibc
import RainbowCore

/// `regions/NAME/ALLOCATOR/`: the objects of an allocator as their memory, and its own file.
struct AllocatorDirectory: DirectoryNode {
    let view: View
    let id: NodeID

    let refusal =
        "Objects are made by writing \"new CLASS FIELD=VALUE ...\" to the file allocator, and stay:"
        + " there is no way to remove one."

    static let fileName = "allocator"

    func describe(_ tx: inout Transaction) throws -> Description {
        let allocator = try tx.allocator(at: id.address)
        let version = try tx.version(of: id.address, count: 8)
        return Description(
            attributes: view.attributes(
                id, S_IFDIR, allocator.ownership, size: 0, version: version),
            isPermanent: allocator.isPermanent)
    }

    func change(_ change: AttributeChange, _ tx: inout Transaction) throws {
        let now = try tx.allocator(at: id.address).ownership
        try tx.setOwnership(now.changed(change), of: id.address)
    }

    func lookup(_ name: String, _ tx: inout Transaction) throws -> NodeID? {
        if name.isSame(as: AllocatorDirectory.fileName) {
            return NodeID(.allocatorFile, address: id.address)
        }
        guard let dot = name.utf8.firstIndex(of: UInt8(ascii: ".")),
            let address = Address(text: name[..<dot]),
            address.region <= NodeID.regionMax, try tx.isObject(address),
            try tx.allocator(containing: address)?.address == id.address,
            name.isSame(as: LinkText.rawName(address, try tx.descriptor(of: address)))
        else { return nil }
        return NodeID(.rawObject, address: address)
    }

    func list(after key: UInt64, limit: Int, _ tx: inout Transaction) throws -> DirectoryPage {
        let page = try tx.objects(in: id.address, after: Address(key), limit: limit)
        var entries = page.objects.map { object in
            ListedEntry(
                name: LinkText.rawName(object.address, object.descriptor),
                node: NodeID(.rawObject, address: object.address), key: object.address.rawValue,
                type: S_IFREG)
        }
        if key < ListingKey.first {
            let file = NodeID(.allocatorFile, address: id.address)
            entries.insert(
                ListedEntry(
                    name: AllocatorDirectory.fileName, node: file, key: ListingKey.first,
                    type: S_IFREG), at: 0)
        }
        return DirectoryPage(entries: entries, next: page.next?.rawValue)
    }

    func extendedAttributes(_ tx: inout Transaction) throws -> [(name: String, value: String)] {
        let allocator = try tx.allocator(at: id.address)
        let region = try tx.region(number: allocator.region)
        return [
            ("base", allocator.base.description), ("region", region.name),
            ("consistency", region.model),
        ]
    }
}

extension AllocatorInfo {
    /// Objects are never freed one by one, and an allocator that holds any is not removed: so its
    /// name means it forever.
    var isPermanent: Bool { used > 0 }
}

/// `regions/NAME/ALLOCATOR/allocator`: status, and the commands of the allocator.
struct AllocatorFile: Node {
    let view: View
    let id: NodeID

    private func status(_ allocator: AllocatorInfo, _ tx: inout Transaction) throws -> String {
        """
        name: \(allocator.name)
        base: \(allocator.base)
        capacity: \(allocator.capacity)
        used: \(allocator.used)
        free: \(allocator.free)
        objects: \(try tx.objectCount(in: allocator.address))

        """
    }

    func describe(_ tx: inout Transaction) throws -> Description {
        let allocator = try tx.allocator(at: id.address)
        var ownership = allocator.ownership
        ownership.mode &= allocator.isSystem ? 0o444 : 0o666
        let size = try status(allocator, &tx).systemByteCount
        let version = try tx.version(of: id.address, count: 8)
        return Description(
            attributes: view.attributes(
                id, S_IFREG, ownership, size: UInt64(size), version: version),
            isPermanent: allocator.isPermanent)
    }

    func change(_ change: AttributeChange, _ tx: inout Transaction) throws {
        try refuseChange(
            change, describe(&tx),
            "This file has the owner and the mode of the allocator. Change those of its directory.")
    }

    func open(_ request: OpenRequest, _ tx: inout Transaction) throws -> OpenFile? {
        let text = try status(tx.allocator(at: id.address), &tx)
        return OpenCommands(
            text: text, isRead: request.reads,
            AllocatorCommands(view: view, allocator: id.address, caller: request.caller.withGroups))
    }
}

/// `regions/NAME/ALLOCATOR/0x....Class`: an object's memory, byte by byte.
struct ObjectFile: ObjectNode {
    let view: View
    let id: NodeID

    func describe(_ tx: inout Transaction) throws -> Description {
        let state = try ObjectState(id.address, &tx)
        return state.file(view, id, size: state.descriptor.size)
    }

    func change(_ change: AttributeChange, _ tx: inout Transaction) throws {
        try refuseChange(change, describe(&tx), ObjectState.ownershipRefusal)
    }

    func checkWritable(_ tx: inout Transaction) throws {
        if try tx.descriptor(of: id.address).isSystem { throw FieldRefusal.system }
    }

    func open(_ request: OpenRequest, _ tx: inout Transaction) throws -> OpenFile? {
        let descriptor = try tx.descriptor(of: id.address)
        if request.writes && descriptor.isSystem { throw FieldRefusal.system }
        return OpenObjectBytes(view, id.address, descriptor)
    }

    func extendedAttributes(_ tx: inout Transaction) throws -> [(name: String, value: String)] {
        try ObjectState(id.address, &tx).extendedAttributes(&tx)
    }
}

/// The open memory of an object.
final class OpenObjectBytes: OpenBytes, @unchecked Sendable {
    override func read(
        at offset: Int, into buffer: UnsafeMutableRawBufferPointer, _ tx: inout Transaction
    ) throws -> Int {
        unsafe try tx.readRaw(object, at: offset, into: buffer)
    }

    override func write(
        at offset: Int, _ bytes: UnsafeRawBufferPointer, _ tx: inout Transaction
    ) throws {
        unsafe try tx.writeRaw(object, at: offset, from: bytes)
    }
}
