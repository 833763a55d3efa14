import Glibc
import RainbowCore

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

    /// The mount that an absolute path without links lies in.
    static func containing(_ path: String) -> Line? {
        lines().filter { line in
            path == line.path || line.path == "/" || path.hasPrefix(line.path + "/")
        }.max { $0.path.utf8.count <= $1.path.utf8.count }
    }

    /// All mounts; one that covers another comes behind it.
    static func lines() -> [Line] {
        parse(String(systemBytes: read("/proc/self/mountinfo") ?? []))
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
            if byte == UInt8(ascii: "\\"), let code = UInt8(digits, radix: 8) {
                bytes.append(code)
                rest.removeFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(systemBytes: bytes)
    }

    private static func read(_ path: String) -> [UInt8]? {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16384)
        while true {
            let count = unsafe Glibc.read(file, &chunk, chunk.count)
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        return bytes
    }
}
