import Glibc
import RainbowCore

/// `regions/NAME/`: the allocators of a region, and its status.
struct RegionDirectory: DirectoryNode {
    let view: View
    let id: NodeID

    let refusal =
        "Only allocators are here: mkdir NAME makes one, rmdir gives an empty one back."

    static let statusName = "status"

    static func node(_ region: RegionInfo) -> NodeID {
        NodeID(.region, part: region.number)
    }

    private func region(_ tx: inout Transaction) throws -> RegionInfo {
        try tx.region(number: id.part)
    }

    func describe(_ tx: inout Transaction) throws -> Description {
        let region = try region(&tx)
        let version = try tx.version(of: region.address, count: 8)
        return Description(
            attributes: view.attributes(
                id, S_IFDIR, region.ownership, size: 0, version: version),
            isPermanent: region.isPermanent)
    }

    func change(_ change: AttributeChange, _ tx: inout Transaction) throws {
        let region = try region(&tx)
        try tx.setOwnership(region.ownership.changed(change), of: region.address)
    }

    func lookup(_ name: String, _ tx: inout Transaction) throws -> NodeID? {
        if name.isSame(as: RegionDirectory.statusName) {
            return NodeID(.regionStatus, part: id.part)
        }
        let region = try region(&tx)
        return try optional { try tx.allocator(named: name, in: region) }
            .map { NodeID(.allocator, address: $0.address) }
    }

    func list(after key: UInt64, limit: Int, _ tx: inout Transaction) throws -> DirectoryPage {
        let region = try region(&tx)
        let allocators = try tx.allocators(in: region, after: key, limit: limit)
        var entries = allocators.map { allocator in
            let node = NodeID(.allocator, address: allocator.address)
            return ListedEntry(
                name: allocator.name, node: node, key: allocator.key, type: S_IFDIR)
        }
        entries.removeAll { $0.name.isSame(as: RegionDirectory.statusName) }
        if key < ListingKey.first {
            let status = NodeID(.regionStatus, part: id.part)
            entries.insert(
                ListedEntry(
                    name: RegionDirectory.statusName, node: status, key: ListingKey.first,
                    type: S_IFREG), at: 0)
        }
        return DirectoryPage(
            entries: entries, next: allocators.count < limit ? nil : allocators.last?.key)
    }

    func makeDirectory(_ name: String, _ request: OpenRequest, _ tx: inout Transaction) throws
        -> NodeID
    {
        guard !name.isSame(as: RegionDirectory.statusName) else { throw TreeError.exists(name) }
        let allocator = try tx.createAllocator(
            name: name, in: region(&tx), ownership: Ownership(request))
        return NodeID(.allocator, address: allocator.address)
    }

    func removeDirectory(_ name: String, _ tx: inout Transaction) throws {
        guard !name.isSame(as: RegionDirectory.statusName) else {
            throw TreeError(ENOTDIR, "The status of a region is a file and stays.")
        }
        try tx.removeAllocator(name: name, in: region(&tx))
    }

    func extendedAttributes(_ tx: inout Transaction) throws -> [(name: String, value: String)] {
        let region = try region(&tx)
        return [("base", region.base.description), ("consistency", region.model)]
    }
}

extension RegionInfo {
    /// The region of the system's own objects is never removed.
    var isPermanent: Bool { number == 1 }
}

/// `regions/NAME/status`
struct RegionStatusFile: TextNode {
    let view: View
    let id: NodeID

    private func text(_ tx: inout Transaction) throws -> String {
        let region = try tx.region(number: id.part)
        var allocators = 0
        var objects: UInt64 = 0
        var key: UInt64 = 0
        while true {
            let page = try tx.allocators(in: region, after: key, limit: 64)
            for allocator in page { objects &+= try tx.objectCount(in: allocator.address) }
            allocators += page.count
            guard let last = page.last, page.count == 64 else { break }
            key = last.key
        }
        return """
            number: \(region.number)
            base: \(region.base)
            model: \(region.model)
            \(try memory(region))allocators: \(allocators)
            objects: \(objects)

            """
    }

    /// What is in memory now, which says nothing of a snapshot.
    private func memory(_ region: RegionInfo) throws -> String {
        if case .snapshot = view.source { return "" }
        let memory = try view.space.residency(ofRegion: region.number)
        return "resident pages: \(memory.pages)\npage-table bytes: \(memory.mapBytes)\n"
    }

    func describe(_ tx: inout Transaction) throws -> Description {
        let region = try tx.region(number: id.part)
        let size = try text(&tx).utf8.count
        var ownership = region.ownership
        ownership.mode &= 0o444
        let version = try tx.version(of: region.address, count: 8)
        return Description(
            attributes: view.attributes(
                id, S_IFREG, ownership, size: UInt64(size), version: version),
            isPermanent: region.isPermanent)
    }

    func open(_ request: OpenRequest, _ tx: inout Transaction) throws -> OpenFile? {
        try refuseWriting(request)
        return OpenText(try text(&tx))
    }
}

/// `regions/`: one directory a region.
struct RegionsDirectory: DirectoryNode {
    let view: View
    let id = NodeID.regions

    let refusal =
        "Only regions are here: mkdir NAME or NAME.MODEL makes one, rmdir removes an empty one."

    func describe(_ tx: inout Transaction) throws -> Description {
        try view.ownDirectory(id, mode: nil, &tx)
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
        guard !parts.name.utf8.contains(UInt8(ascii: ".")) else {
            throw TreeError(
                EINVAL, "The name of a region has no dot: mkdir NAME or NAME.MODEL.")
        }
        let region = try tx.createRegion(
            name: parts.name, model: parts.model ?? "transactional", ownership: Ownership(request))
        return RegionDirectory.node(region)
    }

    func removeDirectory(_ name: String, _ tx: inout Transaction) throws {
        guard let region = try region(name, &tx) else { throw TreeError.notFound(name) }
        try tx.removeRegion(name: region.name)
    }
}
