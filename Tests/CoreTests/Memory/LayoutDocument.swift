import Foundation

/// `Docs/Layout.md` by sections, in which numbers stand that the code must have as well.
///
/// A *fact* is a piece of the document's text with the numbers filled in from the code. It must be
/// found once in its section; and each number of the document must stand in a fact, so that none
/// is unchecked.
struct LayoutDocument {
    /// The text of each heading's section, with single blanks between the words.
    private(set) var sections: [String: String] = [:]

    init(_ text: String) {
        var heading = ""
        for line in text.split(separator: "\n") {
            if line.hasPrefix("#") {
                heading = String(line.drop { $0 == "#" || $0 == " " })
            } else {
                let words = line.split(separator: " ").joined(separator: " ")
                sections[heading, default: ""] += words + " "
            }
        }
    }

    static func read() throws -> LayoutDocument {
        var root = URL(filePath: #filePath)
        for _ in 0..<4 { root.deleteLastPathComponent() }
        return LayoutDocument(
            try String(contentsOf: root.appending(path: "Docs/Layout.md"), encoding: .utf8))
    }

    /// What is wrong: facts that are not there once, and numbers that are in no fact.
    func violations(_ facts: [String: [String]]) -> [String] {
        let unknown = facts.keys.filter { sections[$0] == nil }.map { "no section \($0)" }
        return unknown
            + sections.flatMap { heading, text in
                Self.violations(in: text, facts[heading] ?? []).map { "\(heading): \($0)" }
            }.sorted()
    }

    /// The same for one section.
    static func violations(in text: String, _ facts: [String]) -> [String] {
        var found: [String] = []
        var covered: [Range<String.Index>] = []
        for fact in facts {
            let ranges = text.ranges(of: fact)
            if ranges.count != 1 { found.append("\(ranges.count) times \"\(fact)\"") }
            covered += ranges
        }
        let unchecked = numbers(in: text).filter { number in
            !covered.contains { $0.contains(number.lowerBound) }
        }
        return found
            + unchecked.map { "\(text[$0]) in \"\(surroundings(of: $0, in: text))\" is unchecked" }
    }

    /// Where numbers stand; years and names are none.
    static func numbers(in text: String) -> [Range<String.Index>] {
        text.matches(of: /\b(?:0x[0-9a-f]+|[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?)/).map(\.range)
            .filter { text[$0] != "1970" && !text[..<$0.lowerBound].hasSuffix("flock(") }
    }

    private static func surroundings(of range: Range<String.Index>, in text: String) -> Substring {
        let start = text.index(range.lowerBound, offsetBy: -20, limitedBy: text.startIndex)
        let end = text.index(range.upperBound, offsetBy: 20, limitedBy: text.endIndex)
        return text[(start ?? text.startIndex)..<(end ?? text.endIndex)]
    }

    /// 16384 as 16,384.
    static func grouped(_ number: Int) -> String {
        var digits = Array(String(number))
        for place in stride(from: digits.count - 3, to: 0, by: -3) { digits.insert(",", at: place) }
        return String(digits)
    }

    /// 4096 as 4 KiB.
    static func size(_ bytes: some BinaryInteger) -> String {
        let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")]
        let unit = units.first { UInt64(bytes) & (1 << UInt64($0.0) - 1) == 0 } ?? (0, "bytes")
        return "\(UInt64(bytes) >> UInt64(unit.0)) \(unit.1)"
    }
}
