/// What `rainbowfs atomic` is asked to do.
struct AtomicArguments: Equatable {
    var directory: String?
    var mountPoint: String?
    var retriesMax: Int?
    var isStreaming = false
    var isVerbose = false
    var command: [String] = []

    init() {}

    /// Reads the words behind `atomic` as they are usually written; nil for all else: help,
    /// mistakes and rare spellings. Those are for the argument parser, which takes longer to look
    /// at all commands of this program than an attempt takes.
    init?(plain words: some Sequence<String>) {
        var rest = Array(words)[...]
        while let word = rest.first, word.hasPrefix("-"), word != "--" {
            rest.removeFirst()
            switch word {
            case "--stream": isStreaming = true
            case "--verbose": isVerbose = true
            case "-C", "-m", "--retries":
                guard let value = rest.popFirst(), !value.hasPrefix("-") else { return nil }
                switch word {
                case "-C": directory = value
                case "-m": mountPoint = value
                default:
                    guard let count = Int(value) else { return nil }
                    retriesMax = count
                }
            default: return nil
            }
        }
        if rest.first == "--" { rest.removeFirst() }
        guard !rest.isEmpty else { return nil }
        command = Array(rest)
    }
}
