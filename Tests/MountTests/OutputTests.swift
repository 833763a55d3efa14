import Foundation
import TestSupport
import Testing

@Suite("Output that cannot be written is an error in every command")
struct OutputTests {
    /// Arguments with which a command prints something; nil: it has nothing to print but its help.
    static let arguments: [String: [String]?] = [
        "mount": nil, "set": nil, "destroy": nil,
        "new": ["$MOUNT/regions/transactional/b", "C"],
        "get": ["$MOUNT/names/x"], "atomic": ["-C", "$MOUNT", "--", "echo", "hello"],
        "watch": ["$MOUNT/names/x", "--initial", "--count", "1", "--timeout", "60"], "ls": [],
        "status": ["-m", "$MOUNT"], "top": ["-m", "$MOUNT", "--once", "--interval", "0.1"],
        "fsck": ["$SPACE"], "bench": ["alloc", "--objects", "1000"],
    ]

    @Test("A full disk and a closed descriptor fail every command that prints")
    func output() throws {
        let mount = try TestMount("output")
        try mount.mount()
        let made = try mount.bash(
            """
            cd "$MOUNT" && mkdir regions/transactional/b && echo 'int64 v' > classes/C &&
            ln -s ../$(rainbowfs new regions/transactional/b C) names/x && rainbowfs --help
            """)
        #expect(made.status == 0, "\(made)")
        let help = made.output.split(separator: "\n")
        let first = try #require(help.firstIndex(of: "SUBCOMMANDS:"))
        let commands = help[(first + 1)...].compactMap { line -> String? in
            guard line.hasPrefix("  "), line.dropFirst(2).first?.isLowercase == true else {
                return nil
            }
            return line.split(separator: " ").first.map(String.init)
        }
        #expect(commands.count >= Self.arguments.count)
        var lines = [
            "help", "--help", "--version", "--generate-completion-script bash", "bench bank --help",
        ]
        for command in commands where command != "help" {
            let arguments = try #require(Self.arguments[command], "\(command) has no line here")
            lines.append("\(command) --help")
            if let arguments { lines.append(([command] + arguments).joined(separator: " ")) }
            if let arguments, ["new", "get", "ls", "status", "top", "fsck"].contains(command) {
                lines.append(([command] + arguments + ["--json"]).joined(separator: " "))
            }
        }
        for line in lines {
            for end in ["> /dev/full", ">&-"] {
                let result = try mount.bash("rainbowfs \(line) \(end)")
                let wanted: Int32 = line.hasPrefix("atomic") ? 125 : 3
                #expect(result.status == wanted, "\(line) \(end): \(result)")
                let reason = end == ">&-" ? "Bad file descriptor" : "No space left on device"
                #expect(result.errors.contains(reason), "\(line) \(end): \(result)")
                #expect(
                    result.errors.split(separator: "\n").count == 1, "\(line) \(end): \(result)")
            }
        }
    }

    @Test("A command that has nothing to print needs no standard output")
    func nothing() throws {
        let mount = try TestMount("output")
        let result = try mount.bash(
            """
            rainbowfs $SPACE "$MOUNT" >&- && cd "$MOUNT" && mkdir regions/transactional/b &&
            echo 'int64 v' > classes/C &&
            ln -s ../$(rainbowfs new regions/transactional/b C) names/x &&
            rainbowfs set names/x v=5 >&- && rainbowfs get names/x v && cd / &&
            rainbowfs atomic -C "$MOUNT" true >&- && fusermount3 -u "$MOUNT" &&
            rainbowfs destroy $SPACE > /dev/full
            """)
        #expect(result.status == 0 && result.output == "5\n" && result.errors == "", "\(result)")
    }
}
