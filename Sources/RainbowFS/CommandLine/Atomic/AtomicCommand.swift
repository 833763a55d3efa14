import ArgumentParser
import Glibc

struct AtomicCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "atomic",
        abstract: "Run a command as one transaction.",
        usage: """
            rainbowfs atomic [-C <dir>] [-m <mountpoint>] [--retries <n>] [--stream] [--verbose] \
            [--] <command> ...
            """,
        discussion: """
            The command runs in a new transaction: in the directory of the transaction that \
            corresponds to the working directory, with RAINBOW naming the top. If it ends with 0, \
            all that it did is committed as one; if not, nothing is. When somebody else's commit \
            comes between, it runs again, after eight times alone; what it prints appears once, \
            at the commit.

            The exit status is the command's own, or 125: rainbowfs failed; 126, 127: the command \
            cannot be run, is not there; 75: gave up after --retries; 128 + N: killed by signal N.

            Example: rainbowfs atomic -- bash -c \
            'echo $(( $(<names/alice/balance) - 7 )) > names/alice/balance'
            """)

    @Option(
        name: .customShort("C"),
        help: ArgumentHelp("Run it in this directory of the mount.", valueName: "dir"),
        completion: .directory)
    var directory: String?

    @OptionGroup var mount: MountChoice

    @Option(help: ArgumentHelp("Run it again so many times at most.", valueName: "n"))
    var retries: Int?

    @Flag(help: "Print at once what it prints, again when it runs again.")
    var stream = false

    @Flag(help: "Say on standard error what conflicted, and at which version it was committed.")
    var verbose = false

    @Argument(
        parsing: .captureForPassthrough, help: "The command and its arguments.",
        completion: .shellCommand("bash -c 'compgen -c' | sort -u"))
    var command: [String] = []

    func validate() throws {
        // The strategy of `command` leaves asking for help to it.
        if ["-h", "--help"].contains(command.first) { throw CleanExit.helpRequest(self) }
        if let first = command.first, first.hasPrefix("-"), first != "--" {
            throw ValidationError("There is no option \(first).")
        }
        guard arguments.command.first != nil else {
            throw ValidationError("Name the command to run, after two hyphens.")
        }
        guard (retries ?? 0) >= 0 else {
            throw ValidationError("--retries takes a number that is not negative.")
        }
    }

    func run() throws { Glibc.exit(try AtomicRunner(arguments).run()) }

    var arguments: AtomicArguments {
        var result = AtomicArguments()
        result.directory = directory
        result.mountPoint = mount.path
        result.retriesMax = retries
        result.isStreaming = stream
        result.isVerbose = verbose
        result.command = command.first == "--" ? Array(command.dropFirst()) : command
        return result
    }
}

/// What `rainbowfs atomic` is asked to do.
struct AtomicArguments: Equatable {
    var directory: String?
    var mountPoint: String?
    var retriesMax: Int?
    var isStreaming = false
    var isVerbose = false
    var command: [String] = []

    init() {}

    /// Reads the words after `atomic` as they are usually written; nil for all else: help,
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
