import Glibc

/// The mounts of this process, as /proc tells them.
enum MountTable {
    /// The source of the RainbowFS mount that lies topmost at exactly this path.
    static func rainbowSource(at path: String) -> String? {
        guard let table = read("/proc/self/mountinfo") else { return nil }
        var source: String?
        for line in table.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count > 9, unescaped(words[4]) == path,
                let dash = words.firstIndex(of: "-"), dash + 2 < words.count
            else { continue }
            source = words[dash + 1] == "fuse.rainbowfs" ? unescaped(words[dash + 2]) : nil
        }
        return source
    }

    /// Spaces and the like stand there as a backslash and three octal digits.
    static func unescaped(_ word: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = word.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), let code = UInt8(String(rest.prefix(3)) ?? "", radix: 8)
            {
                bytes.append(code)
                rest.removeFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func read(_ path: String) -> String? {
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
        return String(decoding: bytes, as: UTF8.self)
    }
}
