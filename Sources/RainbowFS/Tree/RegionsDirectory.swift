import Glibc
import RainbowCore

/// `regions/`: one directory a region.
struct RegionsDirectory: DirectoryNode {
    let tree: Tree
    let id = NodeID.regions

    let refusal =
        "Only regions are here: mkdir NAME or NAME.MODEL makes one, rmdir removes an empty one."

    func describe(_ tx: inout Transaction) throws -> Description {
        try tree.ownDirectory(id, mode: nil, &tx)
    }

    /// A region also answers to `NAME.MODEL`, the name by which mkdir made it.
    func lookup(_ name: String, _ tx: inout Transaction) throws -> NodeID? {
        try region(name, &tx).map(RegionDirectory.node)
    }

    private func region(_ name: String, _ tx: inout Transaction) throws -> RegionInfo? {
        if let region = try optional({ try tx.region(named: name) }) { return region }
        let parts = RegionsDirectory.split(name)
        guard let model = parts.model,
            let region = try optional({ try tx.region(named: parts.name) }),
            region.model.isSame(as: model)
        else { return nil }
        return region
    }

    /// `NAME` or `NAME.MODEL`; the model is what follows the last dot.
    static func split(_ name: String) -> (name: String, model: String?) {
        let utf8 = name.utf8
        guard let dot = utf8.lastIndex(of: UInt8(ascii: ".")) else { return (name, nil) }
        return (String(name[..<dot]), String(name[utf8.index(after: dot)...]))
    }

    func list(after key: UInt64, limit: Int, _ tx: inout Transaction) throws -> DirectoryPage {
        let regions = try tx.regions(after: key, limit: limit)
        let entries = regions.map { region in
            let node = RegionDirectory.node(region)
            return ListedEntry(
                name: region.name, node: node, key: region.key, type: S_IFDIR)
        }
        return DirectoryPage(
            entries: entries, next: regions.count < limit ? nil : regions.last?.key)
    }

    func makeDirectory(_ name: String, _ request: OpenRequest, _ tx: inout Transaction) throws
        -> NodeID
    {
        let parts = RegionsDirectory.split(name)
        let region = try tx.createRegion(
            name: parts.name, model: parts.model ?? "transactional", ownership: Ownership(request))
        return RegionDirectory.node(region)
    }

    func removeDirectory(_ name: String, _ tx: inout Transaction) throws {
        guard let region = try region(name, &tx) else { throw TreeError.notFound(name) }
        try tx.removeRegion(name: region.name)
    }
}

extension Ownership {
    /// What the caller makes belongs to the caller.
    init(_ request: OpenRequest) {
        self.init(
            uid: request.caller.uid, gid: request.caller.gid,
            mode: UInt16(truncatingIfNeeded: request.mode & 0o7777))
    }
}

/// nil where the object layer says that there is no such thing, or that nothing can have the name.
func optional<R>(_ body: () throws -> R) throws -> R? {
    do {
        return try body()
    } catch let error as ObjectError
        where [.notFound, .invalid, .nameTooLong].contains(error.kind)
    {
        return nil
    }
}
