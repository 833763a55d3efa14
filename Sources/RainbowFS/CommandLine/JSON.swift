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
