import Foundation

/// The house rules as functions over text, so that each can be shown to fail.
enum TidyRules {
    static let lineCountMax = 500
    static let lineWidthMax = 100
    static let functionLinesMax = 70

    /// Folders from the lowest layer to the highest; a folder never names a type of a later layer.
    /// Those of one layer know each other.
    static let layers = [
        ["Sources/Core/Address"], ["Sources/Core/Memory"],
        ["Space", "Commit", "Transaction", "Snapshots", "History", "Cluster"].map {
            "Sources/Core/\($0)"
        },
        ["Sources/Core/Objects"], ["Sources/RainbowFS/Tree"], ["Sources/RainbowFS/Mount"],
        ["Sources/RainbowFS/CommandLine"],
    ]

    /// Modules that only some folders may import; Foundation's text and dates stay out of Core.
    static let importers = [
        "CFuse": ["Sources/RainbowFS/Mount"],
        "ArgumentParser": ["Sources/RainbowFS/CommandLine", "Tests/RainbowFSTests"],
        "Foundation": ["Sources/RainbowFS", "Tests", "Examples"],
        "FoundationEssentials": ["Sources/RainbowFS", "Tests", "Examples"],
    ]

    /// Words that must not be left in the tree, spelled so that this file does not hold them.
    static let leftovers = [
        "TO" + "DO", "FIX" + "ME", "XX" + "X", "not " + "implemented",
        ".dis" + "abled(", "XCT" + "Skip", "withKnown" + "Issue", ".enab" + "led(if",
    ]

    /// Folders that exist on one machine only.
    static let machinePaths = ["/ro" + "ot/", "/ho" + "me/", "/wo" + "rk/"]

    /// Programs that scripts and tests start, and the Debian package that has each.
    static let packageOfProgram = [
        "fusermount3": "fuse3", "spin": "spin", "gcc": "gcc", "getfattr": "attr",
        "setfattr": "attr", "rsync": "rsync", "xxd": "xxd", "shellcheck": "shellcheck",
        "mandoc": "mandoc", "javac": "openjdk-17-jdk-headless", "taskset": "util-linux",
        "zsh": "zsh", "fish": "fish", "column": "bsdextrautils", "flock": "util-linux",
        "jq": "jq", "python3": "python3", "sqlite3": "sqlite3", "tmux": "tmux",
    ]

    static func sizes(_ text: String) -> [String] {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        var found: [String] = []
        if lines.count - 1 > lineCountMax {
            found.append("has \(lines.count - 1) lines, \(lineCountMax) at most")
        }
        for (index, line) in lines.enumerated() {
            if line.count > lineWidthMax {
                found.append("line \(index + 1) is \(line.count) columns wide")
            }
            if line.contains("\t") { found.append("line \(index + 1) has a tab") }
            if line.last == " " { found.append("line \(index + 1) ends in a space") }
        }
        return found
    }

    /// Functions longer than the limit. The formatter puts the closing brace of a body under the
    /// start of its declaration, so the indentation tells where it ends.
    static func functions(_ text: String) -> [String] {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let declaration = /^ *(?:[a-z@][\w@()]* )*(?:func [^ ]|init[(<?]|deinit\b)/
        return lines.indices.compactMap { start in
            guard lines[start].contains(declaration) else { return nil }
            let indentation = lines[start].prefix { $0 == " " }
            let end = lines[start...].firstIndex { $0 == indentation + "}" }
            guard let end, opensBody(lines[start...end]) else { return nil }
            let count = end - start + 1
            guard count > functionLinesMax else { return nil }
            return "line \(start + 1): a function of \(count) lines, \(functionLinesMax) at most"
        }
    }

    /// Whether the declaration that begins these lines has a body of several lines: a brace that
    /// ends the first line, or a continuation that is deeper or begins with a parenthesis.
    private static func opensBody(_ lines: ArraySlice<Substring>) -> Bool {
        let depth = lines.first!.prefix { $0 == " " }.count
        for (index, line) in lines.enumerated() {
            let bare = line.drop { $0 == " " }
            let isContinuation =
                index == 0 || line.count - bare.count > depth || bare.first == ")" || bare == "{"
            guard isContinuation else { return false }
            if bare.last == "{" { return true }
            if bare.last == "}" { return false }
        }
        return false
    }

    static func leftovers(in text: String) -> [String] {
        // What only root can do is skipped for others, and .ci/run fails where a test is skipped.
        let text = text.replacing(".enabled(if: geteuid() == 0,", with: "")
        return (leftovers + machinePaths).filter { word in
            text.ranges(of: word).contains { range in
                !(word.first!.isLetter && text[..<range.lowerBound].last?.isLetter == true)
                    && !(word.last!.isLetter && text[range.upperBound...].first?.isLetter == true)
            }
        }.map { "holds \"\($0)\"" }
    }

    static func imports(_ path: String, _ text: String) -> [String] {
        importers.compactMap { module, folders in
            guard text.contains(try! Regex("(?m)^(@testable )?import \(module)$")),
                !folders.contains(where: path.hasPrefix)
            else { return nil }
            return "imports \(module)"
        }
    }
}
