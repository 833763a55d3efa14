import Glibc
import RainbowCore

/// What stat(2) tells of the nodes of a view.
extension View {
    /// For how long the kernel keeps names that cannot come to mean anything else.
    static let permanentSeconds = 86_400.0

    /// - Parameter version: of the last commit that wrote what is shown.
    func attributes(
        _ id: NodeID, _ type: UInt32, _ ownership: Ownership, size: UInt64, version: UInt64
    ) -> Attributes {
        let milliseconds = Int64(clamping: space.milliseconds(ofVersion: version))
        var attributes = shown(type, ownership)
        attributes.ino = inode(id)
        attributes.size = size
        attributes.mtimeSeconds = milliseconds / 1000
        attributes.mtimeNanoseconds = milliseconds % 1000 * 1_000_000
        return attributes
    }

    /// Owner, group and mode as the mount's options say that they are shown.
    func shown(_ type: UInt32, _ ownership: Ownership) -> Attributes {
        var mode = UInt32(ownership.mode) & 0o7777
        if let umask = options.umask, type != S_IFLNK {
            mode = 0o777 & ~umask
        }
        return Attributes(
            ino: 0, mode: type | mode, uid: options.uid ?? ownership.uid,
            gid: options.gid ?? ownership.gid)
    }

    /// Of what the mount makes for a caller: owner and mode are real, whatever the options say.
    ///
    /// - Parameter milliseconds: since 1970.
    func ownAttributes(
        _ id: NodeID, _ type: UInt32, _ ownership: Ownership, size: Int, milliseconds: UInt64
    ) -> Attributes {
        Attributes(
            ino: inode(id), mode: type | UInt32(ownership.mode), uid: ownership.uid,
            gid: ownership.gid, size: UInt64(size), mtimeSeconds: Int64(milliseconds / 1000),
            mtimeNanoseconds: Int64(milliseconds % 1000 * 1_000_000))
    }

    /// The description of a file that the tree itself makes.
    /// - Parameter version: what its time is that of; without it, the newest. 0 is the birth of the
    ///   space: the time of a file for which no commit is the last, so that tar finds it unchanged.
    func ownFile(
        _ id: NodeID, mode: UInt16, size: Int, version: UInt64? = nil, _ tx: inout Transaction
    ) throws -> Description {
        var ownership = try tx.systemInfo().ownership
        ownership.mode = mode
        var attributes = attributes(
            id, S_IFREG, ownership, size: UInt64(size), version: version ?? self.version)
        if options.umask != nil { attributes.mode &= ~0o111 }
        return Description(attributes: attributes, isPermanent: true)
    }

    /// The description of a directory that the tree itself makes. Its time is that of the last
    /// commit that made or removed a class, a name, a region or an allocator, or changed an owner:
    /// tar finds it unchanged after reading it, whatever is written to objects meanwhile.
    func ownDirectory(_ id: NodeID, mode: UInt16?, _ tx: inout Transaction) throws -> Description {
        var ownership = try tx.systemInfo().ownership
        ownership.mode = mode ?? ownership.mode
        return try ownDirectory(id, ownership, &tx)
    }

    func ownDirectory(
        _ id: NodeID, _ ownership: Ownership, _ tx: inout Transaction
    ) throws -> Description {
        let attributes = attributes(
            id, S_IFDIR, ownership, size: 0,
            version: try max(
                tx.version(of: SystemArea.root, count: Address.lineSize),
                tx.version(of: SystemArea.allocator, count: 128)))
        return Description(attributes: attributes, isPermanent: true)
    }
}

/// What the kernel keeps of it.
extension View {
    /// The node's description, and for how long the kernel may take the attributes without asking:
    /// those of objects until a commit touches them, those of a snapshot as they are.
    func look(
        at node: any Node, _ tx: inout Transaction
    ) throws -> (description: Description, seconds: Double) {
        let seconds =
            switch source {
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
            let location = try tx.ownershipLocation(ofObjectAt: object.address)
        else { return false }
        return keeper.keep(
            object.descriptor.memory(of: object.address), location..<location + Ownership.byteCount)
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
