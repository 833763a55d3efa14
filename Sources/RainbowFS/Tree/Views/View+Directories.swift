import Glibc
import RainbowCore

/// What is done to the entries of directories.
extension View {
    /// The kernel passes longer names than files have.
    private static func check(_ name: String) throws(TreeError) {
        guard name.systemByteCount <= Int(NAME_MAX) else {
            throw TreeError(ENAMETOOLONG, "The name of a file has at most \(NAME_MAX) bytes.")
        }
    }

    func lookup(_ parent: NodeID, _ name: String, _ caller: Caller) throws(TreeError) -> Entry {
        try View.check(name)
        return try TreeError.translating {
            let directory = try directory(parent)
            directory.settle(name)
            let found = try entry(in: directory, for: caller) { tx in
                guard
                    let child = try directory.lookup(name, &tx)
                        ?? pendingLinks.find(parent, name)?.node
                else { throw TreeError.notFound(name) }
                return child
            }
            if found.isNullReference, isForNewEntry(found.node.at(view: 0), caller) {
                throw TreeError.notFound(name)
            }
            return found
        }
    }

    /// Whether the name of a reference to nothing is looked up to make a link there, as
    /// `ln -sf` of busybox and Ruby do once they have removed what was there, or a file that holds
    /// the place of the link, as tar does. The kernel asks for it only if there is no such name.
    private func isForNewEntry(_ node: NodeID, _ caller: Caller) -> Bool {
        let wasRemoved = removedReferences.take(node, by: caller)
        return CallerThread(caller).isMaking ?? wasRemoved
    }

    func openDirectory(_ node: NodeID, _ caller: Caller) throws(TreeError) -> OpenDirectory {
        try TreeError.translating {
            let directory = try directory(node)
            if caller.uid != 0 {
                try examine(directory) { tx in
                    try require(.read, of: directory, for: caller, &tx)
                }
            }
            directory.settle(nil)
            return OpenDirectory(view: self, node: directory)
        }
    }

    func makeDirectory(_ parent: NodeID, _ name: String, mode: UInt32, _ caller: Caller)
        throws(TreeError) -> Entry
    {
        try checkWritable()
        try View.check(name)
        return try TreeError.translating {
            let directory = try directory(parent)
            let request = OpenRequest(flags: O_RDONLY, mode: mode, caller: caller)
            return try entry(directory.makeDirectory(name, request))
        }
    }

    func removeDirectory(_ parent: NodeID, _ name: String, _ caller: Caller) throws(TreeError) {
        try checkWritable()
        try TreeError.translating {
            let directory = try directory(parent)
            try directory.removeDirectory(name, caller)
        }
    }

    func unlink(_ parent: NodeID, _ name: String, _ caller: Caller) throws(TreeError) {
        try checkWritable()
        try TreeError.translating {
            let directory = try directory(parent)
            if isPending(parent, name) {
                try transact(for: directory, [.write, .search], caller) { _ in }
                if pendingLinks.remove(parent, name) || pendingFiles.remove(parent, name) { return }
            }
            var (holder, removed) = try remove(name, from: directory, caller, isChecked: false)
            if let holder {
                try checkIsNoTree(holder, caller)
                (_, removed) = try remove(name, from: directory, caller, isChecked: true)
            }
            if let removed, directory.takesLinks { removedReferences.add(removed, by: caller) }
        }
    }

    /// - Returns: what was removed; or, before it is checked, whose reference it is.
    private func remove(
        _ name: String, from directory: any DirectoryNode, _ caller: Caller, isChecked: Bool
    ) throws -> (holder: ReferenceHolder?, removed: NodeID?) {
        try transact(for: directory, caller) { tx in
            try requireRemoval(of: name, from: directory, for: caller, &tx)
        } body: { tx in
            let node = try directory.lookup(name, &tx)
            if !isChecked, node != nil, let holder = try directory.holder(&tx) {
                return (holder, nil)
            }
            try directory.unlink(name, &tx)
            return (nil, node)
        }
    }

    /// Refuses to set a reference to null for a process that takes away what it finds in the
    /// directory of the object: `rm -r` would fail at the first field, with the references gone.
    private func checkIsNoTree(_ holder: ReferenceHolder, _ caller: Caller) throws(TreeError) {
        guard !CallerThread(caller).isReading(holder.paths) else {
            throw TreeError(
                EPERM,
                "Objects cannot be removed, and rm -r would only set their references to null."
                    + " To do that, name them: rm objects/\(holder.object)/FIELD.")
        }
    }

    private func isPending(_ parent: NodeID, _ name: String) -> Bool {
        pendingLinks.find(parent, name) != nil || pendingFiles.find(parent, name) != nil
    }

