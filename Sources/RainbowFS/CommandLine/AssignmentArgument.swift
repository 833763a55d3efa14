import ArgumentParser
import RainbowCore

/// `FIELD=VALUE` as typed.
struct AssignmentArgument: ExpressibleByArgument, Equatable {
    var field: String
    var value: String

    init?(argument: String) {
        let utf8 = argument.utf8
        guard let equals = utf8.firstIndex(of: UInt8(ascii: "=")), equals != utf8.startIndex
        else { return nil }
        field = String(argument[..<equals])
        value = String(argument[utf8.index(after: equals)...])
    }

    /// The word of a command of the tree: quoted if the value would not be one word otherwise.
    var commandWord: String {
        let isPlain = value.unicodeScalars.allSatisfy { scalar in
            scalar.value > 32 && scalar.value != 127 && !"\"'\\#".unicodeScalars.contains(scalar)
        }
        guard !isPlain || value.isEmpty else { return "\(field)=\(value)" }
        return "\(field)=\"\(QuotedText.escaped(value))\""
    }
}
