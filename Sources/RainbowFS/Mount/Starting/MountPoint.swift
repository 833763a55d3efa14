import CFuse
import Glibc
import RainbowCore

/// The folder that a space is shown in, checked before anything is attached or mounted, so that
/// what is wrong with it can be said in words.
struct MountPoint {
    /// Absolute and free of links, since a mount in the background works from `/`.
    let path: String
    /// The open /dev/fuse of a mount that the program which started this one has made, as
    /// mount.fuse3 does for `drop_privileges`: the path is then `/dev/fd/N`, and where the mount
    /// is, is not known.
    let descriptor: Int32?

    private static let descriptorFolder = "/dev/fd/"

    init(_ path: String) throws(MountFailure) {
        descriptor =
            path.hasPrefix(Self.descriptorFolder)
            ? Int32(path.dropFirst(Self.descriptorFolder.count)) : nil
        if let descriptor {
            guard descriptor > STDERR_FILENO, fcntl(descriptor, F_GETFD) >= 0 else {
                throw MountFailure(
                    .mountPoint,
                    "\(path) is not open; name a directory, or the descriptor of a mount that is"
                        + " made already")
            }
            self.path = Self.descriptorFolder + String(descriptor)
            return
        }
        try Self.clearDeadMounts(at: path)
        var status = stat()
        guard unsafe path.withSystemText({ unsafe stat($0, &status) }) == 0 else {
            throw Self.unusable(path, errno)
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw MountFailure(
                .mountPoint, "the mount point \(path) is not a directory; name a directory")
        }
        guard let resolved = unsafe path.withSystemText({ unsafe realpath($0, nil) }) else {
            throw Self.unusable(path, errno)
        }
        unsafe self.path = String(systemText: resolved)
        unsafe free(resolved)
        if let source = MountTable.rainbowSource(at: self.path) {
            throw MountFailure(
                .mount,
                "the space \(source) is already mounted at \(path); end it first with "
                    + "fusermount3 -u \(path)")
        }
        try Self.refuseInside(self.path)
    }

    /// A mount would hide what is there; and who mistyped a command names a path below a mount.
    private static func refuseInside(_ path: String) throws(MountFailure) {
        guard let outer = MountTable.containing(path, in: MountTable.lines()),
            outer.type == MountTable.fileSystemType
        else { return }
        // A mount that lies hidden under another one has another device.
        var (inner, top) = (stat(), stat())
        guard unsafe path.withSystemText({ unsafe stat($0, &inner) }) == 0,
            unsafe outer.path.withSystemText({ unsafe stat($0, &top) }) == 0,
            inner.st_dev == top.st_dev
        else { return }
        throw MountFailure(
            .mountPoint,
            "\(path) lies inside of the space \(outer.source), mounted at \(outer.path), and "
                + "nothing is mounted there; name a directory outside. rainbowfs --help lists the "
                + "commands that work on what a space holds")
    }

    /// A daemon that was killed leaves its mount there: everything below answers ENOTCONN, and the
    /// kernel lets nobody mount over it.
    private static func clearDeadMounts(at path: String) throws(MountFailure) {
        for _ in 0..<16 {
            guard isDead(path) else { return }
            guard detach(path) else { break }
        }
        guard isDead(path) else { return }
        throw MountFailure(
            .mountPoint,
            "the daemon that served \(path) has died and its mount cannot be removed; run "
                + "fusermount3 -uz \(path) as the user who mounted it, or umount -l \(path) as root"
        )
    }

    /// Asked by statfs(2), since the kernel may answer stat(2) from what it keeps. A daemon that
    /// dies while it is asked gives ECONNABORTED.
    private static func isDead(_ path: String) -> Bool {
        var statistics = statvfs()
        return unsafe path.withSystemText { unsafe statvfs($0, &statistics) } != 0
            && (errno == ENOTCONN || errno == ECONNABORTED)
    }

