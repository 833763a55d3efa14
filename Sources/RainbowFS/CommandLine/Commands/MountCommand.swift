import ArgumentParser
import Glibc
import RainbowCore

/// `rainbowfs [mount] SPACE MOUNTPOINT`, which mount(8) also runs for lines of fstab.
struct MountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mount",
        abstract: "Mount a space. This is what rainbowfs does if no command is named.",
        usage: "rainbowfs [mount] <space> <mount-point> [-o <options>] [-d] [-f] [-s]",
        discussion: """
            It goes to the background when the mount answers; fusermount3 -u or umount ends it, \
            and so do SIGTERM, SIGINT and SIGHUP.

            Example: rainbowfs mount demo /mnt/rainbow -o size=1G

            Options after -o, separated by commas:

            """ + MountOptions.help)

    @Argument(
        help: "The space: a name in shared memory. It is made if there is none.",
        completion: .spaces)
    var space: String

    @Argument(help: "The directory to show it in.", completion: .directory)
    var mountPoint: String

    @Option(
        name: .customShort("o", allowingJoined: true), parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Options of the mount.", valueName: "options"))
    var options: [String] = []

    @Flag(name: .short, help: "Stay in the foreground.")
    var foreground = false

    @Flag(name: .short, help: "Stay in the foreground and write down each request.")
    var debug = false

    @Flag(name: .short, help: "Answer one request after the other, from a single thread.")
    var singleThreaded = false

    func run() throws {
        try refuseMistypedCommand()
        Glibc.exit(
            MountStart.run(
                space: space, mountPoint: mountPoint, options: options, foreground: foreground,
                debug: debug, singleThreaded: singleThreaded))
    }

    /// A new space that is called nearly like a command is probably meant as that command. Commands
    /// have no `-o`, which fstab always gives; and `mount` spelled out says what is meant.
    private func refuseMistypedCommand() throws(CommandFailure) {
        let name = MountCommand.configuration.commandName
        guard options.isEmpty, CommandLine.arguments.dropFirst().first != name else { return }
        let shown = RainbowFS.configuration.subcommands.filter { $0.configuration.shouldDisplay }
        let commands = shown.compactMap { $0.configuration.commandName }
        guard let command = LikelyCommand.meant(by: space, among: commands) else { return }
        let spaces = (try? Space.list()) ?? []
        guard !spaces.contains(where: { $0.name == space }) else { return }
        let likely =
            command == LikelyCommand.unmounting
            ? "\(command) \(mountPoint) was meant"
            : "the command \(command) was meant (rainbowfs \(command) --help)"
        throw CommandFailure(
            .arguments,
            "There is neither a command nor a space \(space); perhaps \(likely). A new space of"
                + " that name is mounted by: rainbowfs mount \(space) \(mountPoint)")
    }
}

/// Tells a new space whose name was meant from a command that was mistyped: nothing else says which
/// of the two the first word of a command line is.
enum LikelyCommand {
    /// What people type who know other programs, and the command that does it.
    private static let usualWords = [
        "rm": "destroy", "remove": "destroy", "delete": "destroy", "del": "destroy",
        "list": "ls", "dir": "ls", "stat": "status", "info": "status", "df": "status",
        "check": "fsck", "show": "get", "cat": "get", "read": "get", "print": "get",
        "write": "set", "put": "set", "update": "set", "create": "new", "make": "new",
        "add": "new", "run": "atomic", "exec": "atomic", "follow": "watch", "tail": "watch",
        "events": "watch", "monitor": "top", "benchmark": "bench", "ps": "ls", "usage": "status",
        "touch": "new", "mkdir": "new", "kill": "destroy", "umount": unmounting,
        "unmount": unmounting, "umont": unmounting, "detach": unmounting, "eject": unmounting,
        "stop": unmounting, "end": unmounting,
    ]

    /// What ends a mount, which no command of this program does.
    static let unmounting = "fusermount3 -u"

    /// The command that was probably meant, one of `commands`; nil if the word is like none.
    static func meant(by word: String, among commands: [String]) -> String? {
        let word = word.lowercased()
        if usualWords[word] == unmounting { return unmounting }
        let typed = Array(word.utf8)
        let close = commands.map { ($0, distance(typed, Array($0.utf8))) }
            .filter { $1 <= limit($0, typed) }
        if let nearest = close.min(by: { $0.1 < $1.1 }) { return nearest.0 }
        return usualWords[word].flatMap { commands.contains($0) ? $0 : nil }
    }

    /// Of two letters, one other makes another word; but not one of them twice.
    private static func limit(_ command: String, _ typed: [UInt8]) -> Int {
        switch command.utf8.count {
        case 0...2: Set(typed) == Set(command.utf8) ? 1 : 0
        case 3...5: 1
        default: 2
        }
    }

    /// How many letters were left out, added, replaced or exchanged with the next (R. Damerau, "A
    /// Technique for Computer Detection and Correction of Spelling Errors").
    static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...b.count)
        for (i, letter) in a.enumerated() {
            var row = [i + 1]
            for (j, other) in b.enumerated() {
                var cost = min(row[j], last[j + 1]) + 1
                cost = min(cost, last[j] + (letter == other ? 0 : 1))
                if i > 0, j > 0, letter == b[j - 1], a[i - 1] == other {
                    cost = min(cost, beforeLast[j - 1] + 1)
                }
                row.append(cost)
            }
            (beforeLast, last) = (last, row)
        }
        return last[b.count]
    }
}
