/// Text between double quotes, as commands of the tree and labels of metrics have it.
enum QuotedText {
    /// - Returns: the text with a backslash before each quote and backslash, and `\n` for the end
    ///   of a line; the quotes around it are the caller's.
    static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
