import ArgumentParser
import Glibc
import RainbowCore

/// The program `rainbowfs`: its commands, and mounting when none is named.
@main
struct RainbowFS: ParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "rainbowfs",
        abstract: "Transactional shared memory, shown as a file system.",
        discussion: """
            rainbowfs SPACE MOUNTPOINT mounts a space: its regions are directories, its objects \
            are files, its references are symbolic links, and every read or write is a transaction.

            Example: rainbowfs demo /mnt/rainbow && ls /mnt/rainbow
            """,
        version: "rainbowfs \(version)",
        subcommands: [
            MountCommand.self, NewCommand.self, GetCommand.self, SetCommand.self,
            AtomicCommand.self, WatchCommand.self, ListCommand.self, StatusCommand.self,
            TopCommand.self,
            DestroyCommand.self, CheckCommand.self, BenchCommand.self,
        ],
        defaultSubcommand: MountCommand.self)

    /// The words of the command line as they were given: Swift's own replaces bytes that are no
    /// characters.
    private static var arguments: [String] {
        let words = unsafe UnsafeBufferPointer(
            start: CommandLine.unsafeArgv, count: Int(CommandLine.argc))
        return unsafe words.compactMap { word in
            unsafe word.map { unsafe String(systemText: $0) }
        }
    }

    /// As argument-parser's own, except for the exit statuses: for arguments 1, as FUSE programs
    /// do, and 125 where 1 may be the status of a command that is run.
    static func main() {
        let words = arguments.dropFirst()
        let isAtomic = words.first == AtomicCommand.configuration.commandName
        StandardDescriptors.occupy()
        StandardDescriptors.failPastLimit()
        let status: Int32
        do {
            if isAtomic, let arguments = AtomicArguments(plain: words.dropFirst()) {
                status = try AtomicRunner(arguments).run()
            } else {
                var command = try parseAsRoot(Array(words))
                try command.run()
                status = 0
            }
        } catch {
            status = report(error, isAtomic: isAtomic)
        }
        Glibc.exit(finishOutput(status, isAtomic: isAtomic))
    }
}

/// Which mount: what every command that works on one takes.
struct MountChoice: ParsableArguments {
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

/// What every command that can print JSON takes.
struct JSONOption: ParsableArguments {
    @Flag(name: .customLong("json"), help: "Print JSON.")
    var isOn = false
}

extension CompletionKind {
    /// Names of the spaces of this machine.
    static var spaces: CompletionKind {
        .custom { _, _, _ in ((try? Space.list()) ?? []).map(\.name) }
    }
}
