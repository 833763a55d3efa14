/// A strict reader of the text format of Prometheus, version 0.0.4: whatever a scraper may refuse
/// is an error here.
public struct MetricsFormat {
    public struct Refusal: Error, CustomStringConvertible {
        public let description: String
    }

    public struct Sample: Equatable {
        public var labels: [String: String]
        public var value: Double
    }

    public struct Family {
        public var type: String
        public var samples: [Sample] = []
    }

    public private(set) var families: [String: Family] = [:]

    public init(_ text: String) throws {
        guard text.hasSuffix("\n") else { throw Refusal(description: "the last line is cut off") }
        var helped: String?
        var current: String?
        for line in text.dropLast().split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("# HELP ") {
                let words = line.split(separator: " ", maxSplits: 3)
                guard words.count == 4, words[2].wholeMatch(of: /[a-zA-Z_:][a-zA-Z0-9_:]*/) != nil,
                    families[String(words[2])] == nil
                else { throw Refusal(description: "bad help, or a second one: \(line)") }
                helped = String(words[2])
                current = nil
            } else if line.hasPrefix("# TYPE ") {
                let words = line.split(separator: " ").map(String.init)
                guard words.count == 4, words[2] == helped,
                    ["counter", "gauge"].contains(words[3]),
                    (words[3] == "counter") == words[2].hasSuffix("_total")
                else { throw Refusal(description: "bad type, or not after its help: \(line)") }
                families[words[2]] = Family(type: words[3])
                current = words[2]
            } else {
                let (name, sample) = try MetricsFormat.sample(line)
                guard let family = current, name == family else {
                    throw Refusal(description: "a sample outside of its family: \(line)")
                }
                guard !families[family]!.samples.contains(where: { $0.labels == sample.labels })
                else { throw Refusal(description: "a second sample of the same labels: \(line)") }
                families[family]!.samples.append(sample)
            }
        }
    }

    public subscript(name: String) -> [Sample] { families["rainbowfs_" + name]?.samples ?? [] }

    private static func sample(_ text: Substring) throws -> (String, Sample) {
        let line = /(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?<labels>.*)\})? (?<value>[-+0-9.e]+)/
        let label = /(?<name>[a-zA-Z_][a-zA-Z0-9_]*)="(?<value>(?:[^"\\\n]|\\[\\n"])*)"(?<comma>,?)/
        guard let match = try line.wholeMatch(in: text), let value = Double(match.value) else {
            throw Refusal(description: "not a sample: \(text)")
        }
        var labels: [String: String] = [:]
        var rest = match.labels ?? ""
        var endsWithComma = false
        while !rest.isEmpty {
            guard endsWithComma || labels.isEmpty, let found = try label.prefixMatch(in: rest),
                !found.name.hasPrefix("__"), labels[String(found.name)] == nil
            else { throw Refusal(description: "bad labels: \(text)") }
            labels[String(found.name)] = unescaped(found.value)
            endsWithComma = !found.comma.isEmpty
            rest = rest[found.range.upperBound...]
        }
        guard !endsWithComma else { throw Refusal(description: "a comma too many: \(text)") }
        return (String(match.name), Sample(labels: labels, value: value))
    }

    private static func unescaped(_ value: Substring) -> String {
        var result = ""
        var isEscaped = false
        for character in value {
            if character == "\\", !isEscaped {
                isEscaped = true
            } else {
                result.append(isEscaped && character == "n" ? "\n" : character)
                isEscaped = false
            }
        }
        return result
    }
}
