import RainbowCore

/// Lets the kernel keep attributes of objects, and takes them back when a commit touches the memory
/// that they were made from.
///
/// What is kept is noted by line, so it costs no more however many files show an object.
protocol AttributeKeeper: Sendable {
    /// Whether there is nothing to take back.
    var isEmpty: Bool { get }

    /// To be called before the attributes are read: then a commit either comes before the read,
    /// which sees it, or finds the note.
    ///
    /// - Parameters:
    ///   - object: all bytes of an object.
    ///   - allocator: where its owner, group and mode are.
    /// - Returns: whether the attributes may be kept.
    func keep(_ object: Range<Address>, _ allocator: Range<Address>) -> Bool

    /// For how long they may be kept.
    var seconds: Double { get }

    /// A commit of this mount wrote these lines: returns when what is kept of them is
    /// taken back, so that whoever hears of the commit sees its effect.
    func take(_ pages: [(page: UInt64, lines: UInt64)])
}

extension Tree {
    /// The node's description, and for how long the kernel may take the attributes without asking:
    /// those of objects until a commit touches them, those of a snapshot as they are.
    func look(
        at node: any Node, _ tx: inout Transaction
    ) throws -> (description: Description, seconds: Double) {
        let seconds =
            switch moment {
            case .present: try keep(node, &tx) ? options.keeper?.seconds ?? 0 : 0
            case .snapshot: options.keeper?.seconds ?? 0
            case .transaction: 0.0
            }
        return (try node.describe(&tx), seconds)
    }

    /// Notes what the node is about to be described from.
    private func keep(_ node: any Node, _ tx: inout Transaction) throws -> Bool {
        guard let keeper = options.keeper, let object = try node.describedObject(&tx),
            // Objects of the system come and go.
            !object.descriptor.isSystem,
            let place = try tx.ownershipPlace(ofObjectAt: object.address)
        else { return false }
        return keeper.keep(
            object.descriptor.memory(of: object.address), place..<place + Ownership.byteCount)
    }

    /// Takes back what is kept of the lines that this thread's last transaction wrote.
    func noteCommit() {
        guard let keeper = options.keeper, !keeper.isEmpty else { return }
        var pages: [(page: UInt64, lines: UInt64)] = []
        space.forEachPageOfLastCommit { page, lines in pages.append((page, lines)) }
        if !pages.isEmpty { keeper.take(pages) }
    }

    /// The same for the lines that a transaction of `transactions/` has committed.
    func noteCommit(of ranges: [Range<Address>]) {
        guard let keeper = options.keeper, !keeper.isEmpty else { return }
        var pages: [(page: UInt64, lines: UInt64)] = []
        for range in ranges {
            LineInterests<Int>.forEachPage(of: range) { page, lines in
                pages.append((page, lines))
            }
        }
        keeper.take(pages)
    }
}

extension NodeID {
    /// The nodes whose attributes are made from an object, but for the elements of its arrays.
    static func forEach(of object: Address, _ descriptor: ClassDescriptor, _ body: (NodeID) -> Void)
    {
        guard object.region <= regionMax else { return }
        for view in [View.object, .rawObject, .classLink, .rawLink] {
            body(NodeID(view, address: object))
        }
        for field in descriptor.fields { body(FieldNode.node(field, of: object)) }
    }
}
