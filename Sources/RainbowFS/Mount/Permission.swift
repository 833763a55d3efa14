import Glibc

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

/// The check of owner, group and mode.
///
/// The kernel would do it (`default_permissions`), but it asks for the attributes of every
/// directory on a path and of the file anew each time, since they are never kept: a request each,
/// where the check here costs one look into memory. So the kernel does it only if the mount's
/// options say so. Both ways give the same answers, but that here search permission is asked for
/// where a name is looked up, not where the kernel still knows the name.
extension Call {
    /// Throws EACCES unless the caller may do all of `access` with the node.
    func require(_ access: Access, _ node: NodeID) throws(TreeError) {
        guard !system.kernelChecksPermissions, caller.uid != 0 else { return }
        try require(access, forest.attributes(node).0)
    }

    /// Throws unless the caller may take an entry out of a directory: of one with the sticky bit,
    /// as transactions/ has it, only the owner of the entry or of the directory.
    func requireRemoval(of name: String, from parent: NodeID) throws(TreeError) {
        guard !system.kernelChecksPermissions, caller.uid != 0 else { return }
        let directory = try forest.attributes(parent).0
        try require([.write, .search], directory)
        guard directory.mode & S_ISVTX != 0, directory.uid != caller.uid else { return }
        let owner = try forest.lookup(parent, name, caller).attributes.uid
        guard owner == caller.uid else {
            throw TreeError(
                EPERM,
                "Only its owner, user \(owner), or root can remove \(TreeError.quoted(name)).")
        }
    }

    private func require(_ access: Access, _ attributes: Attributes) throws(TreeError) {
        let shift: UInt32 =
            attributes.uid == caller.uid ? 6 : isMember(of: attributes.gid) ? 3 : 0
        guard Access(rawValue: attributes.mode >> shift & 7).isSuperset(of: access) else {
            throw TreeError(
                EACCES,
                "User \(caller.uid) may not: owner \(attributes.uid), group \(attributes.gid), "
                    + "mode 0\(String(attributes.mode & 0o7777, radix: 8)). "
                    + "chmod and chown work on regions and allocators.")
        }
    }

    /// Throws unless the caller may change the attributes: only the owner the mode, only root the
    /// owner; the owner may give the node to a group of his.
    func require(_ change: AttributeRequest, _ node: NodeID) throws(TreeError) {
        guard !system.kernelChecksPermissions, caller.uid != 0 else { return }
        if change.mode != nil || change.uid != nil || change.gid != nil {
            let attributes = try forest.attributes(node).0
            let keepsOwner = change.uid == nil || change.uid == attributes.uid
            let knowsGroup = change.gid.map { $0 == attributes.gid || isMember(of: $0) } ?? true
            guard attributes.uid == caller.uid, keepsOwner, knowsGroup else {
                throw TreeError(
                    EPERM,
                    "Only the owner, user \(attributes.uid), or root changes mode and group; "
                        + "only root changes the owner.")
            }
        }
        if change.size != nil { try require(.write, node) }
    }

    private func isMember(of group: UInt32) -> Bool {
        caller.gid == group || groups.contains(group)
    }
}
