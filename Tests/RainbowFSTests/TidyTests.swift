import Foundation
import Testing

/// The repository keeps its own rules (style, layers, links). Each rule is first shown to fail.
@Suite struct TidyTests {
    static let root = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// Paths below the root of all files that belong to the repository, with their text.
    static let files: [String: String] = {
        let folders = ["Sources", "Tests", "Examples", "Benchmarks", "Docs", "man", ".ci"]
        let names = try! FileManager.default.contentsOfDirectory(atPath: root.path())
        var paths = names.filter { ["md", "swift"].contains(URL(filePath: $0).pathExtension) }
        paths.append("Makefile")
        for folder in folders {
            let walk = FileManager.default.enumerator(atPath: root.path() + folder)
            paths += (walk?.compactMap { $0 as? String } ?? []).map { "\(folder)/\($0)" }
        }
        return paths.reduce(into: [:]) { files, path in
            files[path] = try? String(contentsOf: root.appending(path: path), encoding: .utf8)
        }
    }()

    static func violations(
        ofFiles matches: (String) -> Bool, _ rule: (String, String) -> [String]
    ) -> [String] {
        files.filter { matches($0.key) }.flatMap { path, text in
            rule(path, text).map { "\(path) \($0)" }
        }.sorted()
    }

    static func isSwift(_ path: String) -> Bool { path.hasSuffix(".swift") }

    @Test("The walk sees the repository")
    func walk() {
        #expect(Self.files["Package.swift"] != nil)
        #expect(Self.files.keys.filter(Self.isSwift).count > 5)
    }

    @Test("Swift files are at most 500 lines and 100 columns, with no tab and no trailing space")
    func sizes() {
        #expect(Self.violations(ofFiles: Self.isSwift) { TidyRules.sizes($1) } == [])
        #expect(TidyRules.sizes(String(repeating: "a\n", count: 500)) == [])
        #expect(TidyRules.sizes(String(repeating: "a\n", count: 501)).count == 1)
        #expect(TidyRules.sizes(String(repeating: "a", count: 101)).count == 1)
        #expect(TidyRules.sizes("a\tb\n").count == 1 && TidyRules.sizes("a \n").count == 1)
    }

    @Test("Functions are at most 70 lines long")
    func functions() {
        #expect(Self.violations(ofFiles: Self.isSwift) { TidyRules.functions($1) } == [])
        func body(_ head: String, lines: Int) -> String {
            "    \(head) {\n" + String(repeating: "        a()\n", count: lines) + "    }\n"
        }
        #expect(TidyRules.functions(body("func f()", lines: 68)) == [])
        #expect(TidyRules.functions(body("public func f()", lines: 69)).count == 1)
        #expect(TidyRules.functions(body("init(\n        a: Int\n    )", lines: 69)).count == 1)
        let requirement = "    func f() -> Int\n    func g() {}\n" + body("var a: Int", lines: 90)
        #expect(TidyRules.functions(requirement) == [])
    }

    @Test("Nothing unfinished, no test switched off, no path of one machine")
    func leftovers() {
        let isChecked: (String) -> Bool = { !$0.hasPrefix("Tests/RainbowFSTests/Tidy") }
        #expect(Self.violations(ofFiles: isChecked) { TidyRules.leftovers(in: $1) } == [])
        for word in TidyRules.leftovers + TidyRules.machinePaths {
            #expect(TidyRules.leftovers(in: "a // \(word) b").count == 1)
        }
        #expect(TidyRules.leftovers(in: ".enabled(if: geteuid() == 0, \"why\")") == [])
        #expect(TidyRules.leftovers(in: "mktemp folder." + String(repeating: "X", count: 6)) == [])
    }

