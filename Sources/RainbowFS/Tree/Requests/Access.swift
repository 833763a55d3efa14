import Glibc
import RainbowCore

/// What a caller wants to do with a node, as the permission bits have it.
struct Access: OptionSet {
    let rawValue: UInt32

    static let read = Access(rawValue: 4)
    static let write = Access(rawValue: 2)
    static let search = Access(rawValue: 1)

    /// What opening a file with these flags asks for.
    static func opening(_ flags: Int32) -> Access {
        let mode = flags & O_ACCMODE
        var access: Access = mode == O_WRONLY ? [] : .read
        if mode != O_RDONLY || flags & O_TRUNC != 0 { access.insert(.write) }
        return access
    }
}

/// The rule of owner, group and mode. Files, commands and `access(2)` all ask here, and all go by
/// the owner and the mode that stat(2) shows.
///
/// The kernel would check (`default_permissions`), but it asks for the attributes of every
/// directory on a path and of the file each time, unless it keeps them: a request each,
/// where the check here costs one look into memory. If the mount's options say so, it checks as
/// well.
extension Caller {
    func may(_ access: Access, _ attributes: Attributes) -> Bool {
        guard uid != 0 else {
            let isProgram = attributes.isDirectory || attributes.mode & 0o111 != 0
            return isProgram || !access.contains(.search)
        }
        func isGranted(_ shift: UInt32) -> Bool {
            Access(rawValue: attributes.mode >> shift & 7).isSuperset(of: access)
        }
        if attributes.uid == uid { return isGranted(6) }
        let (members, others) = (isGranted(3), isGranted(0))
        // The groups are looked up only if they make a difference.
        guard members != others else { return others }
        return isMember(of: attributes.gid) ? members : others
    }

    /// Throws EACCES unless the caller may do all of `access`.
    func require(_ access: Access, _ attributes: Attributes) throws(TreeError) {
        guard may(access, attributes) else {
            throw TreeError(
                EACCES,
                "User \(uid) may not do that here: it belongs to owner \(attributes.uid), group "
                    + "\(attributes.gid), mode 0\(String(attributes.mode & 0o7777, radix: 8)). "
                    + "chmod and chown work on regions, allocators, names and classes.")
        }
    }

    /// Throws unless the caller may take an entry out of a directory: of one with the sticky bit,
    /// as transactions/ has it, only the owner of the entry or of the directory.
    ///
    /// - Parameter owner: of the entry; asked for only if it matters.
    func requireRemoval(
        of name: String, from directory: Attributes, owner: () throws -> UInt32
    ) throws {
        guard uid != 0 else { return }
        try require([.write, .search], directory)
        guard directory.mode & S_ISVTX != 0, directory.uid != uid else { return }
        let owner = try owner()
        guard owner == uid else {
            throw TreeError(
                EPERM,
                "Only its owner, user \(owner), or root can remove \(TreeError.quoted(name)).")
        }
    }

    /// Throws unless the caller may change the attributes: only the owner the mode and the times,
    /// only root the owner; the owner may give the node to a group of theirs. Who may write may set
    /// the times to now.
    func require(_ change: AttributeChange, _ attributes: Attributes) throws(TreeError) {
        guard uid != 0 else { return }
        let isOwner = attributes.uid == uid
        if change.mode != nil || change.uid != nil || change.gid != nil {
            let keepsOwner = change.uid == nil || change.uid == attributes.uid
            let knowsGroup = change.gid.map { $0 == attributes.gid || isMember(of: $0) } ?? true
            guard isOwner, keepsOwner, knowsGroup else {
                throw TreeError(
                    EPERM,
                    "Only the owner, user \(attributes.uid), or root changes mode and group; "
                        + "only root changes the owner.")
            }
        }
        switch change.times {
        case .given where !isOwner:
            throw TreeError(
                EPERM, "Only the owner, user \(attributes.uid), or root sets times.")
        case .now where !isOwner: try require(.write, attributes)
        default: break
        }
        if change.size != nil, !change.isOpen { try require(.write, attributes) }
    }

