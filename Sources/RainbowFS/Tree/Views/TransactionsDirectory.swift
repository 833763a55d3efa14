import Glibc
import RainbowCore

/// `transactions/`: mkdir begins a transaction, rmdir ends it.
struct TransactionsDirectory: DirectoryNode {
    let view: View
    let id = NodeID.transactions

    let refusal = "Only transactions are here: mkdir NAME begins one, rmdir ends it."

    func describe(_ tx: inout Transaction) throws -> Description {
        try view.ownDirectory(id, mode: 0o1777, &tx)
    }

    private func views() throws(TreeError) -> ViewTable {
        guard let views = view.views else { throw TreeError(ESTALE, refusal) }
        return views
    }

    func lookup(_ name: String, _ tx: inout Transaction) throws -> NodeID? {
        try views().transaction(name)?.viewID.root
    }

    func list(after key: UInt64, limit: Int, _ tx: inout Transaction) throws -> DirectoryPage {
        let entries = try views().transactions.map { transaction in
            let (id, numbers) = (transaction.viewID, UInt64(NodeID.viewMax) + 1)
            return ListedEntry(
                name: transaction.name, node: id.root,
                key: ListingKey.first + id.generation * numbers + UInt64(id.number),
                type: S_IFDIR)
        }
        return page(entries, after: key, limit: limit)
    }

    func makeDirectory(_ name: String, _ request: OpenRequest) throws -> NodeID {
        let caller = request.caller
        try view.transact(for: self, [.write, .search], caller) { _ in }
        return try views().begin(name, caller).root
    }

    func removeDirectory(_ name: String, _ caller: Caller) throws {
        let views = try views()
        guard let transaction = views.transaction(name) else { throw TreeError.notFound(name) }
        let attributes = try view.examine(self) { tx in try describe(&tx) }.attributes
        try caller.requireRemoval(of: name, from: attributes) { transaction.ownership.uid }
        views.remove(transaction)
    }
}

/// `transactions/ID/`: the whole tree inside of a transaction, and its control file.
struct TransactionRoot: DirectoryNode {
    let view: View
    let id: NodeID
    let transaction: NamedTransaction

    let refusal =
        "Nothing can be made, moved or removed at the top of a transaction; its entries are fixed."

    var outlivesView: Bool { true }

    private static let entries: [(name: String, node: NodeID.Fixed, type: UInt32)] = [
        ("regions", .regions, S_IFDIR), ("classes", .classes, S_IFDIR),
        ("objects", .objects, S_IFDIR), ("names", .names, S_IFDIR), ("nodes", .nodes, S_IFDIR),
        ("metrics", .metrics, S_IFREG), ("messages", .messages, S_IFREG),
        ("system", .system, S_IFDIR), ("control", .control, S_IFREG),
    ]

    /// Those that are there: of a transaction that has ended only its control file.
    private var entries: ArraySlice<(name: String, node: NodeID.Fixed, type: UInt32)> {
        transaction.phase == .running
            ? TransactionRoot.entries[...] : TransactionRoot.entries.suffix(1)
    }

    func describe(_ tx: inout Transaction) throws -> Description {
        Description(attributes: transaction.attributes)
    }

    func lookup(_ name: String, _ tx: inout Transaction) throws -> NodeID? {
        guard let entry = TransactionRoot.entries.first(where: { name.isSame(as: $0.name) }) else {
            return nil
        }
        guard entries.contains(where: { $0.name == entry.name }) else {
            throw transaction.staleError(transaction.phase)
        }
        return NodeID(entry.node)
    }

    func list(after key: UInt64, limit: Int, _ tx: inout Transaction) throws -> DirectoryPage {
        let listed = entries.enumerated().map { index, entry in
            ListedEntry(
                name: entry.name, node: NodeID(entry.node), key: ListingKey.first + UInt64(index),
                type: entry.type)
        }
        return page(listed, after: key, limit: limit)
    }

    func extendedAttributes(_ tx: inout Transaction) throws -> [(name: String, value: String)] {
        [("space", view.space.name), ("version", String(transaction.version))]
    }
}
