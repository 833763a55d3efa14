import Glibc
import RainbowCore

/// `objects/`: every object that users made, by its address; `system/objects/`: those that the
/// space itself is made of.
struct ObjectsDirectory: DirectoryNode {
    let view: View
    let part: SystemPart

    var id: NodeID { NodeID(part == .user ? .objects : .systemObjects) }

    var refusal: String {
        switch part {
        case .user:
            "Objects are made by writing \"new CLASS FIELD=VALUE ...\" to an allocator's file"
                + " below regions/, and stay: there is no way to remove one."
        case .system: SystemDirectory.fixed
        }
    }

    func describe(_ tx: inout Transaction) throws -> Description {
        try view.ownDirectory(id, mode: part == .user ? 0o755 : 0o555, &tx)
    }

    /// The canonical name of an object is a directory; all that leads to it is a link.
    func lookup(_ name: String, _ tx: inout Transaction) throws -> NodeID? {
        guard let address = Address(text: name), address.region <= NodeID.regionMax else {
            return nil
        }
        guard let object = try tx.object(containing: address) else { return nil }
        let isHere = SystemArea.holds(object) == (part == .system)
        guard isHere, object == address, name.isSame(as: address.description) else {
            return NodeID(part == .user ? .alias : .systemAlias, address: address)
        }
        return NodeID(.object, address: object)
    }

    func list(after key: UInt64, limit: Int, _ tx: inout Transaction) throws -> DirectoryPage {
        let page =
            switch part {
            case .user: try tx.userObjects(after: Address(key), limit: limit)
            case .system:
                try tx.objects(
                    in: SystemArea.allocator, after: Address(key), limit: limit)
            }
        let entries = page.objects.map { object in
            ListedEntry(
                name: object.address.description, node: NodeID(.object, address: object.address),
                key: object.address.rawValue, type: S_IFDIR)
        }
        return DirectoryPage(entries: entries, next: page.next?.rawValue)
    }
}

/// `objects/0x1041`: another spelling of an address, or an address inside an object, or of an
/// object that the other of the two folders shows.
struct AliasLink: LinkNode {
    let view: View
    let id: NodeID

    func describe(_ tx: inout Transaction) throws -> Description {
        let state = try ObjectState(object(&tx), &tx)
        return link(text(state.address), state.ownership, version: state.version)
    }

    func readLink(_ tx: inout Transaction) throws -> String {
        text(try object(&tx))
    }

    private func text(_ object: Address) -> String {
        let isInSystem = id.kind == .systemAlias
        guard SystemArea.holds(object) != isInSystem else { return object.description }
        return (isInSystem ? "../../" : "../") + LinkText.path(of: object)
    }

    private func object(_ tx: inout Transaction) throws -> Address {
        guard let object = try tx.object(containing: id.address) else {
            throw TreeError(ENOENT, "There is no object at \(id.address).")
        }
        return object
    }
}
