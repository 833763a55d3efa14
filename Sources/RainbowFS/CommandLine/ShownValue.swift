import RainbowCore

/// The value of a field as read from its file.
struct ShownValue: Equatable {
    /// One text an element; exactly one if the field is no array.
    var elements: [String]

    static func read(_ field: FieldDeclaration, in folder: String) throws(FileError) -> ShownValue {
        let path = "\(folder)/\(field.name)"
        guard field.type == .reference else { return decode(field, try FileText.read(path)) }
        guard let count = field.arrayCount else {
            return ShownValue(elements: [reference(try FileText.linkTarget(path))])
        }
        var elements: [String] = []
        for index in 0..<count {
            elements.append(reference(try FileText.linkTarget("\(path)/\(index)")))
        }
        return ShownValue(elements: elements)
    }

    /// What the bytes of a scalar field's file mean.
    static func decode(_ field: FieldDeclaration, _ bytes: [UInt8]) -> ShownValue {
        switch field.type {
        case .bytes:
            let digits = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
            return ShownValue(elements: [digits.joined()])
        case .string:
            let isWhole = bytes.last == UInt8(ascii: "\n")
            let text = String(systemBytes: isWhole ? bytes.dropLast() : bytes[...])
            return ShownValue(elements: [text])
        default:
            let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
            return ShownValue(elements: lines.map(String.init))
        }
    }

    var text: String { elements.joined(separator: ",") }

    func json(_ field: FieldDeclaration) -> JSON {
        let values = elements.map { element -> JSON in
            switch field.type {
            case .reference: element == "null" ? .null : .string(element)
            case .bool: .bool(element == "1")
            case .float32, .float64: .real(Double(element) ?? .nan)
            case .string, .bytes: .string(element)
            default: .number(element)
            }
        }
        return field.arrayCount == nil ? values.first ?? .null : .array(values)
    }

    /// A link's target as commands print objects.
    private static func reference(_ target: String) -> String {
        guard let last = target.split(separator: "/").last, last.hasPrefix("0x") else {
            return "null"
        }
        return LinkText.path(ofText: String(last))
    }
}
