import RainbowCore

/// What `rainbowfs top` shows: the difference of two readings of `metrics`, and the later one.
struct TopSample {
    /// A counter: its value, and how fast it grew.
    struct Rate {
        var total: UInt64
        /// Nil before there are two readings.
        var perSecond: Double?
    }

    struct NodeRow {
        var number: String
        var name: String
        var mountPoint: String
        var processID: UInt64
        /// One for each of `TopSample.counters`, in their order.
        var rates: [Rate]
    }

    /// An object or a page, with the conflicts of the last minute.
    struct HotSpot {
        var address: String
        /// The class of an object, the region of a page.
        var kind: String
        var name: String
        var conflicts: UInt64
    }

    struct TransactionRow {
        var name: String
        var node: String
        var ageSeconds: Double
        var isSerial: Bool
        var readBytes: UInt64
        var writtenBytes: UInt64
    }

    struct SnapshotRow {
        var name: String
        var node: String
        var ageSeconds: Double
        var isStale: Bool
    }

    /// What is counted by node.
    static let counters = [
        "commits", "aborts", "restarts", "conflicts", "false_sharing_avoided",
    ]

    var space: String
    var mountPoint: String
    /// Between the two readings; 0 if there is only one.
    var seconds: Double
    var version: UInt64
    var memoryUsedBytes: UInt64
    /// 0: no limit.
    var memoryLimitBytes: UInt64
    var snapshotMemoryUsedBytes: UInt64
    var snapshotMemoryLimitBytes: UInt64
    var nodes: [NodeRow]
    var objects: [HotSpot]
    var pages: [HotSpot]
    var transactions: [TransactionRow]
    var snapshots: [SnapshotRow]

    /// - Parameter seconds: from `before` to `after`.
    init(_ mount: MountedSpace, _ before: MetricsReading?, _ after: MetricsReading, seconds: Double)
    {
        space = after["space_info"].first?["space"] ?? mount.space
        mountPoint = mount.path
        self.seconds = before == nil ? 0 : seconds
        version = after.count("version")
        memoryUsedBytes = after.count("memory_used_bytes")
        memoryLimitBytes = after.count("memory_limit_bytes")
        snapshotMemoryUsedBytes = after.count("snapshot_memory_bytes")
        snapshotMemoryLimitBytes = after.count("snapshot_memory_limit_bytes")
        let rates = TopSample.rates(before, after, seconds)
        nodes = after["node_info"].map { info in
            NodeRow(
                number: info["node"], name: info["name"], mountPoint: info["mount_point"],
                processID: UInt64(info["pid"]) ?? 0, rates: rates(info["node"]))
        }
        objects = after["object_conflicts"].map {
            HotSpot(
                address: $0["object"], kind: $0["class"], name: $0["name"], conflicts: $0.count)
        }
        pages = after["page_conflicts"].map {
            HotSpot(address: $0["page"], kind: $0["region"], name: "", conflicts: $0.count)
        }
        transactions = TopSample.transactions(after)
        snapshots = after["snapshot_age_seconds"].map {
            SnapshotRow(
                name: $0["snapshot"], node: $0["node"], ageSeconds: $0.number,
                isStale: $0["state"] == "stale")
        }
    }

    /// The rates of a node. One that came after the first reading began at 0, also if it has the
    /// number of one that left.
    private static func rates(
        _ before: MetricsReading?, _ after: MetricsReading, _ seconds: Double
    ) -> (_ node: String) -> [Rate] {
        let (old, new) = (before.map(totals), totals(after))
        return { node in
            counters.indices.map { index in
                let total = new[node]?[index] ?? 0
                guard let old, seconds > 0 else { return Rate(total: total) }
                let start = old[node]?[index] ?? 0
                return Rate(
                    total: total,
                    perSecond: Double(total >= start ? total - start : total) / seconds)
            }
        }
    }

    /// The counters of each node.
    private static func totals(_ reading: MetricsReading) -> [String: [UInt64]] {
        var totals: [String: [UInt64]] = [:]
        for (index, name) in ["commits_total", "aborts_total", "restarts_total"].enumerated() {
            for sample in reading[name] {
                totals[sample["node"], default: [0, 0, 0, 0, 0]][index] = sample.count
            }
        }
        for sample in reading["conflicts_total"] {
            totals[sample["node"], default: [0, 0, 0, 0, 0]][sample["kind"] == "true" ? 3 : 4] =
                sample.count
        }
        return totals
    }

    private static func transactions(_ reading: MetricsReading) -> [TransactionRow] {
        func key(_ sample: MetricsReading.Sample) -> String {
            sample["node"] + "/" + sample["transaction"]
        }
        var bytes: [String: (read: UInt64, written: UInt64)] = [:]
        for sample in reading["transaction_bytes"] {
            if sample["kind"] == "read" {
                bytes[key(sample), default: (0, 0)].read = sample.count
            } else {
                bytes[key(sample), default: (0, 0)].written = sample.count
            }
        }
        return reading["transaction_age_seconds"].map { sample in
            TransactionRow(
                name: sample["transaction"], node: sample["node"], ageSeconds: sample.number,
                isSerial: sample["mode"] == "serial", readBytes: bytes[key(sample)]?.read ?? 0,
                writtenBytes: bytes[key(sample)]?.written ?? 0)
        }
    }
}

