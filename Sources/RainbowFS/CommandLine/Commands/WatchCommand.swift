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

    @OptionGroup var mount: MountChoice
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
        guard let location = FileText.resolved(path),
            let folder = location.ranges(of: /\/objects\/0x[0-9a-f]{16}(?=\/)/).last
        else { return path }
        return String(location[..<folder.upperBound])
    }
}

extension EventLine {
    init(version: UInt64, objects: [Address]) {
        self.version = version
        self.objects = objects
        isComplete = true
    }
}

/// What a line of `events` says.
struct EventLine: Equatable {
    var version: UInt64
    /// Nil if commits up to the version were missed.
    var node: Int?
    var objects: [Address]
    /// Whether `objects` has all that the commit touched.
    var isComplete: Bool

    /// - Parameter text: as the mount writes it; nil if it is something else.
    init?(_ text: some StringProtocol) {
        guard let version = Self.number(after: "\"version\": ", in: text) else { return nil }
        self.version = version
        let isLost = text.contains("\"lost\": true")
        node =
            isLost ? nil : Self.number(after: "\"node\": ", in: text).flatMap { Int(exactly: $0) }
        objects = text.split(separator: "\"address\": \"").dropFirst().compactMap {
            Address(text: $0.prefix { $0 != "\"" })
        }
        isComplete = !isLost && !text.contains("\"truncated\": true")
        guard isLost || node != nil else { return nil }
    }

    private static func number(after key: String, in text: some StringProtocol) -> UInt64? {
        guard let key = text.ranges(of: key).first else { return nil }
        return UInt64(text[key.upperBound...].prefix { $0.isNumber })
    }
}

/// An open `events` that tells of certain objects.
final class EventReader {
    enum Outcome {
        case line(EventLine)
        case timeout
        /// Nobody reads this program's output any more.
        case unwanted
    }

    private let path: String
    private let descriptor: Int32
    private let wanted: Set<Address>
    private var text: [UInt8] = []
    private var ready: ArraySlice<EventLine> = []

    /// Commits from the return of this on are told of.
    init(_ mount: MountedSpace, objects: [Address]) throws(FileError) {
        path = mount.mountPoint + "/events"
        wanted = Set(objects)
        // A mount for reading only takes no list of objects; then it tells of all commits.
        let writable = unsafe path.withSystemText {
            unsafe open($0, O_RDWR | O_CLOEXEC | O_NONBLOCK)
        }
        let file =
            writable >= 0
            ? writable
            : unsafe path.withSystemText { unsafe open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        guard file >= 0 else { throw FileError(path: path, errno: errno) }
        descriptor = file
        guard writable >= 0 else { return }
        let list = objects.map { "\($0)\n" }.joined()
        try FileText.write(Array(list.utf8), to: file, path)
    }

    deinit { close(descriptor) }

    /// The next commit to one of the objects.
    ///
    /// - Parameter end: when to stop waiting, in milliseconds of the monotonic clock.
    func next(until end: Int?) throws(FileError) -> Outcome {
        while true {
            while let line = ready.popFirst() {
                if let line = restricted(line) { return .line(line) }
            }
            let left = end.map { max(0, min($0 - Self.now, Int(Int32.max))) }
            var files = [
                pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
                // Errors are told of without being asked for.
                pollfd(fd: STDOUT_FILENO, events: 0, revents: 0),
            ]
            let count = unsafe poll(&files, 2, Int32(left ?? -1))
            if count < 0, errno != EINTR { throw FileError(path: path, errno: errno) }
            if count > 0, files[1].revents & Int16(POLLERR) != 0 { return .unwanted }
            if count > 0, files[0].revents != 0 { try read() }
            if count == 0, let end, end <= Self.now { return .timeout }
        }
    }

    /// The line with none but the objects that were asked for; nil if there is none of them. Where
    /// the objects are not known, each may have been touched.
    private func restricted(_ line: EventLine) -> EventLine? {
        var line = line
        line.objects = line.isComplete ? line.objects.filter(wanted.contains) : wanted.sorted()
        return line.objects.isEmpty ? nil : line
    }

    private func read() throws(FileError) {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        let count = unsafe Glibc.read(descriptor, &chunk, chunk.count)
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        // The end of the file is the end of the mount.
        guard count > 0 else {
            throw FileError(path: path, errno: count < 0 ? errno : ENOTCONN)
        }
        text += chunk.prefix(count)
        guard let end = text.lastIndex(of: UInt8(ascii: "\n")) else { return }
        let whole = String(decoding: text[...end], as: UTF8.self)
        text.removeSubrange(...end)
        ready += whole.split(separator: "\n").compactMap { EventLine($0) }
    }

    /// Milliseconds of the monotonic clock.
    static var now: Int { Int(SystemClock.monotonicNanoseconds / 1_000_000) }
}
