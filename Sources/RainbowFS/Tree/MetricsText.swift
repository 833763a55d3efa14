import RainbowCore

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
