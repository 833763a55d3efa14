import ArgumentParser
import Glibc

struct TopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Watch the transactions of a mounted space.",
        discussion: """
            Shows every second: commits, aborts, restarts and conflicts of each node, the \
            objects and pages with the most conflicts of the last minute, memory, running \
            transactions and snapshots. AVOIDED/S counts commits that would have been lost if \
            whole pages were compared and not lines. q or Ctrl-C ends it.

            With --once or --json, and where standard output is no terminal, it prints plain \
            samples: one, or as many as --count says.

            Example: rainbowfs top -m /mnt/rainbow --once --json
            """)

    @OptionGroup var mount: MountChoice
    @OptionGroup var json: JSONOption

    @Flag(help: "Print one sample and end.")
    var once = false

    @Option(help: ArgumentHelp("Time of a sample.", valueName: "seconds"))
    var interval = 1.0

    @Option(help: ArgumentHelp("End after so many samples.", valueName: "samples"))
    var count: Int?

    func validate() throws {
        guard (0.1...3600).contains(interval) else {
            throw ValidationError("--interval takes 0.1 to 3600 seconds.")
        }
        guard count ?? 1 > 0 else { throw ValidationError("--count takes 1 or more.") }
        guard !once || count == nil else {
            throw ValidationError("Give --once or --count, not both.")
        }
    }

    func run() throws {
        let mount = try mount.find().whole
        if once || json.isOn || !Terminal.isUsable {
            try printSamples(of: mount)
        } else {
            try watch(mount)
        }
    }

    private func reading(of mount: MountedSpace) throws -> MetricsReading {
        do throws(FileError) {
            return MetricsReading(try FileText.readText(mount.path + "/metrics"))
        } catch {
            // Without the mount there is the bare folder that it was on.
            let isGone = [ENOENT, ENOTCONN, ECONNABORTED].contains(error.errno)
            throw isGone ? mount.end : mount.failure(error)
        }
    }

    private func printSamples(of mount: MountedSpace) throws {
        var (before, start) = (try reading(of: mount), SystemClock.monotonicNanoseconds)
        for index in 0..<(count ?? 1) {
            usleep(UInt32(interval * 1_000_000))
            let (after, end) = (try reading(of: mount), SystemClock.monotonicNanoseconds)
            let sample = TopSample(
                mount, before, after, seconds: Double(end - start) / 1_000_000_000)
            let text =
                json.isOn
                ? sample.json.description : (index == 0 ? "" : "\n") + TopView(sample).text
            try StandardOutput.printNow(text)
            (before, start) = (after, end)
        }
    }

    /// The live view.
    private func watch(_ mount: MountedSpace) throws {
        var (before, start) = (try reading(of: mount), SystemClock.monotonicNanoseconds)
        var sample = TopSample(mount, nil, before, seconds: 0)
        let terminal = Terminal()
        terminal.enter()
        defer { terminal.leave() }
        var shown = 0
        while true {
            let size = terminal.size
            terminal.draw(TopView(sample).lines(columns: size.columns, rows: size.rows))
            try StandardOutput.flush()
            let due = start + UInt64(interval * 1_000_000_000)
            let now = SystemClock.monotonicNanoseconds
            switch terminal.next(milliseconds: due > now ? Int((due - now) / 1_000_000) + 1 : 0) {
            case .key(UInt8(ascii: "q")), .key(UInt8(ascii: "Q")), .signal(SIGINT): return
            case .signal(SIGTSTP): terminal.suspend()
            case .key, .signal(SIGWINCH): break
            case .signal(let signal):
                // As if it had not been caught, but with the terminal in order.
                terminal.leave()
                raise(signal)
                Glibc.exit(128 + signal)
            case .timeIsUp:
                if shown == count { return }
                let (after, end) = (try reading(of: mount), SystemClock.monotonicNanoseconds)
                sample = TopSample(
                    mount, before, after, seconds: Double(end - start) / 1_000_000_000)
                (before, start) = (after, end)
                shown += 1
            }
        }
    }
}
