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

/// Descriptors 0, 1 and 2. Anyone who starts the program can have closed them; then the next file
/// that is opened, the control file of a transaction say, would be taken for standard output.
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
