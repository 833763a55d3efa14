import Core
import Glibc
import Synchronization

/// `messages`: what went wrong through this mount and why, newest last.
struct MessagesFile: Node {
    let tree: Tree
    let id = NodeID(.messages)

    func describe(_ tx: inout Transaction) throws -> Description {
        try tree.ownFile(id, mode: 0o444, size: tree.messages.byteCount, &tx)
    }

    func open(_ request: OpenRequest) throws -> OpenFile {
        try refuseWriting(request)
        return OpenMessages(tree.messages)
    }
}

/// The open messages: those of the moment of opening, and at their end what came since, so that
/// `tail -f` follows.
final class OpenMessages: OpenFile, @unchecked Sendable {
    private let log: MessageLog
    private let text: Mutex<[UInt8]>

    init(_ log: MessageLog) {
        self.log = log
        text = Mutex(Array(log.text.utf8))
    }

    override func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer)
        throws(TreeError) -> Int
    {
        text.withLock { text in
            if offset >= UInt64(text.count), log.byteCount > text.count {
                let longer = Array(log.text.utf8)
                // Old lines may have gone meanwhile: then the offsets mean nothing any more.
                if longer.starts(with: text) { text = longer }
            }
            return unsafe text.copy(from: offset, into: buffer)
        }
    }
}

/// `metrics`: counters and gauges of the space in the text format of Prometheus.
struct MetricsFile: Node {
    let tree: Tree
    let id = NodeID(.metrics)

    func describe(_ tx: inout Transaction) throws -> Description {
        try tree.ownFile(id, mode: 0o444, size: text().utf8.count, &tx)
    }

    func open(_ request: OpenRequest) throws -> OpenFile {
        try refuseWriting(request)
        return TextFile(text())
    }

    private func text() -> String {
        let usage = tree.space.usage
        let nodes = tree.space.liveNodes
        var text = MetricsText()
        text.add("memory_used_bytes", "gauge", "Memory of page frames.", [("", usage.bytesUsed)])
        text.add(
            "memory_limit_bytes", "gauge", "Limit of that memory; 0: none.",
            [("", usage.bytesMax)])
        text.add("version", "counter", "The newest version.", [("", usage.version)])
        text.add("nodes", "gauge", "Attached processes.", [("", UInt64(nodes.count))])
        text.add(
            "commits_total", "counter", "Committed transactions of a live node.",
            nodes.map { ("{node=\"\($0.index)\"}", $0.counts.commits) })
        text.add(
            "restarts_total", "counter", "Transactions of a live node that ran again.",
            nodes.map { ("{node=\"\($0.index)\"}", $0.counts.restarts) })
        text.add(
            "recovered_slots_total", "counter",
            "Commits of killed processes that this node finished or undid.",
            [("", tree.space.recoveredSlots)])
        return text.text
    }
}

/// The exposition format: help, type, samples.
private struct MetricsText {
    private(set) var text = ""

    mutating func add(
        _ name: String, _ type: String, _ help: String, _ samples: [(labels: String, UInt64)]
    ) {
        text += "# HELP rainbowfs_\(name) \(help)\n# TYPE rainbowfs_\(name) \(type)\n"
        for (labels, value) in samples { text += "rainbowfs_\(name)\(labels) \(value)\n" }
    }
}
