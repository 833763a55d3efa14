import Glibc
import RainbowCore

/// `metrics`: counters and gauges of the space, for monitoring and for `rainbowfs top`.
///
/// The numbers never rest: its size is that of the newest text, and the mount shows each process
/// that of the text which it is going to read.
struct MetricsFile: TextNode {
    let view: View
    let id = NodeID(.metrics)

    func describe(_ tx: inout Transaction) throws -> Description {
        var size = view.metricsBytes.load(ordering: .relaxed)
        if size == 0 { size = text(HotSpots()).utf8.count }
        return try view.ownFile(id, mode: 0o444, size: size, version: 0, &tx)
    }

    func open(_ request: OpenRequest) throws -> OpenFile {
        try refuseWriting(request)
        let now = SystemClock.bootMilliseconds
        return OpenText(text(HotSpots(of: view.space, now: now)))
    }

    private func text(_ spots: HotSpots) -> String {
        let now = SystemClock.bootMilliseconds
        var text = MetricsText()
        text.addSpace(view.space)
        text.addNodes(view.space.liveNodes)
        text.addLostEvents(view.events.lostCounts)
        text.addHotSpots(spots)
        text.addViews(view.space, now: now)
        view.metricsBytes.store(text.text.utf8.count, ordering: .relaxed)
        return text.text
    }
}

extension MetricsText {
    fileprivate mutating func addSpace(_ space: Space) {
        let usage = space.usage
        add("space_info", .gauge, "The space; always 1.", [Sample([("space", space.name)], 1)])
        add("memory_used_bytes", .gauge, "Memory of page frames.", [Sample([], usage.bytesUsed)])
        add(
            "memory_limit_bytes", .gauge, "Limit of that memory; 0: none.",
            [Sample([], usage.bytesMax)])
        add("version", .gauge, "The newest version.", [Sample([], usage.version)])
        add(
            "recovered_slots_total", .counter,
            "Commits of killed processes that this node finished or undid.",
            [Sample([], space.recoveredSlots)])
    }

    fileprivate mutating func addNodes(_ nodes: [NodeInfo]) {
        func samples(_ count: (TransactionCounts) -> UInt64) -> [Sample] {
            nodes.map { Sample([("node", String($0.index))], count($0.counts)) }
        }
        add("nodes", .gauge, "Attached processes.", [Sample([], nodes.count)])
        add(
            "node_info", .gauge, "An attached process; always 1.",
            nodes.map { node in
                let labels = [
                    ("node", String(node.index)), ("name", node.name), ("host", node.host),
                    ("pid", String(node.processID)), ("mount_point", node.mountPoint),
                ]
                return Sample(labels, 1)
            })
        add("commits_total", .counter, "Committed transactions of a node.", samples(\.commits))
        add(
            "aborts_total", .counter, "Transactions of a node that had written and were given up.",
            samples(\.aborts))
        add(
            "restarts_total", .counter,
            "Runs of transactions of a node that it repeated by itself; those of transactions/ and"
                + " of atomic that lost count as aborts.",
            samples(\.restarts))
        add(
            "conflicts_total", .counter,
            "Runs of transactions of a node that lost since a line had changed (true), and commits"
                + " that would have lost if pages were compared (estimated from one in 64).",
            nodes.flatMap { node in
                let number = ("node", String(node.index))
                return [
                    Sample([number, ("kind", "true")], node.counts.conflicts),
                    Sample(
                        [number, ("kind", "false_sharing_avoided")],
                        node.counts.falseSharingAvoided),
                ]
            })
    }

    fileprivate mutating func addLostEvents(_ counts: (byReaders: UInt64, byMount: UInt64)) {
        add(
            "events_lost_total", .counter,
            "Commits that readers of this mount's events were only told of as lost, each counted"
                + " once a reader: the reader was too slow, or the mount was.",
            [
                Sample([("behind", "reader")], counts.byReaders),
                Sample([("behind", "mount")], counts.byMount),
            ])
    }

