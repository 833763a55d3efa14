import Glibc
import RainbowCore

/// What is done to single nodes.
extension View {
    func attributes(
        _ node: NodeID, _ caller: Caller
    ) throws(TreeError) -> (Attributes, seconds: Double) {
        try requireEntry(for: caller)
        let node = try self.node(node)
        let (description, seconds) = try examine(node) { tx in try look(at: node, &tx) }
        var attributes = description.attributes
        attributes.size = node.size(for: caller, attributes)
        return (attributes, seconds)
    }

    /// Times are not taken: they are those of commits. Who may not set them learns it all the same.
    func setAttributes(
        _ node: NodeID, _ change: AttributeChange, _ caller: Caller
    ) throws(TreeError) -> (Attributes, seconds: Double) {
        let node = try self.node(node)
        if change.changes || change.times != .none { try checkWritable() }
        if source.isTransaction {
            let allowed = try examine(node) { tx in
                try self.allowed(change, of: node, caller, &tx)
            }
            if change.changes { try transact(for: node) { tx in try node.change(allowed, &tx) } }
            if change.times == .now { node.touch() }
            let description = try examine(node) { tx in try node.describe(&tx) }
            return (description.attributes, 0)
        }
        let description = try transact(for: node) { tx in
            let allowed = try self.allowed(change, of: node, caller, &tx)
            if change.changes { try node.change(allowed, &tx) }
            if change.times == .now { node.touch() }
            return try node.describe(&tx)
        }
        // What is kept of them, the commit has just taken back.
        return (description.attributes, 0)
    }

    /// The change as the caller may make it.
    private func allowed(
        _ change: AttributeChange, of node: any Node, _ caller: Caller, _ tx: inout Transaction
    ) throws -> AttributeChange {
        guard caller.uid != 0 else { return change }
        try requireEntry(for: caller)
        let attributes = try node.describe(&tx).attributes
        try caller.require(change, attributes)
        return caller.allowed(change, attributes)
    }

    func readLink(_ node: NodeID, _ caller: Caller) throws(TreeError) -> String {
        try requireEntry(for: caller)
        let node = try self.node(node)
        return try transact(for: node) { tx in try node.readLink(&tx) }
    }

    func open(_ node: NodeID, flags: Int32, _ caller: Caller) throws(TreeError) -> OpenFile {
        let request = OpenRequest(flags: flags, caller: caller)
        if request.writes { try checkWritable() }
        let node = try self.node(node)
        let opened = try transact(for: node, .opening(flags), caller) { tx in
            try node.open(request, &tx)
        }
        let file: OpenFile
        if let opened {
            file = opened
        } else {
            file = try TreeError.translating { try node.open(request) }
        }
        file.opener = caller.uid
        file.subject = TreeError.Subject(node: numbered(node.id))
        do {
            if request.truncates { try file.truncate() }
        } catch {
            file.close()
            throw error
        }
        return file
    }
}

/// Extended attributes: `user.rainbow.NAME`, for reading.
extension View {
    private static let attributePrefix = "user.rainbow."

    func extendedAttribute(_ node: NodeID, _ name: String, _ caller: Caller) throws(TreeError)
        -> [UInt8]
    {
        let node = try self.node(node)
        // So ls(1) and others do not ask for the access lists of every file.
        guard name.begins(with: "user.") else {
            throw TreeError(ENOTSUP, "There are only attributes of users here.")
        }
        guard name.begins(with: View.attributePrefix) else {
            throw TreeError(
                ENODATA, "There are only attributes whose names begin with user.rainbow.")
        }
        let wanted = Substring(name.utf8.dropFirst(View.attributePrefix.utf8.count))
        let all = try examine(node) { tx -> [(name: String, value: String)] in
            try require(.read, of: node, for: caller, &tx)
            // The kernel lets nobody ask a link, so it has none to list either.
            if try node.describe(&tx).attributes.isLink { return [] }
            return try node.extendedAttributes(&tx)
        }
        guard let found = all.first(where: { wanted.isSame(as: $0.name) }) else {
            throw TreeError(ENODATA, "This has no attribute \(TreeError.quoted(name)).")
        }
        return found.value.systemBytes
    }

    /// None of what the caller may not read.
    func extendedAttributeNames(_ node: NodeID, _ caller: Caller) throws(TreeError) -> [String] {
        try requireEntry(for: caller)
        let node = try self.node(node)
        let all = try examine(node) { tx in
            let attributes = try node.describe(&tx).attributes
            let isShown = !attributes.isLink && caller.may(.read, attributes)
            return isShown ? try node.extendedAttributes(&tx) : []
        }
        return all.map { View.attributePrefix + $0.name }
    }

    /// Lets through what is the case already, as rsync asks for it, and the version, which is never
    /// that of a copy. Those of a new file will be those of the object whose field it becomes.
    func setExtendedAttribute(
        _ node: NodeID, _ name: String, to value: [UInt8], _ caller: Caller
    ) throws(TreeError) {
        try checkWritable()
        let file = pendingFiles.find(node)
        guard name.hasPrefix(View.attributePrefix) else {
            if let file, name.hasPrefix("user.") {
                let target = try self.node(node)
                try examine(target) { tx in try require(.write, of: target, for: caller, &tx) }
                file.noteLostAttribute()
            }
            throw View.attributesAreFixed(name)
        }
        guard file == nil, name != View.attributePrefix + "version" else { return }
        do throws(TreeError) {
            if try extendedAttribute(node, name, caller) == value { return }
        } catch {
            if error.wait != nil { throw error }
        }
        throw View.attributesAreFixed(name)
    }

    static func removeExtendedAttribute(_ name: String) throws(TreeError) {
        throw View.attributesAreFixed(name)
    }

    private static func attributesAreFixed(_ name: String) -> TreeError {
        guard name.begins(with: attributePrefix) else {
            return TreeError(ENOTSUP, "No attributes are kept but those of user.rainbow.")
        }
        return TreeError(
            EPERM, "The attributes user.rainbow.* say what is the case and cannot be set.")
    }
}
