import ArgumentParser
import Glibc
import RainbowCore

/// The program `rainbowfs`: one command a file, mounting when none is named.
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
            MountSubcommand.self, NewCommand.self, GetCommand.self, SetCommand.self,
            AtomicCommand.self, WatchCommand.self, ListCommand.self, StatusCommand.self,
            TopCommand.self,
            DestroyCommand.self, CheckCommand.self, BenchCommand.self,
        ],
        defaultSubcommand: MountSubcommand.self)

    /// The words of the command line as they were given: Swift's own replaces bytes that are no
    /// characters.
    private static var arguments: [String] {
        let words = unsafe UnsafeBufferPointer(
            start: CommandLine.unsafeArgv, count: Int(CommandLine.argc))
        return unsafe words.compactMap { word in
            unsafe word.map { unsafe String(systemText: $0) }
        }
    }

    /// As argument-parser's own, but for the exit statuses: for arguments 1, as FUSE programs
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

    /// Says why a command ended early. Help and the like come as errors, too.
    ///
    /// - Returns: the exit status.
    private static func report(_ error: any Error, isAtomic: Bool) -> Int32 {
        try? StandardOutput.flush()
        if let failure = error as? CommandFailure {
            StandardError.print(failure)
            return failure.status.rawValue
        }
        let (code, text) = (exitCode(for: error), fullMessage(for: error))
        if code == .success {
            StandardOutput.print(text)
        } else if !text.isEmpty {
            StandardError.print(text)
        }
        guard code == .validationFailure else { return code.rawValue }
        return (isAtomic ? CommandFailure.Status.atomic : .arguments).rawValue
    }

    /// - Returns: the exit status, another one if all went well but the output.
    private static func finishOutput(_ status: Int32, isAtomic: Bool) -> Int32 {
        do {
            try StandardOutput.finish()
            return status
        } catch {
            // It is said already.
            guard status == 0 else { return status }
            StandardError.print(error)
            return (isAtomic ? .atomic : error.status).rawValue
        }
    }
}

/// Descriptors 0, 1 and 2. Whoever starts the program can have closed them; then the next file that
/// is opened, the control file of a transaction say, would be taken for standard output.
enum StandardDescriptors {
    /// Opens those that are closed, such that using them fails as before.
    static func occupy() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            _ = unsafe open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }

    /// Has a write past the limit of file sizes fail with EFBIG, as one to a full disk fails,
    /// rather than end the program. A program that is run has the signal as it was.
    static func failPastLimit() {
        var (action, before) = (sigaction(), sigaction())
        unsafe action.__sigaction_handler.sa_handler = { _ in }
        unsafe sigaction(SIGXFSZ, &action, &before)
        let isIgnored = unsafe before.__sigaction_handler.sa_handler.map {
            unsafe unsafeBitCast($0, to: Int.self) == 1
        }
        if isIgnored == true { unsafe sigaction(SIGXFSZ, &before, nil) }
    }
}

/// Text on standard error, a line at a time.
enum StandardError {
    /// A failure as one line, which needs no full stop at its end.
    static func print(_ failure: CommandFailure) {
        var line = failure.description
        if line.hasSuffix("."), !line.hasSuffix("..") { line.removeLast() }
        print("rainbowfs: " + line.replacing("\n", with: " "))
    }

    static func print(_ line: String) {
        try? FileText.write((line + "\n").systemBytes, to: STDERR_FILENO)
    }
}