    /// Lazily, since programs may still hold files of the dead mount.
    private static func detach(_ path: String) -> Bool {
        let isDetached = unsafe path.withSystemText { unsafe umount2($0, Int32(MNT_DETACH)) == 0 }
        if isDetached { return true }
        return Fusermount.run(["-u", "-z", "-q", "--", path]) == 0
    }

    private static func unusable(_ path: String, _ error: Int32) -> MountFailure {
        switch error {
        case ENOENT:
            MountFailure(
                .mountPoint, "the mount point \(path) does not exist; make it with mkdir \(path)")
        case ENOTDIR:
            MountFailure(
                .mountPoint, "a part of the mount point's path \(path) is not a directory")
        default:
            MountFailure(
                .mountPoint, "the mount point \(path) cannot be used: \(ErrorText.of(error))")
        }
    }
}

/// The set-user-id helper by which ordinary users mount and unmount.
enum Fusermount {
    static let name = "fusermount3"

    /// Where libfuse and the shell would find it.
    static var isInstalled: Bool {
        let path = unsafe getenv("PATH").map { unsafe String(systemText: $0) } ?? ""
        let folders = ["/usr/bin", "/bin"] + path.parts(at: ":").map(String.init)
        return folders.contains { folder in
            unsafe "\(folder)/\(name)".withSystemText { unsafe access($0, X_OK) == 0 }
        }
    }

    /// Its exit status, or nil when it could not be started.
    static func run(_ arguments: [String]) -> Int32? {
        var strings = unsafe ([name] + arguments).map {
            unsafe $0.withSystemText { unsafe strdup($0) }
        }
        unsafe strings.append(nil)
        defer { for index in unsafe strings.indices { unsafe free(strings[index]) } }
        var child = pid_t()
        guard unsafe posix_spawnp(&child, name, nil, nil, strings, environ) == 0 else {
            return nil
        }
        var status: Int32 = 0
        while unsafe waitpid(child, &status, 0) < 0 {
            guard errno == EINTR else { return nil }
        }
        return status & 0x7f == 0 ? status >> 8 & 0xff : nil
    }
}

/// The mounts of this process, as /proc tells them.
enum MountTable {
    struct Line: Equatable {
        var path: String
        var type: String
        var source: String
    }

    static let fileSystemType = "fuse.rainbowfs"

    /// The source of the RainbowFS mount that lies topmost at exactly this path.
    static func rainbowSource(at path: String) -> String? {
        let topmost = lines().last { $0.path.isSame(as: path) }
        return topmost?.type == fileSystemType ? topmost?.source : nil
    }

    /// The mount that an absolute path without links lies in: the innermost one, and of those at
    /// one path the one that covers the others.
    static func containing(_ path: String, in table: [Line]) -> Line? {
        table.reversed().filter { path.isInside($0.path) }
            .max { $0.path.utf8.count < $1.path.utf8.count }
    }

    /// All mounts; one that covers another comes after it.
    static func lines() -> [Line] {
        parse(String(systemBytes: ProcFile.content(of: "/proc/self/mountinfo") ?? []))
    }

    static func parse(_ table: String) -> [Line] {
        table.parts(at: "\n").compactMap { line in
            let words = line.parts(at: " ")
            guard let dash = words.firstIndex(of: "-"), dash >= 6, words.count > dash + 2 else {
                return nil
            }
            return Line(
                path: unescaped(words[4]), type: String(words[dash + 1]),
                source: unescaped(words[dash + 2]))
        }
    }

    /// Spaces and the like stand there as a backslash and three octal digits.
    static func unescaped(_ word: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = word.systemBytes[...]
        while let byte = rest.popFirst() {
            let digits = String(decoding: rest.prefix(3), as: UTF8.self)
            if byte == UInt8(ascii: "\\"), rest.count >= 3, let code = UInt8(digits, radix: 8) {
                bytes.append(code)
                rest.removeFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(systemBytes: bytes)
    }
}

extension String {
    /// Whether this absolute path is that of a folder, or of something in it.
    func isInside(_ folder: String) -> Bool {
        isSame(as: folder) || folder == "/" || begins(with: folder + "/")
    }
}