    @Test("A lower folder never names a type of an upper one")
    func layers() {
        #expect(TidyRules.layerViolations(Self.files, layers: TidyRules.layers) == [])
        let upper = ["Low/a.swift": "let a: Above?", "High/b.swift": "struct Above {}"]
        #expect(TidyRules.layerViolations(upper, layers: [["Low"], ["High"]]).count == 1)
        #expect(TidyRules.layerViolations(upper, layers: [["High"], ["Low"]]) == [])
        let words = [
            "Low/a.swift": "// Above\nlet a = \"Above\"", "High/b.swift": upper["High/b.swift"]!,
        ]
        #expect(TidyRules.layerViolations(words, layers: [["Low"], ["High"]]) == [])
    }

    @Test("Every source folder has its place in the order of layers")
    func layerOfEverything() {
        let sources = Self.files.keys.filter { path in
            path.hasSuffix(".swift") && path.hasPrefix("Sources/")
        }
        let folders = TidyRules.layers.joined()
        #expect(sources.filter { path in !folders.contains { path.hasPrefix($0 + "/") } } == [])
    }

    @Test("FUSE, the argument parser and Foundation are imported only where they belong")
    func imports() {
        #expect(Self.violations(ofFiles: Self.isSwift, TidyRules.imports) == [])
        #expect(TidyRules.imports("Sources/Core/a.swift", "import Foundation\n").count == 1)
        #expect(TidyRules.imports("Sources/RainbowFS/Tree/a.swift", "import CFuse").count == 1)
        #expect(TidyRules.imports("Sources/RainbowFS/Mount/a.swift", "import CFuse\n") == [])
    }

    @Test("Core calls the kernel through SystemCalls only")
    func kernelCalls() {
        #expect(Self.violations(ofFiles: Self.isSwift, TidyRules.kernelCalls) == [])
        let calls = "let a = unsafe open(path, 0)\n    close(a)\nGlibc.close(a)\nmmap(nil)"
        #expect(TidyRules.kernelCalls("Sources/Core/Memory/A.swift", calls).count == 4)
        #expect(TidyRules.kernelCalls("Sources/RainbowFS/Tree/A.swift", calls) == [])
        let methods = "func close() {}\nfolder.close()\nSystemCalls.open(in: folder)\nreopen(a)"
        #expect(TidyRules.kernelCalls("Sources/Core/Memory/A.swift", methods) == [])
    }

    @Test("No two types of the sources have one name")
    func duplicateTypes() {
        let sources = Self.files.filter { $0.key.hasPrefix("Sources/") && Self.isSwift($0.key) }
        #expect(TidyRules.duplicateTypes(sources) == [])
        let outer = "struct Outer {\n    private enum Kind {}\n}\n"
        let other = "// struct Kind {}\nextension Other {\n    enum Kind {}\n}\nenum Kind {}\n"
        #expect(TidyRules.duplicateTypes(["a.swift": outer, "b.swift": other]) == [])
        let again = "extension Outer {\n    typealias Kind = Int\n}\n"
        #expect(TidyRules.duplicateTypes(["a.swift": outer, "b.swift": again]).count == 1)
        #expect(TidyRules.duplicateTypes(["a.swift": outer, "b.swift": outer]).count == 2)
        #expect(TidyRules.typeDeclarations("class func f() {}\nclass var a: Int\n") == [])
    }

    @Test("A source file of less than 60 lines is one public type alone")
    func smallFiles() {
        let isSource: (String) -> Bool = { $0.hasPrefix("Sources/") && Self.isSwift($0) }
        #expect(Self.violations(ofFiles: isSource) { TidyRules.smallFiles($1) } == [])
        let type = "public struct A {\n    enum B {}\n}\n"
        let lines = String(repeating: "// a\n", count: 57)
        #expect(TidyRules.smallFiles(type) == [])
        #expect(TidyRules.smallFiles("struct A {}\n").count == 1)
        #expect(TidyRules.smallFiles(type + "enum C {}\n").count == 1)
        #expect(TidyRules.smallFiles("extension A {}\n").count == 1)
        #expect(TidyRules.smallFiles("enum A {}\nenum B {}\n" + lines).count == 1)
        #expect(TidyRules.smallFiles("enum A {}\nenum B {}\n\n" + lines) == [])
    }

