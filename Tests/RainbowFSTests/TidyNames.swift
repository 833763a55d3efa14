import Foundation

/// Rules over the types that files declare.
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
}
