import Glibc
import RainbowCore
import TestSupport

@testable import RainbowFS

/// A space of its own with a tree on it, used by paths as a program would use a mount.
final class TreeFixture: Sendable {
    let space: Space
    let tree: Tree
    let caller = Caller(uid: getuid(), gid: getgid(), thread: 1)
    static let mountPoint = "/mnt/rainbow"

    init(sizeBytesMax: UInt64? = nil) throws {
        var options = SpaceOptions()
        options.sizeBytesMax = sizeBytesMax
        space = try Space.attach(uniqueSpaceName("tree"), options)
        try SystemArea.bootstrap(space)
        var treeOptions = TreeOptions()
        treeOptions.mountPoint = TreeFixture.mountPoint
        tree = Tree(space: space, options: treeOptions)
    }

    deinit {
        let name = space.name
        tree.views.endAll()
        space.detach()
        try? Space.destroy(name, force: true)
    }

    /// Another mount of the same space.
    func tree(_ change: (inout TreeOptions) -> Void) -> Tree {
        var options = TreeOptions()
        options.mountPoint = TreeFixture.mountPoint
        change(&options)
        return Tree(space: space, options: options)
    }
}

/// Paths, as the kernel walks them; links are followed only in the middle and by `follow`.
extension TreeFixture {
    func entry(_ path: String) throws(TreeError) -> Entry {
        var places: [NodeID] = [.root]
        var entry: Entry?
        for part in path.split(separator: "/") {
            if part == ".." {
                places.removeLast()
                entry = nil
                continue
            }
            if let link = entry, link.attributes.isLink {
                throw TreeError(ENOTDIR, "\(path) goes through a link")
            }
            let found = try tree.lookup(places[places.count - 1], String(part), caller)
            places.append(found.node)
            entry = found
        }
        guard let entry else {
            let attributes = try tree.attributes(places[places.count - 1]).0
            return Entry(
                node: places[places.count - 1], attributes: attributes, entrySeconds: 0,
                attributeSeconds: 0)
        }
        return entry
    }

    func node(_ path: String) throws(TreeError) -> NodeID { try entry(path).node }

    func attributes(_ path: String) throws(TreeError) -> Attributes { try entry(path).attributes }

    func exists(_ path: String) -> Bool { (try? entry(path)) != nil }

    func split(_ path: String) throws(TreeError) -> (parent: NodeID, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return (.root, path) }
        return (try node(String(path[..<slash])), String(path[path.index(after: slash)...]))
    }

    func list(_ path: String, plus: Bool = false) throws(TreeError) -> [String] {
        let directory = try tree.openDirectory(node(path), caller)
        var names: [String] = []
        try directory.entries(from: 0, plus: plus) { name, _, _ in
            names.append(name)
            return true
        }
        return Array(names.dropFirst(2))
    }
}

extension Caller {
    /// This process itself.
    static var current: Caller {
        Caller(uid: getuid(), gid: getgid(), thread: UInt32(getpid()))
    }
}

/// What shell tools do.
extension TreeFixture {
    func open(_ path: String, _ flags: Int32) throws(TreeError) -> OpenFile {
        let (parent, name) = try split(path)
        if flags & O_CREAT != 0, !exists(path) {
            return try tree.create(parent, name, mode: 0o644, flags: flags, caller).1
        }
        return try tree.open(node(path), flags: flags, caller)
    }

    /// `cat`
    func read(_ path: String, _ bufferBytes: Int = 1 << 16) throws(TreeError) -> String {
        String(decoding: try bytes(path, bufferBytes), as: UTF8.self)
    }

    func bytes(_ path: String, _ bufferBytes: Int = 1 << 16) throws(TreeError) -> [UInt8] {
        let file = try open(path, O_RDONLY)
        defer { file.close() }
        return try file.all(bufferBytes)
    }

