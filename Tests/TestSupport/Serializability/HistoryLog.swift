import Glibc

/// The notes of one client of a recorded history: words, appended to a file as things happen, so
/// that they tell of a client that was killed what it had done.
///
///     begin TIME   read REGISTER VALUE   write REGISTER VALUE   try
///     end TIME committed|aborted|unknown   again TIME   from TIME
///
/// A write is noted before it is done, and `try` before a transaction can take effect: without it
/// the transaction of a killed client has failed. `again` is the end of a run that failed, if there
/// was one, and the beginning of the next; that began at the `from` before it, if there is one.
/// Times are microseconds of the clock that bash has too.
public final class HistoryLog {
    private let descriptor: Int32

    public init(appendingTo path: String) throws {
        descriptor = unsafe open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemFailure("open \(path)") }
    }

    deinit { close(descriptor) }

    public func note(_ words: String) {
        let bytes = Array("\(words)\n".utf8)
        let count = unsafe write(descriptor, bytes, bytes.count)
        precondition(count == bytes.count, "a note could not be written")
    }

    /// Microseconds since 1970.
    public static func now() -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1000
    }
}

extension HistoryLog {
    public static func words(
        _ operations: [RecordedTransaction.Operation]
    ) -> String {
        operations.map { operation in
            switch operation {
            case .read(let register, let value): "read \(register) \(value)"
            case .write(let register, let value): "write \(register) \(value)"
            }
        }.joined(separator: " ")
    }

    /// What a client noted.
    /// - Parameter gone: a time at which it did nothing any more.
    /// - Throws: a sentence about a word that is none of a log.
    public static func parse(
        _ text: String, client: String, gone: UInt64
    ) throws -> [RecordedTransaction] {
        var parser = Parser(words: text.split(whereSeparator: \.isWhitespace)[...], client: client)
        try parser.parse()
        parser.close(gone, parser.hasTried ? .unknown : .aborted)
        return parser.found
    }

    private struct Parser {
        var words: ArraySlice<Substring>
        let client: String
        var found: [RecordedTransaction] = []
        var current: RecordedTransaction?
        var hasTried = false
        var from: UInt64?

        mutating func parse() throws {
            while let word = words.popFirst() {
                switch word {
                case "begin", "again":
                    let time = UInt64(try number())
                    if word == "again" { close(time, .aborted) }
                    guard current == nil else { throw BadLog("\(client): two begin at once") }
                    current = RecordedTransaction(
                        "\(client).\(found.count)", from ?? time, time, [])
                    (hasTried, from) = (false, nil)
                case "from": from = UInt64(try number())
                case "read", "write":
                    let (register, value) = (Int(try number()), try number())
                    current?.operations.append(
                        word == "read" ? .read(register, value) : .write(register, value))
                case "try": hasTried = true
                case "end":
                    let time = UInt64(try number())
                    close(time, try outcome(words.popFirst()))
                default: throw BadLog("\(client): \(word) is no word of a log")
                }
            }
        }

        mutating func close(_ time: UInt64, _ outcome: RecordedTransaction.Outcome) {
            guard var transaction = current else { return }
            transaction.ended = time
            transaction.outcome = outcome
            found.append(transaction)
            current = nil
        }

        private mutating func number() throws -> Int64 {
            let word = words.popFirst()
            guard let word, let number = Int64(word) else {
                throw BadLog("\(client): \(word ?? "the end") is no number")
            }
            return number
        }

        private func outcome(_ word: Substring?) throws -> RecordedTransaction.Outcome {
            switch word {
            case "committed": .committed
            case "aborted": .aborted
            case "unknown": .unknown
            default: throw BadLog("\(client): \(word ?? "the end") is no outcome")
            }
        }
    }

    struct BadLog: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }
}
