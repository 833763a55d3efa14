import Foundation
import Glibc
import TestSupport
import Testing

/// `rainbowfs top` on a mount that works, in a pipe and in a terminal.
@Suite("rainbowfs top")
struct TopCommandTests {
    /// A mount with an account that a transaction lost on, one that runs, and a snapshot.
    private func busyMount() throws -> TestMount {
        let mount = try TestMount("top")
        try mount.mount(["-o", "node=left"])
        let result = try mount.bash(
            """
            cd "$MOUNT" && printf 'int64 balance\\n' > classes/Account
            mkdir regions/transactional/bank
            ln -s "../$(rainbowfs new regions/transactional/bank Account)" names/alice
            mkdir transactions/lost transactions/running snapshots/kept
            for t in lost running; do
                cat transactions/$t/names/alice/balance > "$SCRATCH/read"
                echo 5 > transactions/$t/names/alice/balance
            done
            echo 7 > names/alice/balance
            echo commit > transactions/lost/control || echo lost
            """)
        try #require(result.output == "lost\n", "\(result.errors)")
        return mount
    }

    /// Sets a field again and again while `body` runs.
    private func withLoad<R>(_ mount: TestMount, _ body: () throws -> R) throws -> R {
        let script = "while echo 1 > \(mount.one)/names/alice/balance; do :; done 2> /dev/null"
        let writer = try Child("/bin/bash", ["-c", script])
        defer { writer.kill() }
        let file = "\(mount.one)/names/alice/balance"
        #expect(eventually { (try? String(contentsOfFile: file, encoding: .utf8)) == "1\n" })
        return try body()
    }

    @Test("--once prints what works, as text and as JSON, and so does a pipe")
    func once() throws {
        let mount = try busyMount()
        let (text, json) = try withLoad(mount) {
            (
                try mount.rainbowfs(["top", "-m", mount.one, "--once", "--interval", "1"]),
                try mount.rainbowfs(["top", "-m", mount.one, "--json", "--interval", "1"])
            )
        }
        #expect(text.status == 0 && text.errors == "")
        for part in [
            "\(mount.space) on \(mount.one)", "COMMITS/S", "left", "names/alice", "Account",
            "running", "kept", "0x0000009000000000",
        ] {
            #expect(text.output.contains(part), "\(part) in \(text.output)")
        }
        #expect(!text.output.contains("\u{1b}"))
        let object = try JSONSerialization.jsonObject(with: Data(json.output.utf8))
        let facts = try #require(object as? [String: Any])
        func rows(_ key: String) throws -> [[String: Any]] {
            try #require(facts[key] as? [[String: Any]])
        }
        let node = try #require(try rows("nodes").first)
        #expect(try #require(node["commits_per_second"] as? Double) > 0)
        #expect(node["name"] as? String == "left" && node["conflicts"] as? Int ?? 0 > 0)
        let hot = try #require(try rows("objects").first)
        #expect(hot["class"] as? String == "Account" && hot["name"] as? String == "alice")
        #expect(hot["conflicts_last_minute"] as? Int ?? 0 > 0)
        #expect(try rows("transactions").map { $0["transaction"] as? String } == ["running"])
        #expect(try rows("snapshots").map { $0["snapshot"] as? String } == ["kept"])
        #expect(facts["space"] as? String == mount.space)

        let pipe = try mount.rainbowfs(
            ["top", "-m", mount.one, "--count", "3", "--interval", "0.1"])
        #expect(pipe.output.split(separator: "\n").count { $0.hasPrefix("NODE") } == 3)
        let lines = try mount.rainbowfs(
            ["top", "-m", mount.one, "--count", "3", "--interval", "0.1", "--json"])
        #expect(lines.output.split(separator: "\n").count == 3)
    }

    @Test("Inside a transaction or a snapshot it shows the mount, and says when that has ended")
    func places() throws {
        let mount = try busyMount()
        for place in ["transactions/running", "snapshots/kept"] {
            let result = try mount.bash("cd \"$MOUNT/\(place)\" && rainbowfs top --once")
            #expect(result.output.hasPrefix("\(mount.space) on \(mount.one)\n"), "\(result.errors)")
        }
        for (signal, isThere) in [("TERM", false), ("KILL", true)] {
            let daemon = try #require(mount.daemon())
            let result = try mount.bash(
                """
                exec 3< <(exec rainbowfs top -m "$MOUNT" --count 1000 --interval 0.1 2>&1)
                top=$!
                read -r -u 3 line
                kill -\(signal) \(daemon)
                tail -n 1 <&3
                wait $top; echo $?
                """)
            #expect(result.output == "rainbowfs: The mount at \(mount.one) has ended\n2\n")
            if isThere { #expect(try mount.unmount().status == 0) }
            try mount.mount()
        }
    }

    @Test(
        "Wrong arguments are refused",
        arguments: [["--interval", "0"], ["--count", "0"], ["--once", "--count", "2"]])
    func arguments(words: [String]) throws {
        let mount = try TestMount("top")
        #expect(try mount.rainbowfs(["top"] + words).status == 1)
        #expect(try mount.rainbowfs(["top", "-m", "/"]).status == 2)
    }

    @Test("In a terminal it follows the numbers and the size, and q leaves a clean screen")
    func terminal() throws {
        let mount = try busyMount()
        let screen = try TerminalScreen(mount)
        try screen.type("clear; echo before; rainbowfs top -m \"$MOUNT\" --interval 0.2\n")
        let isMoving = try withLoad(mount) {
            try eventually {
                guard let node = try screen.lines().first(where: { $0.hasSuffix(" left") }) else {
                    return false
                }
                return Double(node.split(separator: " ")[1]) ?? 0 > 1
            }
        }
        #expect(isMoving, "\(screen.text)")
        let lines = try screen.lines()
        for text in ["\(mount.space) on", "names/alice", "running", "kept"] {
            #expect(lines.contains { $0.contains(text) }, "\(text) in \(lines)")
        }
        try screen.tmux(["resize-window", "-x", "40", "-y", "10"])
        #expect(
            try eventually {
                try screen.lines().contains { $0.hasPrefix("OBJECT ") && $0.count < 41 }
            },
            "\(screen.text)")
        #expect(try screen.lines().count <= 10)
        try screen.type("xq")
        #expect(try eventually { try screen.lines().contains("before") })
        try screen.type("stty -a | tr ' ' '\\n' | grep -xE -- '-?(icanon|echo);?'; echo done\n")
        #expect(try eventually { try screen.lines().contains("done") })
        let after = try screen.lines()
        #expect(after.contains("icanon") && after.contains("echo"), "\(after)")
        #expect(!after.contains { $0.contains("COMMITS") })
    }