extension TopSample {
    var json: JSON {
        .object([
            ("space", .string(space)), ("mount_point", .string(mountPoint)),
            ("seconds", .real(seconds)), ("version", .integer(version)),
            ("memory_used_bytes", .integer(memoryUsedBytes)),
            (
                "memory_limit_bytes",
                memoryLimitBytes == 0 ? .null : .integer(memoryLimitBytes)
            ),
            ("snapshot_memory_used_bytes", .integer(snapshotMemoryUsedBytes)),
            ("snapshot_memory_limit_bytes", .integer(snapshotMemoryLimitBytes)),
            ("nodes", .array(nodes.map(\.json))),
            ("objects", .array(objects.map(\.json))),
            ("pages", .array(pages.map(\.pageJSON))),
            ("transactions", .array(transactions.map(\.json))),
            ("snapshots", .array(snapshots.map(\.json))),
        ])
    }
}

extension TopSample.NodeRow {
    fileprivate var json: JSON {
        let counts = zip(TopSample.counters, rates).flatMap { name, rate in
            [
                (name, JSON.integer(rate.total)),
                (name + "_per_second", rate.perSecond.map { .real($0) } ?? .null),
            ]
        }
        let facts: [(String, JSON)] = [
            ("node", UInt64(number).map { .integer($0) } ?? .string(number)),
            ("name", .string(name)), ("mount_point", .string(mountPoint)),
            ("pid", .integer(processID)),
        ]
        return .object(facts + counts)
    }
}

extension TopSample.HotSpot {
    fileprivate var json: JSON {
        .object([
            ("object", .string(LinkText.path(ofText: address))), ("class", .string(kind)),
            ("name", name.isEmpty ? .null : .string(name)),
            ("conflicts_last_minute", .integer(conflicts)),
        ])
    }

    fileprivate var pageJSON: JSON {
        .object([
            ("page", .string(address)), ("region", .string(kind)),
            ("conflicts_last_minute", .integer(conflicts)),
        ])
    }
}

extension TopSample.TransactionRow {
    fileprivate var json: JSON {
        .object([
            ("transaction", .string(name)), ("node", UInt64(node).map { .integer($0) } ?? .null),
            ("age_seconds", .real(ageSeconds)), ("serial", .bool(isSerial)),
            ("read_bytes", .integer(readBytes)), ("written_bytes", .integer(writtenBytes)),
        ])
    }
}

extension TopSample.SnapshotRow {
    fileprivate var json: JSON {
        .object([
            ("snapshot", .string(name)), ("node", UInt64(node).map { .integer($0) } ?? .null),
            ("age_seconds", .real(ageSeconds)), ("stale", .bool(isStale)),
        ])
    }
}

/// One reading of a mount's `metrics`.
struct MetricsReading {
    struct Sample {
        var name: String
        var labels: [String: String]
        var value: String

        var number: Double { Double(value).flatMap { $0.isFinite ? $0 : nil } ?? 0 }
        var count: UInt64 { UInt64(value) ?? 0 }

        subscript(label: String) -> String { labels[label] ?? "" }
    }

    /// By the metric's name without `rainbowfs_`.
    private let samples: [String: [Sample]]

    /// Lines that are no samples of rainbowfs are left out.
    init(_ text: String) {
        let lines = text.parts(at: "\n").compactMap { MetricsReading.sample($0) }
        samples = Dictionary(grouping: lines) { $0.name }
    }

    subscript(name: String) -> [Sample] { samples[name] ?? [] }

    func count(_ name: String) -> UInt64 { self[name].first?.count ?? 0 }

    private static func sample(_ line: Substring) -> Sample? {
        let prefix = "rainbowfs_"
        guard line.begins(with: prefix) else { return nil }
        var rest = line.unicodeScalars.dropFirst(prefix.unicodeScalars.count)
        let name = rest.prefix { $0 != "{" && $0 != " " }
        rest = rest.dropFirst(name.count)
        var labels: [String: String] = [:]
        if rest.first == "{" {
            rest = rest.dropFirst()
            while let (label, value) = takeLabel(&rest) { labels[label] = value }
            guard rest.first == "}" else { return nil }
            rest = rest.dropFirst()
        }
        guard let value = rest.split(separator: " ").first else { return nil }
        return Sample(name: String(name), labels: labels, value: String(value))
    }

    /// Takes `label="value"` and a comma after it off the front. A value may begin with a character
    /// that joins the quote before it, so characters do not do here.
    private static func takeLabel(_ rest: inout Substring.UnicodeScalarView) -> (String, String)? {
        guard let equals = rest.firstIndex(of: "="), rest.first != "}" else { return nil }
        let label = String(rest[..<equals])
        rest = rest[rest.index(after: equals)...]
        guard rest.popFirst() == "\"" else { return nil }
        var value = String.UnicodeScalarView()
        while let scalar = rest.popFirst(), scalar != "\"" {
            guard scalar == "\\" else {
                value.append(scalar)
                continue
            }
            let escaped = rest.popFirst()
            value.append(escaped == "n" ? "\n" : escaped ?? "\\")
        }
        if rest.first == "," { rest = rest.dropFirst() }
        return (label, String(value))
    }
}
