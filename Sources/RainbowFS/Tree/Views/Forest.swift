import Glibc
import RainbowCore

/// All that a mount shows: the tree of the present, and one for each transaction and snapshot.
///
/// A node's number says at which moment it is seen; that moment's tree does the rest.
final class Forest: Sendable {
    let present: Tree

    init(space: Space, options: TreeOptions = .init()) {
        present = Tree(space: space, options: options)
    }

    var space: Space { present.space }
    var moments: Moments? { present.moments }

    /// Puts a sentence into the file `messages`.
    ///
    /// - Parameter user: whose call failed.
    func record(_ message: String, for user: UInt32) { present.record(message, for: user) }

    /// The tree that a node is in, and its number there.
    private func place(_ id: NodeID) throws(TreeError) -> (Tree, NodeID) {
        guard id.moment != 0, let moments = present.moments else { return (present, id) }
        return (try moments.tree(id.moment), id.at(moment: 0))
    }

    /// Runs the body with the tree that a node is in and its number there; an error then says what
    /// it is about.
    private func about<R>(
        _ id: NodeID, _ name: String? = nil, _ body: (Tree, NodeID) throws(TreeError) -> R
    ) throws(TreeError) -> R {
        try TreeError.about(id, name) { () throws(TreeError) in
            let (tree, node) = try place(id)
            return try body(tree, node)
        }
    }

    /// The path of what a request was about, from the top of the mount.
    func path(of subject: TreeError.Subject) -> String? {
        guard let path = present.path(of: subject.node) else { return nil }
        guard let name = subject.name else { return path.isEmpty ? "/" : path }
        return path.isEmpty ? name : "\(path)/\(name)"
    }
}

/// What is done to the entries of directories.
extension Forest {
    func lookup(_ parent: NodeID, _ name: String, _ caller: Caller) throws(TreeError) -> Entry {
        try about(parent, name) { tree, parent throws(TreeError) in
            try tree.lookup(parent, name, caller)
        }
    }

    func openDirectory(_ node: NodeID, _ caller: Caller) throws(TreeError) -> OpenDirectory {
        try about(node) { tree, node throws(TreeError) in
            try tree.openDirectory(node, caller)
        }
    }

    func makeDirectory(_ parent: NodeID, _ name: String, mode: UInt32, _ caller: Caller)
        throws(TreeError) -> Entry
    {
        try about(parent, name) { tree, parent throws(TreeError) in
            try tree.makeDirectory(parent, name, mode: mode, caller)
        }
    }

    func removeDirectory(_ parent: NodeID, _ name: String, _ caller: Caller) throws(TreeError) {
        try about(parent, name) { tree, parent throws(TreeError) in
            try tree.removeDirectory(parent, name, caller)
        }
    }

    func unlink(_ parent: NodeID, _ name: String, _ caller: Caller) throws(TreeError) {
        try about(parent, name) { tree, parent throws(TreeError) in
            try tree.unlink(parent, name, caller)
        }
    }

    func symlink(_ parent: NodeID, _ name: String, target: String, _ caller: Caller)
        throws(TreeError) -> Entry
    {
        try about(parent, name) { tree, parent throws(TreeError) in
            try tree.symlink(parent, name, target: target, caller)
        }
    }

    func create(_ parent: NodeID, _ name: String, mode: UInt32, flags: Int32, _ caller: Caller)
        throws(TreeError) -> (Entry, OpenFile)
    {
        let (entry, file) = try about(parent, name) { tree, parent throws(TreeError) in
            try tree.create(parent, name, mode: mode, flags: flags, caller)
        }
        file.subject = TreeError.Subject(node: parent, name: name)
        return (entry, file)
    }

    func rename(
        _ parent: NodeID, _ name: String, to newParent: NodeID, _ newName: String, flags: UInt32,
        _ caller: Caller
    ) throws(TreeError) {
        try about(parent, name) { tree, parent throws(TreeError) in
            let (newTree, newParent) = try place(newParent)
            guard tree === newTree else {
                throw TreeError(
                    EXDEV, "Nothing can be moved into a transaction or a snapshot, or out of it.")
            }
            try tree.rename(parent, name, to: newParent, newName, flags: flags, caller)
        }
    }
}

/// What is done to single nodes.
extension Forest {
    func attributes(
        _ node: NodeID, _ caller: Caller
    ) throws(TreeError) -> (Attributes, seconds: Double) {
        try about(node) { tree, node throws(TreeError) in
            try tree.attributes(node, caller)
        }
    }

    func setAttributes(
        _ node: NodeID, _ change: AttributeChange, _ caller: Caller
    ) throws(TreeError) -> (Attributes, seconds: Double) {
        try about(node) { tree, node throws(TreeError) in
            try tree.setAttributes(node, change, caller)
        }
    }

    func access(_ node: NodeID, _ access: Access, _ caller: Caller) throws(TreeError) {
        try about(node) { tree, node throws(TreeError) in
            try tree.access(node, access, caller)
        }
    }

    func readLink(_ node: NodeID, _ caller: Caller) throws(TreeError) -> String {
        try about(node) { tree, node throws(TreeError) in
            try tree.readLink(node, caller)
        }
    }

    func open(_ node: NodeID, flags: Int32, _ caller: Caller) throws(TreeError) -> OpenFile {
        let file = try about(node) { tree, node throws(TreeError) in
            try tree.open(node, flags: flags, caller)
        }
        file.subject = TreeError.Subject(node: node)
        return file
    }

    func fileSystemStatistics() throws(TreeError) -> FileSystemStatistics {
        try present.fileSystemStatistics()
    }

    func extendedAttribute(_ node: NodeID, _ name: String, _ caller: Caller) throws(TreeError)
        -> [UInt8]
    {
        try about(node) { tree, node throws(TreeError) in
            try tree.extendedAttribute(node, name, caller)
        }
    }

    func extendedAttributeNames(_ node: NodeID, _ caller: Caller) throws(TreeError) -> [String] {
        try about(node) { tree, node throws(TreeError) in
            try tree.extendedAttributeNames(node, caller)
        }
    }

    func setExtendedAttribute(
        _ node: NodeID, _ name: String, to value: [UInt8], _ caller: Caller
    ) throws(TreeError) {
        try about(node) { tree, node throws(TreeError) in
            try tree.setExtendedAttribute(node, name, to: value, caller)
        }
    }

    func removeExtendedAttribute(_ node: NodeID, _ name: String) throws(TreeError) {
        try TreeError.about(node) { () throws(TreeError) in
            try present.removeExtendedAttribute(node, name)
        }
    }
}
