import Glibc
import RainbowCore

/// One command of a text: its words, in order.
struct Command: Equatable, Sendable {
    var words: [String]

    var name: String { words[0] }
    var arguments: ArraySlice<String> { words.dropFirst() }
}

/// What is written to `allocator` and `control`, split into commands.
///
/// One command a line; words are parted by blanks. Blanks, line ends and `#` belong to a word
/// inside of double quotes, where `\"`, `\\`, `\n` and `\t` stand for themselves, inside of single
/// quotes, where nothing does, and after a backslash. `#` begins a comment.
struct CommandText {
    /// The commands of the lines that have an end, and where each line ends in the text.
    private(set) var commands: [(command: Command, end: Int)] = []
    /// Where the line without an end begins: the end of the text if there is none.
    private(set) var rest = 0

    /// Adds the command of the line without an end.
    mutating func append(_ command: Command, end: Int) {
        commands.append((command, end))
        rest = end
    }

    /// Of one command.
    static let bytesMax = 64 << 10

    init(_ text: [UInt8]) throws(TreeError) {
        var parser = CommandLineParser(text: text)
        while rest < text.count {
            let line = try parser.line()
            guard parser.hasEnd else { break }
            if let line { commands.append((line, parser.position)) }
            rest = parser.position
        }
        try CommandText.checkLength(text.count - rest)
    }

    /// The command of a line that has no end; nil if it has only blanks and a comment.
    static func command(_ line: ArraySlice<UInt8>) throws(TreeError) -> Command? {
        var parser = CommandLineParser(text: Array(line) + [UInt8(ascii: "\n")])
        let command = try parser.line()
        guard parser.hasEnd else {
            throw TreeError(EINVAL, "The text ends inside of quotes or after a backslash.")
        }
        return command
    }

    static let noCommand = TreeError(EINVAL, "There is no command in the text.")

    fileprivate static func checkLength(_ count: Int) throws(TreeError) {
        guard count <= bytesMax else {
            throw TreeError(EINVAL, "A command has at most \(bytesMax) bytes.")
        }
    }

    /// A number of bytes: decimal, with K, M, G or T after it for powers of 1024.
    static func bytes(_ text: String) throws(TreeError) -> UInt64 {
        guard let count = ByteCount.parse(text) else {
            throw TreeError(
                EINVAL, "\(TreeError.quoted(text)) is no size. Write bytes, or like 64M or 1G.")
        }
        return count
    }
}

/// Reads one line of commands after the other.
private struct CommandLineParser {
    let text: [UInt8]
    private(set) var position = 0
    /// Whether the last line had an end, outside of quotes.
    private(set) var hasEnd = false

    private static let lineEnd = UInt8(ascii: "\n")

    /// The command up to the end of the line, which is passed; nil if there is none, or no end.
    mutating func line() throws(TreeError) -> Command? {
        let start = position
        var words: [String] = []
        hasEnd = false
        while position < text.count, !hasEnd {
            let byte = text[position]
            switch byte {
            case CommandLineParser.lineEnd:
                position += 1
                hasEnd = true
            case _ where CommandLineParser.isBlank(byte):
                position += 1
            case UInt8(ascii: "#"):
                position = text[position...].firstIndex(of: CommandLineParser.lineEnd) ?? text.count
            default:
                guard let bytes = word() else {
                    position = text.count
                    break
                }
                // What follows of a word at the end of the text is not there yet.
                guard position < text.count else { break }
                words.append(String(systemBytes: bytes))
            }
        }
        guard hasEnd else { return nil }
        try CommandText.checkLength(position - start)
        return words.isEmpty ? nil : Command(words: words)
    }

    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
    }

    /// Nil if the text ends inside of quotes or after a backslash.
    private mutating func word() -> [UInt8]? {
        var word: [UInt8] = []
        while position < text.count {
            let byte = text[position]
            if byte == CommandLineParser.lineEnd || CommandLineParser.isBlank(byte) { return word }
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard quoted(into: &word) else { return nil }
            case UInt8(ascii: "'"):
                guard let end = text[position...].firstIndex(of: byte) else { return nil }
                word += text[position..<end]
                position = end + 1
            case UInt8(ascii: "\\"):
                guard position < text.count else { return nil }
                word.append(text[position])
                position += 1
            default:
                word.append(byte)
            }
        }
        return word
    }

    private mutating func quoted(into word: inout [UInt8]) -> Bool {
        while position < text.count {
            let byte = text[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return true
            case UInt8(ascii: "\\"):
                guard position < text.count else { return false }
                word.append(CommandLineParser.escaped(text[position]))
                position += 1
            default: word.append(byte)
            }
        }
        return false
    }

    private static func escaped(_ byte: UInt8) -> UInt8 {
        switch byte {
        case UInt8(ascii: "n"): lineEnd
        case UInt8(ascii: "t"): UInt8(ascii: "\t")
        default: byte
        }
    }
}
