import ArgumentParser
import Glibc
import RainbowCore

/// `rainbowfs [mount] SPACE MOUNTPOINT`, which mount(8) also runs for lines of fstab.
struct MountSubcommand: ParsableCommand {
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
            MountCommand.run(
                space: space, mountPoint: mountPoint, options: options, foreground: foreground,
                debug: debug, singleThreaded: singleThreaded))
    }

    /// A new space that is called nearly like a command is probably meant as that command. Commands
    /// have no `-o`, which fstab always gives; and `mount` spelled out says what is meant.
    private func refuseMistypedCommand() throws(CommandFailure) {
        let name = MountSubcommand.configuration.commandName
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

/// What every command that works on a mount takes.
struct MountOption: ParsableArguments {
    @Option(
        name: [.customShort("m"), .customLong("mount")],
        help: ArgumentHelp(
            "The mount to work on, or a transaction or snapshot of it; without it, the one "
                + "around the working directory.",
            valueName: "mountpoint"),
        completion: .directory)
    var path: String?

    func find(path other: String? = nil) throws -> MountedSpace {
        try MountedSpace.find(option: path, path: other)
    }
}

struct JSONOption: ParsableArguments {
    @Flag(name: .customLong("json"), help: "Print JSON.")
    var isOn = false
}
