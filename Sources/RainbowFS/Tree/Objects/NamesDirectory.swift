import Glibc
import RainbowCore

/// `names/`: the name service. Each name is a link to an object.
struct NamesDirectory: DirectoryNode {
    let view: View
    let id = NodeID.names

    var takesLinks: Bool { true }
    let refusal =
        "Only names of objects are here: ln -s ../objects/0x... NAME binds one, rm unbinds it, mv"
        + " renames it."

    func describe(_ tx: inout Transaction) throws -> Description {
        try view.ownDirectory(id, tx.systemInfo().names, &tx)
    }

    func change(_ change: AttributeChange, _ tx: inout Transaction) throws {
        let now = try tx.systemInfo().names
        try tx.setOwnership(now.changed(change), of: .names)
    }

    func lookup(_ name: String, _ tx: inout Transaction) throws -> NodeID? {
        (try optional { try tx.nameObject(name) } ?? nil).map { NodeID(.name, address: $0) }
    }

    func list(after key: UInt64, limit: Int, _ tx: inout Transaction) throws -> DirectoryPage {
        let names = try tx.names(after: key, limit: limit)
        let entries = names.map { name in
            let node = NodeID(.name, address: name.address)
            return ListedEntry(
                name: name.name, node: node, key: name.key, type: S_IFLNK)
        }
        return DirectoryPage(entries: entries, next: names.count < limit ? nil : names.last?.key)
    }

    func symlink(_ name: String, _ target: Address, _ tx: inout Transaction) throws -> NewLink {
        guard target != .null else {
            throw TreeError(
                EINVAL, "A name is bound to an object; null is none. rm unbinds a name.")
        }
        try tx.bind(name, to: target)
        guard let id = try lookup(name, &tx) else { throw TreeError.notFound(name) }
        return .node(id)
    }

    func unlink(_ name: String, _ tx: inout Transaction) throws {
        guard try lookup(name, &tx) != nil else { throw TreeError.notFound(name) }
        try tx.unbind(name)
    }

    func rename(_ name: String, to newName: String, flags: UInt32, _ tx: inout Transaction) throws {
        guard let target = try tx.target(ofName: name) else { throw TreeError.notFound(name) }
        switch flags {
        case 0:
            try tx.rename(name, to: newName)
        case RenameFlag.noReplace:
            guard try tx.target(ofName: newName) == nil else { throw TreeError.exists(newName) }
            try tx.rename(name, to: newName)
        case RenameFlag.exchange:
            guard let other = try tx.target(ofName: newName) else {
                throw TreeError.notFound(newName)
            }
            try tx.rebind(name, to: other)
            try tx.rebind(newName, to: target)
        default:
            throw TreeError(
                EINVAL, "Names can be renamed, with or without replacing, or exchanged.")
        }
    }
}

/// Flags of renameat2(2), which the module of the C library does not show.
enum RenameFlag {
    static let noReplace: UInt32 = 1
    static let exchange: UInt32 = 2
}

/// `names/NAME`
struct NameLink: LinkNode {
    let view: View
    let id: NodeID

    func describe(_ tx: inout Transaction) throws -> Description {
        let target = try readLink(&tx)
        let version = try tx.version(of: id.address, count: 8)
        return link(target, try tx.systemInfo().names, version: version)
    }

    func readLink(_ tx: inout Transaction) throws -> String {
        LinkText.fromNames(try tx.nameInfo(at: id.address).target)
    }
}