    /// The change as it is made: a mode that is set by who is not in the group of the node loses
    /// the bit that would lend the group out.
    func allowed(_ change: AttributeChange, _ attributes: Attributes) -> AttributeChange {
        guard uid != 0, let mode = change.mode, mode & S_ISGID != 0,
            !isMember(of: change.gid ?? attributes.gid)
        else { return change }
        var change = change
        change.mode = mode & ~S_ISGID
        return change
    }
}

extension View {
    /// Throws EACCES unless the caller may do all of `access` with the node.
    func require(
        _ access: Access, of node: any Node, for caller: Caller, _ tx: inout Transaction
    ) throws {
        guard caller.uid != 0 else { return }
        try requireEntry(for: caller)
        try caller.require(access, node.describe(&tx).attributes)
    }

    /// Throws EACCES unless the caller may be in here at all.
    ///
    /// The kernel walks by names that it knows already without asking for search permission, so
    /// that of a transaction, which only its owner may enter, is asked for at each request.
    func requireEntry(for caller: Caller) throws(TreeError) {
        if caller.uid != 0, case .transaction(let transaction) = source {
            try caller.require(.search, transaction.attributes)
        }
    }

    /// Runs the body, if the caller may do all of `access` with the node: in the present as one
    /// transaction with the check. In another view the
    /// check comes first, as a look at attributes: that is no reason for a conflict.
    func transact<R>(
        for node: any Node, _ access: Access, _ caller: Caller,
        _ body: (inout Transaction) throws -> R
    ) throws(TreeError) -> R {
        try transact(for: node, caller) { tx in
            try require(access, of: node, for: caller, &tx)
        } body: { tx in
            try body(&tx)
        }
    }

    /// `transact` after a check of another kind.
    func transact<R>(
        for node: any Node, _ caller: Caller,
        after check: (inout Transaction) throws -> Void,
        body: (inout Transaction) throws -> R
    ) throws(TreeError) -> R {
        guard caller.uid != 0 else { return try transact(for: node, body) }
        if case .present = source {
            return try transact { tx in
                try check(&tx)
                return try body(&tx)
            }
        }
        try examine(node, check)
        return try transact(for: node, body)
    }

    /// Throws unless the caller may take an entry out of a directory.
    func requireRemoval(
        of name: String, from directory: any DirectoryNode, for caller: Caller,
        _ tx: inout Transaction
    ) throws {
        guard caller.uid != 0 else { return }
        try require([.write, .search], of: directory, for: caller, &tx)
        try caller.requireRemoval(of: name, from: directory.describe(&tx).attributes) {
            guard let child = try directory.lookup(name, &tx) else {
                throw TreeError.notFound(name)
            }
            return try node(child).describe(&tx).attributes.uid
        }
    }

    /// Throws unless the caller may take an entry of this owner out of a directory.
    func requireRemoval(
        of name: String, from directory: any DirectoryNode, owner: Ownership, for caller: Caller
    ) throws {
        let attributes = try examine(directory) { tx in try directory.describe(&tx) }.attributes
        try caller.requireRemoval(of: name, from: attributes) { owner.uid }
    }

    /// What access(2) asks: whether opening the node in this way would be refused.
    func access(_ id: NodeID, _ access: Access, _ caller: Caller) throws(TreeError) {
        if access.contains(.write) { try checkWritable() }
        let node = try node(id)
        try examine(node) { tx in
            try requireEntry(for: caller)
            try caller.require(access, node.describe(&tx).attributes)
            if access.contains(.write) { try node.checkWritable(&tx) }
        }
    }
}

/// The supplementary groups of processes.
enum ProcessGroups {
    /// Those of a thread; none if it is gone, or out of sight in another namespace.
    static func of(_ thread: UInt32) -> [UInt32] {
        ProcFile.content(of: "/proc/\(thread)/status").map(parse) ?? []
    }

    /// The line `Groups:` has them parted by blanks.
    static func parse(_ status: [UInt8]) -> [UInt32] {
        ProcFile.line("Groups:", of: status).compactMap { UInt32($0) }
    }
}
