import Glibc
import RainbowCore

/// `nodes/`: one text a process that is attached to the space.
struct NodesDirectory: DirectoryNode {
    let view: View
    let id = NodeID.nodes

    let refusal = "The nodes are the processes that are attached to the space: they come and go."

    func describe(_ tx: inout Transaction) throws -> Description {
        try view.ownDirectory(id, mode: 0o555, &tx)
    }

    func lookup(_ name: String, _ tx: inout Transaction) throws -> NodeID? {
        guard let index = Int(name), String(index) == name,
            view.space.liveNodes.contains(where: { $0.index == index })
        else { return nil }
        return NodeID(.node, part: index)
    }

    func list(after key: UInt64, limit: Int, _ tx: inout Transaction) throws -> DirectoryPage {
        let entries = view.space.liveNodes.map { node in
            let id = NodeID(.node, part: node.index)
            return ListedEntry(
                name: String(node.index), node: id, key: ListingKey.first + UInt64(node.index),
                type: S_IFREG)
        }
        return page(entries, after: key, limit: limit)
    }
}

/// `nodes/N`
struct NodeFile: TextNode {
    let view: View
    let id: NodeID

    private func text() throws(TreeError) -> String {
        guard let node = view.space.liveNodes.first(where: { $0.index == id.part }) else {
            throw TreeError(ENOENT, "The node \(id.part) has left the space.")
        }
        return """
            host: \(node.host)
            pid: \(node.processID)
            name: \(node.name)
            slots: \(node.slots.map(String.init).joined(separator: " "))
            mount point: \(node.mountPoint)
            since: \(TimeText.describe(milliseconds: node.since &* 1000))
            commits: \(node.counts.commits)
            aborts: \(node.counts.aborts)
            restarts: \(node.counts.restarts)
            conflicts: \(node.counts.conflicts)

            """
    }

    func describe(_ tx: inout Transaction) throws -> Description {
        let size = try text().systemByteCount
        // Its counts never rest: see `MetricsFile`.
        var description = try view.ownFile(id, mode: 0o444, size: size, version: 0, &tx)
        description.isPermanent = false
        return description
    }

    func open(_ request: OpenRequest) throws -> OpenFile {
        try refuseWriting(request)
        return OpenText(try text())
    }
}
