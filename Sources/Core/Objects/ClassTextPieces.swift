/// Class text that comes in pieces, cut anywhere.
extension ClassText {
    /// What the last line of a text could become once the rest of it is there: lines to try in its
    /// place, one for each kind of cut. If none of them makes a class, nothing that follows will.
    ///
    /// - Parameter line: without a line end.
    public static func completions(of line: some Sequence<UInt8>) -> [String] {
        guard let line = withoutCutCharacter(Array(line)) else { return [] }
        let cuts = ["", name, "[1]", "1]", "]", " \(name)", " \(name)[1]", "\(name)[1]"]
        var lines = cuts.map { line + $0 }
        let words = line.split { " \t\r".contains($0) }
        let type = words.last ?? ""
        if words.count <= 1, type.utf8.allSatisfy({ isLetter($0) || isDigit($0) }) {
            for word in typeWords where word.hasPrefix(type) {
                lines += ["\(word) \(name)", "\(word) \(name)[1]", word]
            }
        }
        // A class name that is not complete need not be there.
        if let bracket = line.firstIndex(of: "<"), !line.contains(">") {
            let target = line[line.index(after: bracket)...].drop { " \t".contains($0) }
            if target.isEmpty || isIdentifier(target.prefix { !" \t".contains($0) }) {
                lines.append("\(line[..<bracket])<Object> \(name)")
            }
        }
        return lines
    }

    /// The name of a field that no class has.
    private static let name = "completed_0_"

    /// With what a line may begin.
    private static let typeWords =
        FieldType.allCases.map { $0 == .reference ? "ref<Object>" : $0.name } + ["align 64"]

    /// The text without the bytes of a character whose others are missing; nil if it is no UTF-8
    /// even so.
    private static func withoutCutCharacter(_ bytes: [UInt8]) -> String? {
        for missing in 0...min(3, bytes.count) {
            if let text = String(validating: bytes.dropLast(missing), as: UTF8.self) { return text }
        }
        return nil
    }
}
