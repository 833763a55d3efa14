import Foundation

extension TidyRules {
    /// Types declared in `text`, nested ones too.
    static func declaredTypes(_ text: String) -> Set<String> {
        let declaration =
            /(?m)^ *(?:[a-z@][\w@()]* )*(?:struct|class|enum|protocol|actor|typealias) (\w+)/
        return Set(withoutCommentsAndStrings(text).matches(of: declaration).map { String($0.1) })
    }

    /// For each file, the types it names that only a later layer declares.
    static func layerViolations(_ files: [String: String], layers: [[String]]) -> [String] {
        func layer(_ path: String) -> Int? {
            layers.firstIndex { $0.contains { path.hasPrefix($0 + "/") } }
        }
        var layerOfType: [String: Int] = [:]
        for (path, text) in files {
            guard let layer = layer(path) else { continue }
            for type in declaredTypes(text) {
                layerOfType[type] = min(layer, layerOfType[type] ?? .max)
            }
        }
        return files.flatMap { path, text -> [String] in
            guard let own = layer(path) else { return [] }
            let words = withoutCommentsAndStrings(text).matches(of: /\b[A-Z]\w*/)
            return Set(words.map { String($0.output) }).compactMap { word in
                guard let declared = layerOfType[word], declared > own else { return nil }
                return "\(path) names \(word) of \(layers[declared].joined(separator: ", "))"
            }
        }.sorted()
    }

    /// `text` without what the compiler does not read as names. Interpolations count as strings.
    static func withoutCommentsAndStrings(_ text: String) -> String {
        text.replacing(/"""[\s\S]*?"""/, with: "\"\"")
            .replacing(/"(?:[^"\\\n]|\\.)*"/, with: "\"\"")
            .replacing(/\/\*[\s\S]*?\*\//, with: "")
            .replacing(/\/\/[^\n]*/, with: "")
    }

    /// Calls of Core into the kernel that tests cannot let fail, since they pass `SystemCalls` by.
    static func kernelCalls(_ path: String, _ text: String) -> [String] {
        let own = ["SystemCalls", "Locks"].map { "Sources/Core/Memory/\($0).swift" }
        guard path.hasPrefix("Sources/Core/"), !own.contains(path) else { return [] }
        let names =
            "Glibc\\.\\w+|rainbow_(?!pause|compiler_fence|open|set|signal)\\w+|open|openat|close|"
            + "pread|pwrite|stat|fstat|fstatat|statvfs|fstatvfs|access|faccessat|mkdir|mkdirat|"
            + "unlink|unlinkat|rmdir|rename|"
            + "ftruncate|fallocate|mmap|munmap|madvise|fcntl|flock|fchown|fchmod|opendir|"
            + "readdir|kill|getpid|gethostname|nanosleep|usleep"
        let call = try! Regex("(?m)(?:^|[^.\\w])((?:\(names))\\()")
        let code = withoutCommentsAndStrings(text).replacing(/func \w+/, with: "")
        return code.matches(of: call).compactMap { match in
            match.output[1].substring.map { "calls \($0)...) past SystemCalls" }
        }
    }

    /// Relative links, and paths in back quotes, that lead nowhere from the file at `path`.
    static func brokenLinks(_ path: String, _ text: String, exists: (String) -> Bool) -> [String] {
        let folder = path.split(separator: "/").dropLast().joined(separator: "/")
        let links = text.matches(of: /\]\(([^)#\s]+)[^)]*\)/).map { String($0.1) }
            .filter { !$0.contains("://") && !$0.hasPrefix("mailto:") }
            .map { folder.isEmpty ? $0 : "\(folder)/\($0)" }
        let quoted = text.matches(
            of: /`((?:Sources|Tests|Docs|Examples|Benchmarks|man|\.ci)\/[\w.\/-]+)`/
        ).map { String($0.1) }
        return (links + quoted).filter { !exists($0) }.map { "links to \($0), which is not there" }
    }

    /// Packages that `text` starts programs of and `packages` does not list.
    static func missingPackages(_ text: String, packages: Set<String>) -> [String] {
        packageOfProgram.compactMap { program, package in
            guard text.contains(try! Regex("(?m)(?:^|[\\s\"'/(])\(program)(?:$|[\\s\"')])")),
                !packages.contains(package)
            else { return nil }
            return "runs \(program), but the Makefile does not install \(package)"
        }
    }

    /// The Debian packages that the Makefile lists.
    static func listedPackages(makefile: String) -> Set<String> {
        Set(
            makefile.split(separator: "\n").filter { $0.hasPrefix("PACKAGES_") }
                .flatMap { $0.drop { $0 != "=" }.dropFirst().split(separator: " ") }
                .map(String.init))
    }
}