    /// `printf %s TEXT > FILE`, or `>> FILE`; a new file is made as by a program that means it.
    func write(_ text: String, to path: String, append: Bool = false) throws(TreeError) {
        let new = exists(path) ? 0 : O_EXCL
        let file = try open(path, O_WRONLY | O_CREAT | new | (append ? O_APPEND : O_TRUNC))
        defer { file.close() }
        try file.put(Array(text.utf8), at: 0, isAppend: append)
        try file.flush()
        try file.finish()
    }

    func makeDirectory(_ path: String, mode: UInt32 = 0o755) throws(TreeError) {
        let (parent, name) = try split(path)
        _ = try tree.makeDirectory(parent, name, mode: mode, caller)
    }

    func removeDirectory(_ path: String) throws(TreeError) {
        let (parent, name) = try split(path)
        try tree.removeDirectory(parent, name)
    }

    func remove(_ path: String) throws(TreeError) {
        let (parent, name) = try split(path)
        try tree.unlink(parent, name)
    }

    func link(_ target: String, _ path: String) throws(TreeError) {
        let (parent, name) = try split(path)
        _ = try tree.symlink(parent, name, target: target, caller)
    }

    /// `ln -sfn`, as coreutils does it.
    func replaceLink(_ target: String, _ path: String) throws(TreeError) {
        do throws(TreeError) {
            try link(target, path)
        } catch {
            guard error.errno == EEXIST else { throw error }
            let temporary = "Cu" + String(UInt32.random(in: 100_000...999_999))
            let (parent, name) = try split(path)
            _ = try tree.symlink(parent, temporary, target: target, caller)
            do throws(TreeError) {
                try tree.rename(parent, temporary, to: parent, name, flags: 0)
            } catch {
                try? tree.unlink(parent, temporary)
                throw error
            }
        }
    }

    func move(_ path: String, to newPath: String, flags: UInt32 = 0) throws(TreeError) {
        let (parent, name) = try split(path)
        let (newParent, newName) = try split(newPath)
        try tree.rename(parent, name, to: newParent, newName, flags: flags)
    }

    func readLink(_ path: String) throws(TreeError) -> String {
        try tree.readLink(node(path))
    }

    /// Writes a command and reads the answer through the same open file, where it stands.
    func command(_ text: String, to path: String) throws(TreeError) -> String {
        let file = try open(path, O_RDWR)
        defer { file.close() }
        let bytes = text.systemBytes
        try file.put(bytes, at: 0)
        return String(decoding: try file.all(from: UInt64(bytes.count)), as: UTF8.self)
    }
}

/// What the callbacks do for this process, or for another caller.
extension Tree {
    func record(_ message: String) { messages.add(message, for: getuid()) }

    func lookup(_ parent: NodeID, _ name: String, _ caller: Caller) throws(TreeError) -> Entry {
        let (view, parent) = try view(of: parent)
        return try view.lookup(parent, name, caller)
    }

    func openDirectory(_ node: NodeID, _ caller: Caller) throws(TreeError) -> OpenDirectory {
        let (view, node) = try view(of: node)
        return try view.openDirectory(node, caller)
    }

    func makeDirectory(
        _ parent: NodeID, _ name: String, mode: UInt32, _ caller: Caller
    ) throws(TreeError) -> Entry {
        let (view, parent) = try view(of: parent)
        return try view.makeDirectory(parent, name, mode: mode, caller)
    }

    func removeDirectory(
        _ parent: NodeID, _ name: String, _ caller: Caller = .current
    ) throws(TreeError) {
        let (view, parent) = try view(of: parent)
        try view.removeDirectory(parent, name, caller)
    }

    func unlink(
        _ parent: NodeID, _ name: String, _ caller: Caller = .current
    ) throws(TreeError) {
        let (view, parent) = try view(of: parent)
        try view.unlink(parent, name, caller)
    }

    func symlink(
        _ parent: NodeID, _ name: String, target: String, _ caller: Caller
    ) throws(TreeError) -> Entry {
        let (view, parent) = try view(of: parent)
        return try view.symlink(parent, name, target: target, caller)
    }

