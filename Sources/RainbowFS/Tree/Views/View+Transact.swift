import RainbowCore

/// How a view reads and writes the space.
extension View {
    /// Runs the body as one transaction of the present, at the snapshot, or as one step of the
    /// transaction; all errors become those of the tree.
    func transact<R>(_ body: (inout Transaction) throws -> R) throws(TreeError) -> R {
        switch source {
        case .present: return try present(body)
        case .snapshot(let snapshot):
            return try TreeError.translating { try snapshot.read(body) }
        case .transaction(let transaction):
            var hasWritten = false
            let result = try TreeError.translating {
                try transaction.perform { tx in try View.noting(&hasWritten, &tx, body) }
            }
            if hasWritten { RequestScope.noteEffect() }
            return result
        }
    }

    /// Runs the body and says whether it has written something.
    private static func noting<R>(
        _ hasWritten: inout Bool, _ tx: inout Transaction,
        _ body: (inout Transaction) throws -> R
    ) throws -> R {
        let result = try body(&tx)
        hasWritten = tx.hasWritten
        return result
    }

    /// Runs the body, which does not write, for what the commit of a transaction does not check:
    /// attributes. Looking at a file is no reason to conflict with a transaction that writes it.
    func examine<R>(_ body: (inout Transaction) throws -> R) throws(TreeError) -> R {
        guard case .transaction(let transaction) = source else { return try transact(body) }
        return try TreeError.translating { try transaction.peek(body) }
    }

    /// `transact` for a node that may outlive the view.
    func transact<R>(
        for node: any Node, _ body: (inout Transaction) throws -> R
    ) throws(TreeError) -> R {
        guard node.outlivesView else { return try transact(body) }
        return try present(body)
    }

    /// `examine` for a node that may outlive the view.
    func examine<R>(
        _ node: any Node, _ body: (inout Transaction) throws -> R
    ) throws(TreeError) -> R {
        guard node.outlivesView else { return try examine(body) }
        return try present(body)
    }

    private func present<R>(_ body: (inout Transaction) throws -> R) throws(TreeError) -> R {
        var hasWritten = false
        let result = try TreeError.translating {
            try space.transact { tx in try View.noting(&hasWritten, &tx, body) }
        }
        if hasWritten {
            noteCommit()
            RequestScope.noteEffect()
        }
        return result
    }

    func checkWritable() throws(TreeError) {
        if case .snapshot = source { throw TreeError.readOnlySnapshot }
        guard !options.isReadOnly else { throw TreeError.readOnlyMount }
    }

    /// The newest version that the view shows.
    var version: UInt64 {
        switch source {
        case .present: space.usage.version
        case .snapshot(let snapshot): snapshot.version
        case .transaction(let transaction): transaction.version
        }
    }

    /// `st_ino`
    func inode(_ id: NodeID) -> UInt64 { numbered(id).inode }

    /// The node as the kernel knows it: in this view, if it is not the top of another.
    func numbered(_ id: NodeID) -> NodeID {
        id.viewNumber == 0 ? id.at(view: source.viewID.number) : id
    }
}

/// Nodes as the kernel learns of them.
extension View {
    /// Looks for a node or makes it, and describes it: in the present both in one transaction.
    func entry(
        in directory: any DirectoryNode, for caller: Caller,
        _ find: (inout Transaction) throws -> NodeID
    ) throws(TreeError) -> Entry {
        if case .present = source {
            return try transact { tx in
                try require(.search, of: directory, for: caller, &tx)
                return try entry(find(&tx), &tx)
            }
        }
        return try entry(transact(for: directory, .search, caller, find))
    }

    func entry(_ id: NodeID) throws(TreeError) -> Entry {
        let node = try node(id)
        return try examine(node) { tx in entry(node, try look(at: node, &tx)) }
    }

    func entry(_ id: NodeID, _ tx: inout Transaction) throws -> Entry {
        let node = try node(id)
        return entry(node, try look(at: node, &tx))
    }

    private func entry(
        _ node: any Node, _ found: (description: Description, seconds: Double)
    ) -> Entry {
        let (description, seconds) = found
        let attributes = description.attributes
        // Of a file that it takes for empty the kernel does not even ask for the content when it
        // reads through its pages; a look-up makes it ask for the size.
        let isEmpty = attributes.isRegularFile && attributes.size == 0
        let isPermanent = description.isPermanent && !isEmpty && source.keepsNames(of: node.id)
        return Entry(
            node: numbered(node.id),
            attributes: attributes,
            entrySeconds: isPermanent ? View.permanentSeconds : 0,
            attributeSeconds: seconds,
            generation: node.view.source.viewID.generation)
    }

    /// A page of a directory; with `plus`, also its entries in full, except for those that are
    /// gone.
    func listing(
        of directory: any DirectoryNode, after key: UInt64, limit: Int, plus: Bool
    ) throws(TreeError) -> (DirectoryPage, [Entry?]?) {
        if case .present = source {
            return try transact { tx in
                let page = try directory.list(after: key, limit: limit, &tx)
                // A run that has lost is repeated, whatever became of the error.
                return (page, plus ? page.entries.map { try? entry($0.node, &tx) } : nil)
            }
        }
        let page = try transact(for: directory) { tx in
            try directory.list(after: key, limit: limit, &tx)
        }
        guard plus else { return (page, nil) }
        return (page, page.entries.map { try? entry($0.node) })
    }
}
