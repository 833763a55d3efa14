import Foundation

/// A fresh space in a folder of its own, and the mounts of it. Everything goes away with it.
public final class TestMount: Sendable {
    public let space: String
    /// Holds the space's files, the mount points, and what else a test puts there.
    public let folder: String
    public let environment: [String: String]
    /// The program under test.
    public let program: String

    /// - Parameter everybodyRuns: other users run the program too, so it lies in the test's folder:
    ///   they may not be able to enter the one that it was built in.
    public init(_ prefix: String, everybodyRuns: Bool = false) throws {
        _ = UsualSurroundings.mask
        space = uniqueSpaceName(prefix)
        let folder = "/dev/shm/\(space).test"
        self.folder = folder
        for part in ["spaces", "one", "two", "scratch", "bin"] {
            try FileManager.default.createDirectory(
                atPath: "\(folder)/\(part)", withIntermediateDirectories: true)
        }
        program = everybodyRuns ? "\(folder)/bin/rainbowfs" : RainbowBinary.path
        if everybodyRuns {
            try FileManager.default.copyItem(atPath: RainbowBinary.path, toPath: program)
        }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        environment = [
            "RAINBOWFS_DIR": "\(folder)/spaces", "SPACE": space, "MOUNT": "\(folder)/one",
            "MOUNT2": "\(folder)/two", "SCRATCH": "\(folder)/scratch",
            "RAINBOWFS": program,
            "PATH": "\(everybodyRuns ? "\(folder)/bin" : RainbowBinary.directory):\(path)",
        ]
    }

    deinit {
        for point in [one, two] {
            while MountedPoint.exists(point) {
                guard let done = try? run(["fusermount3", "-uz", point]), done.status == 0 else {
                    break
                }
            }
        }
        _ = try? rainbowfs(["destroy", "--force", space])
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// The first mount point.
    public var one: String { "\(folder)/one" }
    /// The second one.
    public var two: String { "\(folder)/two" }

    /// Mounts the space; the program returns when the mount answers.
    @discardableResult
    public func mount(at point: String? = nil, _ options: [String] = []) throws -> CommandResult {
        try rainbowfs([space, point ?? one] + options)
    }

    public func unmount(_ point: String? = nil) throws -> CommandResult {
        try run(["fusermount3", "-u", point ?? one])
    }

    public func rainbowfs(_ arguments: [String]) throws -> CommandResult {
        try run([program] + arguments)
    }

    public func run(_ arguments: [String]) throws -> CommandResult {
        try Shell.run(arguments, environment: environment)
    }

    public func bash(_ script: String) throws -> CommandResult {
        try Shell.bash(script, environment: environment)
    }

    /// Runs a script for which everything that it mounts is there, and for nobody else.
    ///
    /// `unshare -m` alone ends the sharing of mounts only where the root is a mount point, which
    /// that of a chroot need not be. So the script's root is a copy of the root, below a mount
    /// that is not shared.
    public func bashWithOwnMounts(
        _ script: String, environment more: [String: String] = [:]
    ) throws -> CommandResult {
        let setUp = """
            mkdir "$ROOT" && mount --make-private /dev/shm && mount --rbind / "$ROOT" &&
            mount --make-rprivate "$ROOT" && exec chroot "$ROOT" bash -c "$1"
            """
        return try Shell.run(
            [
                "unshare", "--mount", "--propagation", "unchanged", "bash", "-c", setUp, "bash",
                script,
            ],
            environment: environment.merging(more) { $1 }
                .merging(["ROOT": "\(folder)/root"]) { $1 })
    }

    /// The process that serves a mount point.
    public func daemon(of point: String? = nil) -> pid_t? {
        daemons(of: point ?? one).first
    }

    public func daemons(of point: String) -> [pid_t] {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return entries.compactMap(pid_t.init).filter { process in
            guard
                let line = try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(process)/cmdline"))
            else { return false }
            let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            return words.first?.hasSuffix("rainbowfs") == true && words.contains(point)
                && !words.contains("atomic")
        }
    }

    public func answers(_ point: String? = nil) -> Bool {
        FileManager.default.fileExists(atPath: "\(point ?? one)/control")
    }
}

/// The kernel's table of mounts.
public enum MountedPoint {
    public static func exists(_ path: String) -> Bool { line(path) != nil }

    /// The line of the topmost mount at the path.
    public static func line(_ path: String) -> String? {
        // The table is bytes: one mount point whose name is no UTF-8 must not hide all others.
        let table = FileManager.default.contents(atPath: "/proc/self/mountinfo") ?? Data()
        return String(decoding: table, as: UTF8.self).split(separator: "\n").last { line in
            let words = line.split(separator: " ")
            return words.count > 4 && words[4] == path
        }.map(String.init)
    }
}
