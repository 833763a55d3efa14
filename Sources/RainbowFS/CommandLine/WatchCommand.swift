import ArgumentParser
import Glibc
import RainbowCore

struct WatchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Print a line for each commit that touched one of some objects.",
        discussion: """
            A line is VERSION node N objects/0x... with the objects that the commit touched, or \
            VERSION lost objects/0x... when commits were missed. A script that must not miss a \
            change waits for the line of --initial before it looks.

            Example: rainbowfs watch names/alice --count 1 --timeout 10
            """)

    @Argument(
        help: "Objects: names/NAME, objects/0x..., their fields or raw files.",
        completion: .file())
    var path: [String]

    @Option(
        name: .customLong("count"),
        help: ArgumentHelp("End after this many lines.", valueName: "n"))
    var countMax: Int?

    @Option(
        name: .customLong("timeout"),
        help: ArgumentHelp("End with status 124 after this time.", valueName: "seconds"))
    var timeoutSeconds: Double?

    @Flag(
        name: .customLong("initial"),
        help: "First print VERSION initial objects/0x..., when every later commit will be seen.")
    var isInitialWanted = false

    @OptionGroup var mount: MountOption
    @OptionGroup var json: JSONOption

    func validate() throws {
        if let countMax, countMax < 1 { throw ValidationError("--count is at least 1.") }
        if let timeoutSeconds, !(0...1e9).contains(timeoutSeconds) {
            throw ValidationError("--timeout is a number of seconds.")
        }
    }

    func run() throws {
        let end = timeoutSeconds.map { EventReader.now + Int(($0 * 1000).rounded(.up)) }
        let mount = try mount.find(path: path[0])
        let objects = try path.map { path in
            try ObjectFiles(
                WatchCommand.object(of: mount.resolve(path, isBelowMount: self.mount.path != nil)),
                mount: mount)
        }
        let addresses = Set(objects.map(\.address)).sorted()
        let reader = try mount.withFailures { () throws(FileError) in
            try EventReader(mount, objects: addresses)
        }
        if isInitialWanted { try show(initial(objects, addresses, mount), "initial") }
        var left = countMax ?? .max
        while left > 0 {
            switch try next(reader, end, mount) {
            case .line(let line):
                try show(line, line.node.map { "node \($0)" } ?? "lost")
                left -= 1
            case .timeout: throw ExitCode(124)
            case .unwanted: return
            }
        }
    }

    private func next(
        _ reader: EventReader, _ end: Int?, _ mount: MountedSpace
    ) throws -> EventReader.Outcome {
        do throws(FileError) {
            return try reader.next(until: end)
        } catch {
            guard error.errno != ENOTCONN, error.errno != ECONNABORTED else { throw mount.end }
            throw mount.failure(error)
        }
    }

    /// What the objects are like now that all that follows will be seen.
    private func initial(
        _ objects: [ObjectFiles], _ addresses: [Address], _ mount: MountedSpace
    ) throws -> EventLine {
        let versions = try mount.withFailures { () throws(FileError) in
            try objects.map { object throws(FileError) in UInt64(try object.version()) ?? 0 }
        }
        return EventLine(version: versions.max() ?? 0, objects: addresses)
    }

    private func show(_ line: EventLine, _ what: String) throws {
        let names = line.objects.map(LinkText.path)
        var text = ([String(line.version), what] + names).joined(separator: " ")
        if json.isOn {
            let kind = line.node.map { JSON.integer($0) } ?? JSON.bool(true)
            text =
                JSON.object([
                    ("version", .integer(line.version)),
                    (line.node == nil ? what : "node", kind),
                    ("objects", .array(names.map { .string($0) })),
                ]).description
        }
        try StandardOutput.printNow(text)
    }

    /// The path of the object that a path below its folder belongs to.
    private static func object(of path: String) -> String {
        guard let place = FileText.resolved(path),
            let folder = place.ranges(of: /\/objects\/0x[0-9a-f]{16}(?=\/)/).last
        else { return path }
        return String(place[..<folder.upperBound])
    }
}

extension EventLine {
    init(version: UInt64, objects: [Address]) {
        self.version = version
        self.objects = objects
        isComplete = true
    }
}