    /// - Parameter target: any path that leads to an object, as seen from this directory or from
    ///   the root of the machine; `null`, for references.
    func symlink(_ parent: NodeID, _ name: String, target: String, _ caller: Caller)
        throws(TreeError) -> Entry
    {
        try checkWritable()
        try View.check(name)
        return try TreeError.translating {
            let directory = try directory(parent)
            let link = try transact(for: directory, [.write, .search], caller) { tx -> NewLink in
                let existing = try directory.lookup(name, &tx)
                guard try existing == nil || directory.isNull(name, &tx) else {
                    throw TreeError.exists(name)
                }
                let object =
                    directory.takesLinks
                    ? try LinkResolver(self, caller).object(target, from: directory.id, &tx)
                    : .null
                if let existing {
                    guard existing.kind != .pendingFile else { throw TreeError.exists(name) }
                    try directory.replace(name, with: object, &tx)
                    return .node(existing)
                }
                return try directory.symlink(name, object, &tx)
            }
            switch link {
            case .node(let id): return try entry(id)
            case .pending(let address):
                let child = try pendingLinks.add(parent, name, address).node
                do {
                    return try entry(child)
                } catch {
                    _ = pendingLinks.remove(parent, name)
                    throw error
                }
            }
        }
    }

    func create(_ parent: NodeID, _ name: String, mode: UInt32, flags: Int32, _ caller: Caller)
        throws(TreeError) -> (Entry, OpenFile)
    {
        try checkWritable()
        try View.check(name)
        return try TreeError.translating {
            let directory = try directory(parent)
            let request = OpenRequest(flags: flags, mode: mode, caller: caller)
            let found = try transact(for: directory, caller) { tx in
                try require(.search, of: directory, for: caller, &tx)
                guard try existing(name, in: directory, request, &tx) == nil else { return }
                try require([.write, .search], of: directory, for: caller, &tx)
            } body: { tx -> NodeID? in
                if let found = try existing(name, in: directory, request, &tx) { return found }
                try directory.checkCreate(name, request, &tx)
                return nil
            }
            let (id, file): (NodeID, OpenFile)
            if let existing = found {
                // Another made it since the kernel looked for it: it is opened like any other file.
                guard flags & O_EXCL == 0 else { throw TreeError.exists(name) }
                (id, file) = (existing, try open(existing, flags: flags, caller))
            } else {
                (id, file) = try directory.create(name, request)
                file.opener = caller.uid
            }
            file.subject = TreeError.Subject(node: numbered(parent), name: name)
            do {
                return (try entry(id), file)
            } catch {
                file.close()
                if found == nil { _ = pendingFiles.remove(parent, name) }
                throw error
            }
        }
    }

    /// What has the name already; nil if a file of this name can be new.
    private func existing(
        _ name: String, in directory: any DirectoryNode, _ request: OpenRequest,
        _ tx: inout Transaction
    ) throws -> NodeID? {
        let found = try directory.lookup(name, &tx)
        // A new file may stand for a reference to nothing.
        let isFree = try request.flags & O_EXCL != 0 && directory.isNull(name, &tx)
        return isFree && found?.kind != .pendingFile ? nil : found
    }

    func rename(
        _ parent: NodeID, _ name: String, to target: (view: View, parent: NodeID),
        _ newName: String, flags: UInt32, _ caller: Caller
    ) throws(TreeError) {
        guard target.view === self else {
            throw TreeError(
                EXDEV, "Nothing can be moved into a transaction or a snapshot, or out of it.")
        }
        let newParent = target.parent
        try checkWritable()
        try View.check(newName)
        try TreeError.translating {
            let source = try directory(parent)
            let destination = try directory(newParent)
            if let pending = pendingLinks.find(parent, name) {
                guard flags == 0 else {
                    throw TreeError(EINVAL, "A new link can only be renamed over a reference.")
                }
                try transact(for: destination, caller) { tx in
                    try require([.write, .search], of: source, for: caller, &tx)
                    try require([.write, .search], of: destination, for: caller, &tx)
                } body: { tx in
                    try destination.replace(newName, with: pending.target, &tx)
                }
                pendingLinks.remove(parent, name)
                // It held the place of the reference that is set now.
                pendingFiles.remove(newParent, newName)
                return
            }
            guard parent == newParent else {
                throw TreeError(EXDEV, "Nothing here can be moved to another directory.")
            }
            if let file = pendingFiles.find(parent, name) {
                try rename(file, in: destination, to: newName, flags: flags, caller)
                return
            }
            try transact(for: source, caller) { tx in
                try requireRemoval(of: name, from: source, for: caller, &tx)
                if try source.lookup(newName, &tx) != nil {
                    try requireRemoval(of: newName, from: source, for: caller, &tx)
                }
            } body: { tx in
                try source.rename(name, to: newName, flags: flags, &tx)
            }
        }
    }
}

extension View {
    /// Renames a file that was made beside the fields: over one of them, which takes its content,
    /// or to another name that is none.
    private func rename(
        _ file: PendingFile, in directory: any DirectoryNode, to newName: String, flags: UInt32,
        _ caller: Caller
    ) throws {
        let keepsOther = flags == RenameFlag.noReplace
        guard flags == 0 || keepsOther else {
            throw TreeError(EINVAL, "A new file and a field cannot be exchanged.")
        }
        let other = try transact(for: directory, [.write, .search], caller) { tx in
            try directory.lookup(newName, &tx)
        }
        guard let other, other.kind != .pendingFile else {
            try pendingFiles.rename(file, to: newName, keepsOther: keepsOther)
            return
        }
        guard !keepsOther else { throw TreeError.exists(newName) }
        try file.install { content throws(TreeError) in
            try transact(for: directory, [.write, .search], caller) { tx in
                try directory.replace(newName, with: content, &tx)
            }
        }
        pendingFiles.remove(file)
    }
}
