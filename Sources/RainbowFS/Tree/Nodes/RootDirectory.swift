import Glibc
import RainbowCore

/// The top of the tree.
struct RootDirectory: DirectoryNode {
    let view: View
    let id = NodeID.root

    let refusal =
        "Nothing can be made, moved or removed at the top of the tree; its entries are fixed."

    private static let entries = FixedEntries(
        .regions, .classes, .objects, .names, .nodes, .events, .metrics, .messages, .control,
        .transactions, .snapshots, .system)

    func describe(_ tx: inout Transaction) throws -> Description {
        try view.ownDirectory(id, mode: nil, &tx)
    }

    /// The owner and the mode here are those of the space, and of `regions` too.
    func change(_ change: AttributeChange, _ tx: inout Transaction) throws {
        let now = try tx.systemInfo().ownership
        try tx.setOwnership(now.changed(change), of: .space)
    }

    func lookup(_ name: String, _ tx: inout Transaction) throws -> NodeID? {
        RootDirectory.entries.find(name)
    }

    func list(after key: UInt64, limit: Int, _ tx: inout Transaction) throws -> DirectoryPage {
        page(RootDirectory.entries.listed, after: key, limit: limit)
    }

    func extendedAttributes(_ tx: inout Transaction) throws -> [(name: String, value: String)] {
        [("space", view.space.name)]
    }
}

/// `system/`: the objects and the classes that the space itself is made of.
struct SystemDirectory: DirectoryNode {
    let view: View
    let id = NodeID.system

    static let fixed =
        "What is in system/ is what the space itself is made of. It is changed through classes/,"
        + " names/ and regions/ only."
    let refusal = SystemDirectory.fixed

    private static let entries = FixedEntries(.systemClasses, .systemObjects)

    func describe(_ tx: inout Transaction) throws -> Description {
        try view.ownDirectory(id, mode: 0o555, &tx)
    }

    func lookup(_ name: String, _ tx: inout Transaction) throws -> NodeID? {
        SystemDirectory.entries.find(name)
    }

    func list(after key: UInt64, limit: Int, _ tx: inout Transaction) throws -> DirectoryPage {
        page(SystemDirectory.entries.listed, after: key, limit: limit)
    }
}
