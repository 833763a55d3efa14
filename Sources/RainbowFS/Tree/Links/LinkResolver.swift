import Glibc
import RainbowCore

/// Follows the target of a new link through the tree to the object that it leads to.
///
/// The kernel hands over the text as it was typed. Whatever spelling would lead there through the
/// mount is taken: relative to the link's directory or absolute, through names and references.
struct LinkResolver {
    private let view: View
    /// Who wrote the path: it leads only through what they may search.
    private let caller: Caller
    private static let linksMax = 40

    init(_ view: View, _ caller: Caller) {
        self.view = view
        self.caller = caller
    }

    /// - Parameter directory: where the link will be.
    /// - Returns: the object; null for the text `null`.
    /// - Throws: EINVAL if the path leads elsewhere or nowhere.
    func object(_ path: String, from directory: NodeID, _ tx: inout Transaction) throws -> Address {
        if path == LinkText.null { return .null }
        var walk = Walk(nodes: try chain(directory, &tx))
        do {
            try follow(path, &walk, &tx)
        } catch let error as TreeError where [ENOENT, ENOTDIR, ELOOP].contains(error.errno) {
            throw refused(path)
        }
        guard let end = walk.nodes.last, end.kind == .object || end.kind == .rawObject else {
            throw refused(path)
        }
        return end.address
    }

    private struct Walk {
        /// The nodes from the root to where the walk is.
        var nodes: [NodeID]
        var links = 0
    }

    private func follow(_ path: String, _ walk: inout Walk, _ tx: inout Transaction) throws {
        var rest = Substring(path)
        if path.begins(with: "/") {
            rest = try insideMount(path)
            walk.nodes = [.root]
        }
        for part in rest.parts(at: "/") where part != "." {
            if part == ".." {
                guard walk.nodes.count > 1 else { throw TreeError.notFound(path) }
                walk.nodes.removeLast()
                continue
            }
            guard let here = walk.nodes.last else { throw TreeError.notFound(path) }
            let directory = try view.directory(here)
            try view.require(.search, of: directory, for: caller, &tx)
            guard let child = try directory.lookup(String(part), &tx) else {
                throw TreeError.notFound(path)
            }
            // The top of another view: what is called so there is no object of this one.
            guard child.viewNumber == 0 else { throw TreeError.notFound(path) }
            let node = try view.node(child)
            guard node.isLink else {
                walk.nodes.append(child)
                continue
            }
            walk.links += 1
            guard walk.links <= LinkResolver.linksMax else { throw TreeError(ELOOP, "") }
            try follow(node.readLink(&tx), &walk, &tx)
        }
    }

    /// The part of an absolute path below the mount.
    private func insideMount(_ path: String) throws -> Substring {
        let parts = path.parts(at: "/")
        // Seen from a transaction, a path below the mount means the same object inside of it.
        for point in [view.options.mountPoint, view.options.outerMountPoint ?? ""] {
            let root = point.parts(at: "/")
            guard !root.isEmpty, parts.starts(with: root, by: { $0.isSame(as: $1) }) else {
                continue
            }
            return Substring(parts.dropFirst(root.count).joined(separator: "/"))
        }
        throw TreeError.notFound(path)
    }

    private func chain(_ directory: NodeID, _ tx: inout Transaction) throws -> [NodeID] {
        switch directory.kind {
        case .object: return LinkResolver.folder(of: directory.address) + [directory]
        case .referenceArray:
            let object = try ReferenceArrayDirectory(view: view, id: directory).location(&tx).object
            return LinkResolver.folder(of: object)
                + [NodeID(.object, address: object), directory]
        case .fixed where directory != .root: return [.root, directory]
        case .region: return [.root, .regions, directory]
        default: return [.root]
        }
    }

    /// The directory that shows an object, from the root on.
    private static func folder(of object: Address) -> [NodeID] {
        SystemArea.holds(object)
            ? [.root, .system, NodeID(.systemObjects)] : [.root, .objects]
    }

    private func refused(_ path: String) -> TreeError {
        TreeError(
            EINVAL,
            "The target \(TreeError.quoted(path)) does not lead to an object of this mount. Give a"
                + " path as seen from the directory of the link, like"
                + " ../objects/0x0000008000001040.")
    }
}

/// The text of the tree's own symbolic links.
enum LinkText {
    /// What a reference to nothing shows.
    static let null = "null"

    /// An object's directory, as seen from the top of the tree.
    static func path(of object: Address) -> String {
        (SystemArea.holds(object) ? "system/objects/" : "objects/") + object.description
    }

    /// From a directory that lies `up` levels below the folder of objects that shows `origin`, to
    /// an object's directory.
    static func toObject(_ target: Address, from origin: Address, up: Int) -> String {
        guard target != .null else { return null }
        let isFromSystem = SystemArea.holds(origin)
        guard isFromSystem != SystemArea.holds(target) else {
            return String(repeating: "../", count: up) + target.description
        }
        let top = up + (isFromSystem ? 2 : 1)
        return String(repeating: "../", count: top) + path(of: target)
    }

    static func fromNames(_ target: Address) -> String {
        "../" + path(of: target)
    }

    /// The name of an object's raw file in its allocator's directory.
    static func rawName(_ object: Address, _ descriptor: ClassDescriptor) -> String {
        object.description + "." + descriptor.name
    }
}