    func create(
        _ parent: NodeID, _ name: String, mode: UInt32, flags: Int32, _ caller: Caller
    ) throws(TreeError) -> (Entry, OpenFile) {
        let (view, parent) = try view(of: parent)
        return try view.create(parent, name, mode: mode, flags: flags, caller)
    }

    func rename(
        _ parent: NodeID, _ name: String, to newParent: NodeID, _ newName: String, flags: UInt32,
        _ caller: Caller = .current
    ) throws(TreeError) {
        let target = try view(of: newParent)
        let (view, parent) = try view(of: parent)
        try view.rename(parent, name, to: target, newName, flags: flags, caller)
    }

    func attributes(
        _ node: NodeID, _ caller: Caller = .current
    ) throws(TreeError) -> (Attributes, seconds: Double) {
        let (view, node) = try view(of: node)
        return try view.attributes(node, caller)
    }

    func setAttributes(
        _ node: NodeID, _ change: AttributeChange, _ caller: Caller
    ) throws(TreeError) -> (Attributes, seconds: Double) {
        let (view, node) = try view(of: node)
        return try view.setAttributes(node, change, caller)
    }

    func setAttributes(
        _ node: NodeID, mode: UInt32?, uid: UInt32?, gid: UInt32?, size: UInt64?, _ caller: Caller
    ) throws(TreeError) -> (Attributes, seconds: Double) {
        try setAttributes(
            node, AttributeChange(mode: mode, uid: uid, gid: gid, size: size), caller)
    }

    func access(_ node: NodeID, _ access: Access, _ caller: Caller) throws(TreeError) {
        let (view, node) = try view(of: node)
        try view.access(node, access, caller)
    }

    func readLink(_ node: NodeID, _ caller: Caller = .current) throws(TreeError) -> String {
        let (view, node) = try view(of: node)
        return try view.readLink(node, caller)
    }

    func open(_ node: NodeID, flags: Int32, _ caller: Caller) throws(TreeError) -> OpenFile {
        let (view, node) = try view(of: node)
        return try view.open(node, flags: flags, caller)
    }

    func extendedAttribute(
        _ node: NodeID, _ name: String, _ caller: Caller = .current
    ) throws(TreeError) -> [UInt8] {
        let (view, node) = try view(of: node)
        return try view.extendedAttribute(node, name, caller)
    }

    func extendedAttributeNames(
        _ node: NodeID, _ caller: Caller = .current
    ) throws(TreeError) -> [String] {
        let (view, node) = try view(of: node)
        return try view.extendedAttributeNames(node, caller)
    }

    func setExtendedAttribute(
        _ node: NodeID, _ name: String, to value: [UInt8] = Array("other".utf8),
        _ caller: Caller = .current
    ) throws(TreeError) {
        let (view, node) = try view(of: node)
        try view.setExtendedAttribute(node, name, to: value, caller)
    }
}

extension OpenFile {
    func put(_ bytes: [UInt8], at offset: UInt64, isAppend: Bool = false) throws(TreeError) {
        let outcome = unsafe bytes.withUnsafeBytes { bytes in
            Result { () throws(TreeError) in
                unsafe try write(at: offset, bytes, isAppend: isAppend)
            }
        }
        _ = try outcome.get()
    }

    func piece(at offset: UInt64, _ count: Int) throws(TreeError) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: count)
        let outcome = unsafe buffer.withUnsafeMutableBytes { buffer in
            Result { () throws(TreeError) in unsafe try read(at: offset, into: buffer) }
        }
        return Array(buffer[..<(try outcome.get())])
    }

    func all(_ bufferBytes: Int = 1 << 16, from start: UInt64 = 0) throws(TreeError) -> [UInt8] {
        var found: [UInt8] = []
        while true {
            let piece = try piece(at: start + UInt64(found.count), bufferBytes)
            if piece.isEmpty { return found }
            found += piece
        }
    }
}
