import CLinux
import Glibc

/// An object as the mount shows it: a folder of `objects/` with a file, link or folder a field.
struct ObjectFiles {
    /// The folder, absolute.
    let folder: String
    /// `objects/0x...`, as commands print it.
    let name: String

    /// The object that `path` leads to: its folder, a name of it, or its raw file.
    init(_ path: String, mount: MountedSpace) throws(CommandFailure) {
        guard let place = FileText.resolved(path) else {
            throw CommandFailure(.refused, "\(path): \(FileError(path: path, errno: errno).reason)")
        }
        let last = place.split(separator: "/").last.map(String.init) ?? ""
        let address = String(last.prefix { $0 != "." })
        guard place.hasPrefix(mount.path), address.hasPrefix("0x") else {
            throw CommandFailure(.refused, "\(path) does not lead to an object of \(mount.path).")
        }
        name = "objects/\(address)"
        folder = "\(mount.path)/\(name)"
    }

    var className: String {
        get throws(FileError) {
            let target = try FileText.linkTarget(folder + "/class")
            return target.split(separator: "/").last.map(String.init) ?? target
        }
    }

    /// Names of fields and their types, in the order of declaration, from the text of the class.
    func declarations() throws(FileError) -> [FieldLine] {
        try FileText.readText(folder + "/class").split(separator: "\n")
            .compactMap(FieldLine.init)
    }

    /// The version of the newest commit that wrote any part of the object.
    func version() throws(FileError) -> String {
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = unsafe bytes.withUnsafeMutableBytes {
            unsafe rainbow_getxattr(folder, "user.rainbow.version", $0.baseAddress, $0.count)
        }
        guard count >= 0 else { throw FileError(path: folder, errno: errno) }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    /// What `body` reads, as of one moment: it runs again while commits to the object come between.
    func atOneMoment<R>(_ body: () throws(FileError) -> R) throws(CommandFailure) -> R? {
        do {
            for _ in 0..<ObjectFiles.attemptsMax {
                let before = try version()
                let result = try body()
                if try version() == before { return result }
            }
            return nil
        } catch {
            throw CommandFailure(.refused, "\(error.path): \(error.reason)")
        }
    }

    private static let attemptsMax = 1000
}

/// One line of a class, as far as `get` needs it: how the values of the field are to be shown.
struct FieldLine: Equatable {
    var name: String
    var type: String
    /// Nil for a single value, and for `string` and `bytes`, whose length is no count of values.
    var count: Int?

    var isReference: Bool { type.hasPrefix("ref<") }

    init?(line: some StringProtocol) {
        var words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
        if words.first == "indirect" { words.removeFirst() }
        guard words.count == 2 else { return nil }
        type = String(words[0])
        let parts = words[1].split { $0 == "[" || $0 == "]" }
        name = String(parts[0])
        count = parts.count > 1 && type != "string" && type != "bytes" ? Int(parts[1]) : nil
    }
}
