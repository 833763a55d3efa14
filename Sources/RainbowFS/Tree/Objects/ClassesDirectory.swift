import Glibc
import RainbowCore

/// `classes/`: one text file a class of the users; `system/classes/`: those of the space itself.
struct ClassesDirectory: DirectoryNode {
    let view: View
    let part: SystemPart

    var id: NodeID { NodeID(part == .user ? .classes : .systemClasses) }

    var refusal: String {
        switch part {
        case .user:
            "Only the text files of classes are here: writing a new one defines a class, rm removes"
                + " one that has no objects. A class keeps its name."
        case .system: SystemDirectory.fixed
        }
    }

    func describe(_ tx: inout Transaction) throws -> Description {
        switch part {
        case .user: try view.ownDirectory(id, tx.systemInfo().classes, &tx)
        case .system: try view.ownDirectory(id, mode: 0o555, &tx)
        }
    }

    func change(_ change: AttributeChange, _ tx: inout Transaction) throws {
        guard part == .user else {
            return try refuseChange(change, describe(&tx), refusal)
        }
        let now = try tx.systemInfo().classes
        try tx.setOwnership(now.changed(change), of: .classes)
    }

    func lookup(_ name: String, _ tx: inout Transaction) throws -> NodeID? {
        guard let descriptor = try optional({ try tx.classDescriptor(named: name) }),
            descriptor.isSystem == (part == .system)
        else { return nil }
        return NodeID(.classFile, address: descriptor.address)
    }

    /// The classes of the two parts are one table: a page may have fewer entries than asked for.
    func list(after key: UInt64, limit: Int, _ tx: inout Transaction) throws -> DirectoryPage {
        let classes = try tx.classes(after: key, limit: limit)
        let shown = classes.filter { $0.descriptor.isSystem == (part == .system) }
        let entries = shown.map { entry in
            let node = NodeID(.classFile, address: entry.descriptor.address)
            return ListedEntry(
                name: entry.descriptor.name, node: node, key: entry.key, type: S_IFREG)
        }
        return DirectoryPage(
            entries: entries, next: classes.count < limit ? nil : classes.last?.key)
    }

    func unlink(_ name: String, _ tx: inout Transaction) throws {
        guard try lookup(name, &tx) != nil else { throw TreeError.notFound(name) }
        guard part == .user else { throw TreeError(EPERM, refusal) }
        try tx.removeClass(name: name)
    }

    func settle(_ name: String?) { view.pendingClasses.settle(name) }

    func checkCreate(_ name: String, _ request: OpenRequest, _ tx: inout Transaction) throws {
        guard part == .user else { throw TreeError(EPERM, refusal) }
        try ClassName.check(name)
        guard let descriptor = try optional({ try tx.classDescriptor(named: name) }),
            descriptor.isSystem
        else { return }
        throw TreeError(
            EPERM, "The class \(name) is built in, and shown in system/classes. Use another name.")
    }

    /// The class itself comes when the file is closed.
    func create(_ name: String, _ request: OpenRequest) throws -> (NodeID, OpenFile) {
        let id = try view.pendingClasses.add(name)
        return (id, OpenClassText(view, name: name, text: [], pending: id))
    }
}

/// `classes/NAME`
struct ClassFile: Node {
    let view: View
    let id: NodeID

    func describe(_ tx: inout Transaction) throws -> Description {
        let descriptor = try tx.classDescriptor(at: id.address)
        let system = try tx.systemInfo()
        var ownership = descriptor.isSystem ? system.ownership : system.classes
        ownership.mode &= descriptor.isSystem ? 0o444 : 0o666
        let version = try tx.version(of: id.address, count: 8)
        return Description(
            attributes: view.attributes(
                id, S_IFREG, ownership, size: UInt64(descriptor.text.utf8.count),
                version: version))
    }

    func change(_ change: AttributeChange, _ tx: inout Transaction) throws {
        try refuseChange(
            change, describe(&tx),
            "A class has the owner and the mode of classes/. Change those of the directory.")
    }

    func checkWritable(_ tx: inout Transaction) throws {
        try ClassFile.checkWritable(tx.classDescriptor(at: id.address))
    }

    private static func checkWritable(_ descriptor: ClassDescriptor) throws(TreeError) {
        guard !descriptor.isSystem else {
            throw TreeError(EPERM, "The class \(descriptor.name) is built in and stays as it is.")
        }
    }

    func open(_ request: OpenRequest, _ tx: inout Transaction) throws -> OpenFile? {
        let descriptor = try tx.classDescriptor(at: id.address)
        if request.writes { try ClassFile.checkWritable(descriptor) }
        let text = Array(descriptor.text.utf8)
        return OpenClassText(view, name: descriptor.name, text: text, pending: nil)
    }

    func extendedAttributes(_ tx: inout Transaction) throws -> [(name: String, value: String)] {
        try ObjectState(id.address, &tx).extendedAttributes(&tx)
    }
}

/// A class file that was created and has no text yet: fstat(2) on its descriptor.
struct PendingClassFile: Node {
    let view: View
    let id: NodeID

    func describe(_ tx: inout Transaction) throws -> Description {
        guard let (name, size) = view.pendingClasses.find(id) else {
            throw TreeError(ESTALE, "This class file was closed. Open it again by its path.")
        }
        if let descriptor = try optional({ try tx.classDescriptor(named: name) }) {
            let node = NodeID(.classFile, address: descriptor.address)
            var description = try ClassFile(view: view, id: node).describe(&tx)
            description.attributes.ino = view.inode(id)
            return description
        }
        var ownership = try tx.systemInfo().classes
        ownership.mode &= 0o666
        return Description(
            attributes: view.attributes(
                id, S_IFREG, ownership, size: UInt64(size), version: view.version))
    }

    /// The kernel may still know the new file by this number when it opens it again.
    func open(_ request: OpenRequest) throws -> OpenFile {
        throw TreeError(ESTALE, "This class file was closed. Open it again by its path.")
    }
}

enum ClassName {
    /// - Throws: EPERM or ENAMETOOLONG, so that creating a file fails and not the write to it.
    static func check(_ name: String) throws(TreeError) {
        guard name.utf8.count <= ObjectLimits.nameBytes else {
            throw TreeError(
                ENAMETOOLONG,
                "The name of a class has at most \(ObjectLimits.nameBytes) bytes.")
        }
        guard ClassText.isIdentifier(name) else {
            throw TreeError(
                EPERM,
                "\(TreeError.quoted(name)) cannot be the name of a class: those are letters, digits"
                    + " and _. Editors that write a file beside the class must write in place.")
        }
    }
}
