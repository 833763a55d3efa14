import CLinux
import Glibc
import RainbowCore

/// A mount of a space on this machine, as the kernel's table of mounts has it.
struct MountedSpace: Equatable {
    /// The top of the tree to work on, absolute: the mount point, or the folder of a transaction
    /// or a snapshot below it.
    var path: String
    var space: String
    /// The mount point.
    var mountPoint: String

    init(path: String, space: String, mountPoint: String? = nil) {
        self.path = path
        self.space = space
        self.mountPoint = mountPoint ?? path
    }

    /// Nil for what is no space.
    private init?(_ line: MountTable.Line) {
        guard line.type == MountTable.fileSystemType else { return nil }
        self.init(path: line.path, space: line.source)
    }

    static func all(in table: [MountTable.Line]) -> [MountedSpace] {
        table.compactMap(MountedSpace.init)
    }

    /// The one that an absolute path without links lies in.
    static func containing(_ location: String, in table: [MountTable.Line]) -> MountedSpace? {
        MountTable.containing(location, in: table).flatMap(MountedSpace.init)
    }

    /// The mount that `option` (`-m`) names, or else the one that `path` leads into, which is the
    /// one around the working directory if `path` is relative and leads nowhere else.
    static func find(option: String?, path: String? = nil) throws(CommandFailure)
        -> MountedSpace
    {
        let table = MountTable.lines()
        let start = option ?? path ?? "."
        guard let location = option == nil ? longestResolved(start) : FileText.resolved(start)
        else {
            throw CommandFailure(.noMount, "There is no \(start).")
        }
        guard let mount = containing(location, in: table)?.view(of: location) else {
            let mounts = all(in: table)
            let hint =
                mounts.isEmpty
                ? "Mount one with: rainbowfs SPACE MOUNTPOINT"
                : "Name one with -m: " + mounts.map(\.path).joined(separator: ", ")
            throw CommandFailure(.noMount, "\(location) is not below a mounted space. \(hint)")
        }
        return mount
    }

    /// The transaction or the snapshot that an absolute path below the mount leads into; without
    /// one, the mount itself.
    func view(of location: String) -> MountedSpace {
        let parts = below(location).parts(at: "/")
        guard parts.count > 1, ["transactions", "snapshots"].contains(parts[0]) else { return self }
        let prefix = path == "/" ? "" : path
        return MountedSpace(
            path: "\(prefix)/\(parts[0])/\(parts[1])", space: space, mountPoint: path)
    }

    /// Whether it is the folder of a snapshot.
    var isSnapshot: Bool {
        MountedSpace(path: mountPoint, space: space).below(path).begins(with: "snapshots/")
    }

    /// The rest of an absolute path that leads into the tree, without slashes at its start.
    func below(_ location: String) -> Substring {
        Substring(location.utf8.dropFirst(path.utf8.count).drop { $0 == UInt8(ascii: "/") })
    }

    /// The mount itself, whatever view of it was asked for.
    var whole: MountedSpace { MountedSpace(path: mountPoint, space: space) }

    /// `path` made absolute through its deepest folder that exists.
    private static func longestResolved(_ path: String) -> String? {
        var path = path
        while true {
            if let location = FileText.resolved(path) { return location }
            guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else {
                return FileText.resolved(".")
            }
            path = String(path[..<slash])
            if path.isEmpty { return "/" }
        }
    }
}

extension MountedSpace {
    /// A path given on the command line: absolute, else below the mount that `-m` named, else below
    /// the working directory.
    func resolve(_ path: String, isBelowMount: Bool) -> String {
        path.begins(with: "/") || !isBelowMount ? path : "\(self.path)/\(path)"
    }

    /// The refusal of a file of this mount: the sentence that the mount has for this process, or
    /// what the number of the error says.
    func failure(_ error: FileError) -> CommandFailure {
        CommandFailure(.refused, sentence(for: error) ?? "\(error.path): \(error.reason)")
    }

    /// Asked for at once, by the thread whose call failed: it is answered what that call was.
    private func sentence(for error: FileError) -> String? {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = unsafe bytes.withUnsafeMutableBytes {
            let (start, size) = ($0.baseAddress, $0.count)
            return unsafe mountPoint.withSystemText {
                unsafe rainbow_getxattr($0, CallerSentences.attribute, start, size)
            }
        }
        guard count > 0 else { return nil }
        let parts = String(systemBytes: bytes.prefix(count)).unicodeScalars
            .split(separator: " ", maxSplits: 1).map { String($0) }
        // Some errors are the kernel's own.
        guard parts.count == 2, parts[0] == ErrorName.of(error.errno) else { return nil }
        return parts[1]
    }

    /// What a command says when the mount goes away under it.
    var end: CommandFailure {
        CommandFailure(.noMount, "The mount at \(mountPoint) has ended.")
    }

    /// Runs `body` and turns what the mount refuses into a failure of the command.
    func withFailures<R>(_ body: () throws(FileError) -> R) throws(CommandFailure) -> R {
        do { return try body() } catch { throw failure(error) }
    }
}
