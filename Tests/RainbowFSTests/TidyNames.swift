import Foundation

/// Rules over the types that files declare, and over the words of the sources.
extension TidyRules {
    /// Below this a file is for one public type alone.
    static let smallFileLines = 60

    /// A type and where it is declared: as `Outer.Inner`.
    struct TypeDeclaration: Equatable {
        var name: String
        var isPublic: Bool
        var isNested: Bool
    }

    /// The types that `text` declares. The formatter indents what is nested, extensions included,
    /// so the indentation tells what a type is in.
    static func typeDeclarations(_ text: String) -> [TypeDeclaration] {
        let declaration = try! Regex(
            "^( *)((?:[a-z@][\\w@()]* )*)"
                + "(struct|class|enum|protocol|actor|typealias|extension) ([\\w.]+)",
            as: (Substring, Substring, Substring, Substring, Substring).self)
        var found: [TypeDeclaration] = []
        var outer: [(indentation: Int, name: String)] = []
        for line in withoutCommentsAndStrings(text).split(separator: "\n") {
            // `class func` and the like declare no type.
            guard let match = line.firstMatch(of: declaration), match.4 != "func", match.4 != "var"
            else { continue }
            outer.removeAll { $0.indentation >= match.1.count }
            if match.3 != "extension" {
                found.append(
                    TypeDeclaration(
                        name: (outer.map(\.name) + [String(match.4)]).joined(separator: "."),
                        isPublic: match.2.contains("public "), isNested: !outer.isEmpty))
            }
            outer.append((match.1.count, String(match.4)))
        }
        return found
    }

    /// Types that several declarations have the name of.
    static func duplicateTypes(_ files: [String: String]) -> [String] {
        var paths: [String: [String]] = [:]
        for (path, text) in files {
            for type in typeDeclarations(text) { paths[type.name, default: []].append(path) }
        }
        return paths.filter { $0.value.count > 1 }.map { name, paths in
            "\(name) is declared in \(paths.sorted().joined(separator: " and "))"
        }.sorted()
    }

    /// Small files that should be part of another one.
    static func smallFiles(_ text: String) -> [String] {
        let count = text.split(separator: "\n", omittingEmptySubsequences: false).count - 1
        guard count < smallFileLines else { return [] }
        let types = typeDeclarations(text).filter { !$0.isNested }
        guard types.map(\.isPublic) != [true] else { return [] }
        return ["has \(count) lines, and is not one public type alone"]
    }

    private static let glossaryHeading = "\n## Words given up"

    /// The words that the glossary says to use no more: the first column of its last table. Those
    /// with "(in names)" are plain English in a sentence.
    static func wordsGivenUp(glossary: String) -> (anywhere: [String], inNames: [String]) {
        guard let section = glossary.range(of: glossaryHeading) else { return ([], []) }
        let words = glossary[section.upperBound...].split(separator: "\n")
            .filter { $0.hasPrefix("| ") }.dropFirst()
            .flatMap { $0.split(separator: "|")[0].split(separator: ",") }
            .map { $0.trimmingCharacters(in: .whitespaces) }
        let suffix = " (in names)"
        return (
            words.filter { !$0.hasSuffix(suffix) },
            words.filter { $0.hasSuffix(suffix) }.map { String($0.dropLast(suffix.count)) }
        )
    }

    /// What may have a word that was given up: a label of a format, and the term that the glossary
    /// keeps.
    static let formats = ["\"behind\"", "**Mark**"]

    /// Where `text` has one of the words, as parts of names too. Of the glossary the table is not
    /// looked at.
    static func words(_ words: [String], in text: String) -> [String] {
        let sought = words.map { $0.split(separator: " ").map(String.init) }
        let first = Set(sought.map { $0[0] })
        let end = text.range(of: glossaryHeading)?.lowerBound ?? text.endIndex
        // The letter of an escape is no part of a word.
        let plain = formats.reduce(text[..<end].replacing("\\n", with: "  ")) {
            $0.replacing($1, with: "")
        }
        let found = parts(of: plain)
        return found.indices.flatMap { start -> [String] in
            guard first.contains(found[start].word) else { return [] }
            return sought.filter { phrase in
                found[start...].prefix(phrase.count).map(\.word) == phrase
            }.map { "line \(found[start].line): \"\($0.joined(separator: " "))\"" }
        }
    }

    /// The words of a text in lower case, with names such as `firstMark` split. Those all in
    /// capitals, as `MARK`, are none.
    private static func parts(of text: some StringProtocol) -> [(word: String, line: Int)] {
        var parts: [(word: String, line: Int)] = []
        var word: [UInt8] = []
        var line = 1
        func end() {
            let capitals = word.prefix { $0 & 0x20 == 0 }.count
            if !word.isEmpty, capitals < max(2, word.count) {
                // Of `URLPath` the last capital begins the word.
                let letters = word[max(0, capitals - 1)...].map { $0 | 0x20 }
                parts.append((String(decoding: letters, as: UTF8.self), line))
            }
            word = []
        }
        for byte in text.utf8 {
            let isLetter = 0x61...0x7a ~= byte | 0x20
            if !isLetter || byte & 0x20 == 0 && word.last.map({ $0 & 0x20 != 0 }) == true { end() }
            if isLetter { word.append(byte) }
            if byte == UInt8(ascii: "\n") { line += 1 }
        }
        end()
        return parts
    }
}