    fileprivate mutating func addHotSpots(_ spots: HotSpots) {
        add(
            "object_conflicts", .gauge,
            "Conflicts of the last minute, of the last 4096 at most, on the objects with the most;"
                + " objects that share a line share its conflicts.",
            spots.objects.map { object in
                let labels = [
                    ("object", object.address.description), ("class", object.className),
                    ("name", object.name),
                ]
                return Sample(labels, object.conflicts)
            })
        add(
            "page_conflicts", .gauge,
            "Conflicts of the last minute, of the last 4096 at most, on the pages with the most.",
            spots.pages.map { page in
                let labels = [("page", page.address.description), ("region", page.regionName)]
                return Sample(labels, page.conflicts)
            })
    }

    /// Snapshots and transactions that run.
    fileprivate mutating func addViews(_ space: Space, now: UInt64) {
        let memory = space.snapshotMemory
        let views = space.snapshots
        let snapshots = views.filter { $0.kind == .named }
        let transactions = views.filter { $0.kind == .transaction }
        /// Since when, with one more label.
        func age(_ view: SnapshotInfo, _ kind: String, _ state: (String, String)) -> Sample {
            let labels = [(kind, view.name), ("node", String(view.node)), state]
            return Sample(labels, milliseconds: now - min(now, view.bootMilliseconds))
        }
        add(
            "snapshot_memory_bytes", .gauge,
            "Memory of what snapshots and running transactions keep readable.",
            [Sample([], memory.bytesUsed)])
        add(
            "snapshot_memory_limit_bytes", .gauge, "Limit of that memory.",
            [Sample([], memory.bytesMax)])
        add("snapshots", .gauge, "Named snapshots.", [Sample([], snapshots.count)])
        add(
            "snapshot_age_seconds", .gauge, "Time since a named snapshot was taken.",
            snapshots.map { age($0, "snapshot", ("state", $0.isStale ? "stale" : "open")) })
        add(
            "transactions", .gauge, "Transactions that run until they are ended.",
            [Sample([], transactions.count)])
        add(
            "transaction_age_seconds", .gauge, "Time since such a transaction began.",
            transactions.map {
                age($0, "transaction", ("mode", $0.isSerial ? "serial" : "optimistic"))
            })
        add(
            "transaction_bytes", .gauge, "Memory of what such a transaction has read and written.",
            transactions.flatMap { transaction in
                let labels = [
                    ("transaction", transaction.name), ("node", String(transaction.node)),
                ]
                return [
                    Sample(labels + [("kind", "read")], transaction.readBytes),
                    Sample(labels + [("kind", "written")], transaction.writtenBytes),
                ]
            })
    }
}

/// Metrics in the text format of Prometheus, version 0.0.4: for each metric a line of help, one of
/// its type, and a line a sample. All names begin with `rainbowfs_`.
struct MetricsText {
    enum Kind: String {
        case counter, gauge
    }

    struct Sample {
        var labels: [(name: String, value: String)]
        var value: String

        init(_ labels: [(name: String, value: String)] = [], _ value: some BinaryInteger) {
            self.labels = labels
            self.value = String(value)
        }

        /// A time in seconds.
        init(_ labels: [(name: String, value: String)], milliseconds: UInt64) {
            self.labels = labels
            self.value = String(Double(milliseconds) / 1000)
        }
    }

    private(set) var text = ""

    /// Of samples whose labels are the same the first is kept: readers refuse the others.
    mutating func add(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
        text += "# HELP rainbowfs_\(name) \(help)\n# TYPE rainbowfs_\(name) \(kind.rawValue)\n"
        var seen: Set<ExactText> = []
        for sample in samples {
            let labels = sample.labels.map {
                "\($0.name)=\"\(QuotedText.escaped($0.value.unicodeText))\""
            }
            .joined(separator: ",")
            guard seen.insert(ExactText(labels)).inserted else { continue }
            text += "rainbowfs_\(name)\(labels.isEmpty ? "" : "{\(labels)}") \(sample.value)\n"
        }
    }
}