    @Test(
        "Ended by a signal or by --count, it gives the terminal back",
        arguments: [(SIGTERM, 143), (SIGHUP, 129), (SIGINT, 0), (0, 0)])
    func signals(signal: Int32, status: Int) throws {
        let mount = try busyMount()
        let screen = try TerminalScreen(mount)
        let end = signal == 0 ? "--count 2" : ""
        try screen.type(
            "clear; rainbowfs top -m \"$MOUNT\" --interval 0.1 \(end); echo \"status $?\"\n")
        if signal != 0 {
            #expect(try eventually { try screen.lines().contains { $0.hasPrefix("NODE") } })
            kill(try #require(try screen.program), signal)
        }
        #expect(
            try eventually { try screen.lines().contains("status \(status)") }, "\(screen.text)")
        try screen.type("stty -a | tr ' ' '\\n' | grep -xE -- '-?(icanon|echo);?'; echo done\n")
        #expect(try eventually { try screen.lines().contains("done") })
        let after = try screen.lines()
        #expect(after.contains("icanon") && after.contains("echo"), "\(after)")
        #expect(!after.contains { $0.contains("COMMITS") })
    }

    @Test("Colours are used in a terminal, but not with NO_COLOR", arguments: ["", "NO_COLOR=1 "])
    func colours(setting: String) throws {
        let mount = try busyMount()
        let screen = try TerminalScreen(mount)
        try screen.type("clear; \(setting)rainbowfs top -m \"$MOUNT\" --interval 0.2\n")
        #expect(try eventually { try screen.lines().contains { $0.hasPrefix("NODE") } })
        let raw = try screen.tmux(["capture-pane", "-p", "-e"])
        #expect(raw.contains("\u{1b}[") == setting.isEmpty, "\(raw)")
        try screen.type("q")
    }
}

/// A shell in a terminal of tmux, 80 columns and 24 rows, with a server of its own.
private final class TerminalScreen {
    private let mount: TestMount
    private let socket: String

    init(_ mount: TestMount) throws {
        self.mount = mount
        socket = "\(mount.folder)/tmux"
        // The server outlives this call, with all open files of the caller: Foundation would wait
        // for it.
        let words = "-f /dev/null new-session -d -x 80 -y 24"
        let server = try Child(
            "/usr/bin/env",
            ["tmux", "-S", socket] + words.split(separator: " ").map(String.init)
                + ["bash --norc"], environment: mount.environment)
        guard server.wait() == .exited(0) else { throw SystemFailure("start tmux") }
        try type("PS1='> '; set +m; clear\n")
    }

    deinit { _ = try? tmux(["kill-server"]) }

    /// The process that the shell waits for.
    var program: pid_t? {
        get throws {
            let shell = try tmux(["display-message", "-p", "#{pane_pid}"]).dropLast()
            let list = try String(
                contentsOfFile: "/proc/\(shell)/task/\(shell)/children", encoding: .utf8)
            return list.split(separator: " ").first.flatMap { pid_t($0) }
        }
    }

    @discardableResult
    func tmux(_ arguments: [String]) throws -> String {
        let result = try mount.run(["tmux", "-S", socket] + arguments)
        guard result.status == 0 else { throw SystemFailure("tmux: \(result.errors)") }
        return result.output
    }

    func type(_ text: String) throws { try tmux(["send-keys", "-l", text]) }

    /// The screen, without blanks at the ends of lines and without empty lines at its end.
    func lines() throws -> [String] {
        var lines = try tmux(["capture-pane", "-p"]).split(
            separator: "\n", omittingEmptySubsequences: false
        ).map { line in String(line.reversed().drop { $0 == " " }.reversed()) }
        while lines.last == "" { lines.removeLast() }
        return lines
    }
    /// The same, to show with a failure.
    var text: String { (try? lines())?.joined(separator: "\n") ?? "no terminal" }
}
