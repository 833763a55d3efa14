import RainbowCore

/// A JSON value whose text keeps the order of its members. `description` is one line.
enum JSON: Equatable, CustomStringConvertible {
    case null
    case bool(Bool)
    /// A number as it is to stand in the text, so that 64-bit integers lose nothing.
    case number(String)
    case string(String)
    case array([JSON])
    case object([(String, JSON)])

    static func integer(_ value: some BinaryInteger) -> JSON { .number(String(value)) }

    /// JSON has no infinity and no NaN; they are strings.
    static func real(_ value: Double) -> JSON {
        value.isFinite ? .number(String(value)) : .string(String(value))
    }

    static func == (left: JSON, right: JSON) -> Bool { left.description == right.description }

    var description: String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .number(let text): text
        case .string(let text): JSON.quoted(text)
        case .array(let values): "[" + values.map(\.description).joined(separator: ", ") + "]"
        case .object(let members):
            "{"
                + members.map { JSON.quoted($0.0) + ": " + $0.1.description }.joined(
                    separator: ", ")
                + "}"
        }
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeText.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case _ where scalar.value < 32:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

/// Sizes as people read them.
enum ByteText {
    /// `bytes` in the largest unit that leaves at least one of it, with one digit after the point.
    static func describe(_ bytes: UInt64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        var value = Double(bytes)
        var unit = 0
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        let tenths = (value * 10).rounded() / 10
        return (unit == 0 ? String(bytes) : String(tenths)) + " " + units[unit]
    }
}

/// Rows of text under a head, columns two blanks apart.
enum TextTable {
    /// A line for the head, and one for each row.
    ///
    /// - Parameter numbers: the columns that are aligned to the right.
    static func lines(
        head: [String], rows: some Sequence<[String]>, numbers: Set<Int> = []
    ) -> [String] {
        let all = [head] + rows
        let widths = head.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            let cells = row.enumerated().map { column, cell in
                let blanks = String(repeating: " ", count: widths[column] - cell.count)
                return numbers.contains(column) ? blanks + cell : cell + blanks
            }
            return trimmed(cells.joined(separator: "  "))
        }
    }

    private static func trimmed(_ line: String) -> String {
        guard let last = line.lastIndex(where: { $0 != " " }) else { return "" }
        return String(line[...last])
    }
}
