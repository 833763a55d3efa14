import Glibc

/// One command of a text: its words, in order.
struct Command: Equatable, Sendable {
    var words: [String]

    var name: String { words[0] }
    var arguments: ArraySlice<String> { words.dropFirst() }
}

/// Splits what is written to `allocator` and `control` into commands.
///
/// One command a line; words are parted by blanks. Blanks, line ends and `#` belong to a word
/// inside of double quotes, where `\"`, `\\`, `\n` and `\t` stand for themselves, inside of single
/// quotes, where nothing does, and behind a backslash. `#` begins a comment.
struct CommandText {
    private var rest: Substring.UnicodeScalarView
    static let bytesMax = 64 << 10

    static func parse(_ text: String) throws(TreeError) -> [Command] {
        guard text.utf8.count <= bytesMax else {
            throw TreeError(EINVAL, "A command has at most \(bytesMax) bytes.")
        }
        var parser = CommandText(rest: text.unicodeScalars[...])
        var commands: [Command] = []
        while !parser.rest.isEmpty {
            let words = try parser.line()
            if !words.isEmpty { commands.append(Command(words: words)) }
        }
        guard !commands.isEmpty else { throw TreeError(EINVAL, "There is no command in the text.") }
        return commands
    }

    /// The words up to the end of the line, which is passed.
    private mutating func line() throws(TreeError) -> [String] {
        var words: [String] = []
        while let next = rest.first {
            switch next {
            case "\n":
                rest.removeFirst()
                return words
            case " ", "\t", "\r":
                rest.removeFirst()
            case "#":
                rest = rest.drop { $0 != "\n" }
            default:
                words.append(try word())
            }
        }
        return words
    }

    private mutating func word() throws(TreeError) -> String {
        var word = ""
        while let next = rest.first {
            switch next {
            case " ", "\t", "\r", "\n":
                return word
            case "\"":
                rest.removeFirst()
                try quoted(into: &word)
            case "'":
                rest.removeFirst()
                try literal(into: &word)
            case "\\":
                rest.removeFirst()
                guard let escaped = rest.popFirst() else { throw CommandText.unfinished }
                word.unicodeScalars.append(escaped)
            default:
                rest.removeFirst()
                word.unicodeScalars.append(next)
            }
        }
        return word
    }

    private mutating func quoted(into word: inout String) throws(TreeError) {
        while let next = rest.popFirst() {
            switch next {
            case "\"":
                return
            case "\\":
                guard let escaped = rest.popFirst() else { throw CommandText.unfinished }
                switch escaped {
                case "n": word.append("\n")
                case "t": word.append("\t")
                default: word.unicodeScalars.append(escaped)
                }
            default:
                word.unicodeScalars.append(next)
            }
        }
        throw CommandText.unfinished
    }

    private mutating func literal(into word: inout String) throws(TreeError) {
        while let next = rest.popFirst() {
            guard next != "'" else { return }
            word.unicodeScalars.append(next)
        }
        throw CommandText.unfinished
    }

    private static let unfinished = TreeError(
        EINVAL, "The text ends inside of quotes or behind a backslash.")

    /// A number of bytes: decimal, with K, M, G or T behind it for powers of 1024.
    static func bytes(_ text: String) throws(TreeError) -> UInt64 {
        let units: [Character: UInt64] = ["K": 10, "M": 20, "G": 30, "T": 40]
        var digits = Substring(text)
        var shift: UInt64 = 0
        if let last = digits.last, let unit = units[Character(last.uppercased())] {
            shift = unit
            digits.removeLast()
        }
        guard digits.utf8.allSatisfy({ (48...57).contains($0) }), let number = UInt64(digits),
            (number << shift) >> shift == number
        else {
            throw TreeError(
                EINVAL, "\(TreeError.quoted(text)) is no size. Write bytes, or like 64M or 1G.")
        }
        return number << shift
    }
}
