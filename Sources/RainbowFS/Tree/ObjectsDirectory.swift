import Core
import Glibc

/// `objects/`: every object of the space, by its address.
struct ObjectsDirectory: DirectoryNode {
    let tree: Tree
    let id = NodeID.objects

    let refusal =
        "Objects are made by writing \"new CLASS FIELD=VALUE ...\" to an allocator's file"
        + " below regions/, and stay: there is no way to remove one."

    func describe(_ tx: inout Transaction) throws -> Description {
        try tree.ownDirectory(id, mode: 0o755, &tx)
    }

    /// The canonical name of an object is a directory; all that leads to it is a link.
    func lookup(_ name: String, _ tx: inout Transaction) throws -> NodeID? {
        guard let address = Address(text: name), address.region <= NodeID.regionMax else {
            return nil
        }
        guard let object = try tx.object(containing: address) else { return nil }
        return object == address && name == address.description
            ? NodeID(.object, address: object) : NodeID(.alias, address: address)
    }

    func list(after key: UInt64, limit: Int, _ tx: inout Transaction) throws -> DirectoryPage {
        let page = try tx.allObjects(after: Address(key), limit: limit)
        let entries = page.objects.map { object in
            ListedEntry(
                name: object.address.description, node: NodeID(.object, address: object.address),
                key: object.address.rawValue, type: S_IFDIR)
        }
        return DirectoryPage(entries: entries, next: page.next?.rawValue)
    }
}

/// `objects/0x1041`: another spelling of an address, or an address inside an object.
struct AliasLink: LinkNode {
    let tree: Tree
    let id: NodeID

    func describe(_ tx: inout Transaction) throws -> Description {
        let state = try ObjectState(object(&tx), &tx)
        return link(
            LinkText.toObject(state.address, up: 0), state.ownership, version: state.version)
    }

    func readLink(_ tx: inout Transaction) throws -> String {
        LinkText.toObject(try object(&tx), up: 0)
    }

    private func object(_ tx: inout Transaction) throws -> Address {
        guard let object = try tx.object(containing: id.address) else {
            throw TreeError(ENOENT, "There is no object at \(id.address).")
        }
        return object
    }
}