    @Test("Code, texts for users, documents and tests have no word that the glossary gave up")
    func wordsGivenUp() {
        let (words, inNames) = TidyRules.wordsGivenUp(glossary: Self.files["Docs/Glossary.md"]!)
        #expect(words.count > 5 && words.contains("put off") && inNames.contains("place"))
        let isSource: (String) -> Bool = { $0.hasPrefix("Sources/") && Self.isSwift($0) }
        // The rules themselves need examples, and the models have names of their own.
        let isChecked: (String) -> Bool = {
            !$0.hasPrefix("Tests/RainbowFSTests/Tidy") && !$0.hasPrefix("Docs/Model/")
        }
        #expect(Self.violations(ofFiles: isChecked) { TidyRules.words(words, in: $1) } == [])
        #expect(
            Self.violations(ofFiles: isSource) { _, text in
                TidyRules.words(inNames, in: TidyRules.withoutCommentsAndStrings(text))
            } == [])
        let (given, names) = TidyRules.wordsGivenUp(
            glossary: "| a | b |\n## Words given up\n\n| word | say instead |\n|---|---|\n"
                + "| mark, marks | bit |\n| put off | defer |\n| spot (in names) | dot |\n")
        #expect(given == ["mark", "marks", "put off"] && names == ["spot"])
        let texts = ["/// A mark.", "func firstMark()", "let marksMax", "Put\n    /// off"]
        for text in texts { #expect(TidyRules.words(given, in: text).count == 1) }
        #expect(TidyRules.words(given, in: "// MARK: benchmark remarks, put it off") == [])
        #expect(TidyRules.words(given, in: "let a = \"a\\nmark\"").count == 1)
        #expect(TidyRules.words(given, in: "a\n\n.Em Mark\n## Words given up\nmark").count == 1)
        let label = "(\"behind\", 1)\nbehind"
        #expect(TidyRules.words(["behind"], in: label) == ["line 2: \"behind\""])
    }

    @Test("Every link and path in the documents leads somewhere")
    func links() {
        let exists: (String) -> Bool = { path in
            FileManager.default.fileExists(atPath: Self.root.appending(path: path).path())
        }
        let isPage: (String) -> Bool = { $0.hasSuffix(".md") }
        #expect(
            Self.violations(ofFiles: isPage) {
                TidyRules.brokenLinks($0, $1, exists: exists)
            } == [])
        #expect(TidyRules.brokenLinks("Docs/A.md", "[b](B.md#c)") { $0 == "Docs/B.md" } == [])
        #expect(TidyRules.brokenLinks("Docs/A.md", "[b](B.md)") { _ in false }.count == 1)
        #expect(TidyRules.brokenLinks("A.md", "see `Docs/B.md`") { _ in false }.count == 1)
        #expect(TidyRules.brokenLinks("A.md", "[b](https://example.org)") { _ in false } == [])
    }

    @Test("The Makefile installs every package whose programs scripts and tests run")
    func packages() {
        let listed = TidyRules.listedPackages(makefile: Self.files["Makefile"]!)
        let runs: (String) -> Bool = { path in
            (path.hasSuffix(".sh") || path.hasPrefix("Tests/") || path == ".ci/run"
                || path == "Makefile") && !path.hasPrefix("Tests/RainbowFSTests/Tidy")
        }
        #expect(
            Self.violations(ofFiles: runs) { TidyRules.missingPackages($1, packages: listed) } == []
        )
        #expect(TidyRules.missingPackages("xxd file", packages: []).count == 1)
        #expect(TidyRules.missingPackages("\"/usr/bin/rsync\"", packages: ["xxd"]).count == 1)
        #expect(TidyRules.missingPackages("xxd file", packages: ["xxd"]) == [])
    }
}
