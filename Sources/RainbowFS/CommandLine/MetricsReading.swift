import RainbowCore

/// One reading of a mount's `metrics`.
struct MetricsReading {
    struct Sample {
        var name: String
        var labels: [String: String]
        var value: String

        var number: Double { Double(value) ?? 0 }
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
