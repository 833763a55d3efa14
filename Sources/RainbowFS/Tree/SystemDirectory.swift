import Glibc
import RainbowCore

/// The users' part of a table that holds their things and the space's own, or the other part.
enum SystemPart: Sendable {
    case user
    case system
}

/// `system/`: the objects and the classes that the space itself is made of.
struct SystemDirectory: DirectoryNode {
    let tree: Tree
    let id = NodeID.system

    static let fixed =
        "What is in system/ is what the space itself is made of. It is changed through classes/,"
        + " names/ and regions/ only."
    let refusal = SystemDirectory.fixed

    private static let entries: [(name: String, node: NodeID.Fixed)] = [
        ("classes", .systemClasses), ("objects", .systemObjects),
    ]

    func describe(_ tx: inout Transaction) throws -> Description {
        try tree.ownDirectory(id, mode: 0o555, &tx)
    }

    func lookup(_ name: String, _ tx: inout Transaction) throws -> NodeID? {
        SystemDirectory.entries.first { name.isSame(as: $0.name) }.map { NodeID($0.node) }
    }

    func list(after key: UInt64, limit: Int, _ tx: inout Transaction) throws -> DirectoryPage {
        let listed = SystemDirectory.entries.enumerated().map { index, entry in
            ListedEntry(
                name: entry.name, node: NodeID(entry.node), key: ListingKey.first + UInt64(index),
                type: S_IFDIR)
        }
        return page(listed, after: key, limit: limit)
    }
}
