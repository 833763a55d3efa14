import RainbowCore

/// The lines of `events`: JSON, one a commit.
enum EventText {
    /// An object of a line.
    struct Object: Hashable {
        var address: Address
        var className: String
    }

    /// Objects of one line, at most.
    static let objectsMax = 1000

    /// - Parameter milliseconds: since 1970.
    static func commit(
        _ news: CommitNews, milliseconds: UInt64, lines: Int?, _ objects: some Sequence<Object>,
        isTruncated: Bool
    ) -> [UInt8] {
        let lines = lines.map(String.init)
        var text = Array("{\"version\": \(news.version), \"node\": \(news.node), ".utf8)
        text += "\"time\": \"\(TimeText.describe(milliseconds: milliseconds))\", ".utf8
        text += "\"lines\": \(lines ?? "null"), \"objects\": [".utf8
        var isFirst = true
        for object in objects {
            text += (isFirst ? "{\"address\": \"" : ", {\"address\": \"").utf8
            text += object.address.description.utf8
            text += "\", \"class\": \"".utf8
            // The names of classes have no character that JSON would escape.
            text += object.className.utf8
            text += "\"}".utf8
            isFirst = false
        }
        text += (isTruncated ? "], \"truncated\": true}\n" : "]}\n").utf8
        return text
    }

    /// Commits up to this version are missing.
    static func lost(upTo version: UInt64) -> [UInt8] {
        Array("{\"lost\": true, \"version\": \(version)}\n".utf8)
    }
}
