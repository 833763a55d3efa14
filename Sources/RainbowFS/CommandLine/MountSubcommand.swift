import ArgumentParser
import Glibc

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
        Glibc.exit(
            MountCommand.run(
                space: space, mountPoint: mountPoint, options: options, foreground: foreground,
                debug: debug, singleThreaded: singleThreaded))
    }
}
