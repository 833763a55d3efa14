import ArgumentParser

/// `FIELD=VALUE` as typed.
struct AssignmentArgument: ExpressibleByArgument, Equatable {
    var field: String
    var value: String

    init?(argument: String) {
        guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex else {
            return nil
        }
        field = String(argument[..<equals])
        value = String(argument[argument.index(after: equals)...])
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
