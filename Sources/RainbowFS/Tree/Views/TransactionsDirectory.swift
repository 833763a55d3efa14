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

    func lookup(_ name: String, _ tx: inout Transaction) throws -> NodeID? {
        try view.otherViews().transaction(name)?.viewID.root
    }

    func list(after key: UInt64, limit: Int, _ tx: inout Transaction) throws -> DirectoryPage {
        let entries = try view.otherViews().transactions.map { transaction in
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
        return try view.otherViews().begin(name, caller).root
    }

    func removeDirectory(_ name: String, _ caller: Caller) throws {
        let views = try view.otherViews()
        guard let transaction = views.transaction(name) else { throw TreeError.notFound(name) }
        try view.requireRemoval(of: name, from: self, owner: transaction.ownership, for: caller)
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

    private static let entries = FixedEntries(
        .regions, .classes, .objects, .names, .nodes, .metrics, .messages, .system, .control)

    func describe(_ tx: inout Transaction) throws -> Description {
        Description(attributes: transaction.attributes)
    }

    func lookup(_ name: String, _ tx: inout Transaction) throws -> NodeID? {
        guard let node = TransactionRoot.entries.find(name) else { return nil }
        if node != NodeID(.control) { try transaction.checkRunning() }
        return node
    }

    /// Of a transaction that has ended only the control file is there.
    func list(after key: UInt64, limit: Int, _ tx: inout Transaction) throws -> DirectoryPage {
        let all = TransactionRoot.entries.listed
        let entries = transaction.phase == .running ? all : all.suffix(1)
        return page(entries, after: key, limit: limit)
    }

    func extendedAttributes(_ tx: inout Transaction) throws -> [(name: String, value: String)] {
        [("space", view.space.name), ("version", String(transaction.version))]
    }
}
