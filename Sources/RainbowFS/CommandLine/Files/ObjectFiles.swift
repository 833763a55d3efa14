import CLinux
import Glibc
import RainbowCore

/// An object as the mount shows it: a folder of `objects/` or `system/objects/` with a file, link
/// or folder a field.
struct ObjectFiles {
    /// The mount, with the tree that the object was found in.
    let mount: MountedSpace
    /// The folder, absolute.
    let folder: String
    /// `objects/0x...` or `system/objects/0x...`, as commands print it.
    let name: String
    let address: Address

    /// The object that `path` leads to: its folder, a name of it, or its raw file.
    init(_ path: String, mount: MountedSpace) throws(CommandFailure) {
        guard let location = FileText.resolved(path) else {
            throw CommandFailure(.refused, "\(path): \(FileError(path: path, errno: errno).reason)")
        }
        let last = location.parts(at: "/").last.map(String.init) ?? ""
        guard location.isInside(mount.path),
            let address = Address(text: last.prefix { $0 != "." })
        else {
            throw CommandFailure(.refused, "\(path) does not lead to an object of \(mount.path).")
        }
        self.address = address
        name = LinkText.path(of: address)
        self.mount = mount.whole.view(of: location)
        folder = "\(self.mount.path)/\(name)"
    }

    var className: String {
        get throws(FileError) {
            let target = try FileText.linkTarget(folder + "/class")
            return target.split(separator: "/").last.map(String.init) ?? target
        }
    }

    /// The fields, in the order of declaration, from the text of the class.
    func declarations() throws -> [FieldDeclaration] {
        try ClassText.parse(try FileText.readText(folder + "/class")).fields
    }

    /// The version of the newest commit that wrote any part of the object.
    func version() throws(FileError) -> String {
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = unsafe bytes.withUnsafeMutableBytes {
            let (start, size) = ($0.baseAddress, $0.count)
            return unsafe folder.withSystemText {
                unsafe rainbow_getxattr($0, "user.rainbow.version", start, size)
            }
        }
        guard count >= 0 else { throw FileError(path: folder, errno: errno) }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    /// What `body` reads, as of one version: it runs again while commits to the object come
    /// between.
    func atOneVersion<R>(_ body: () throws(FileError) -> R) throws(CommandFailure) -> R? {
        do {
            for _ in 0..<ObjectFiles.attemptsMax {
                let before = try version()
                let result = try body()
                if try version() == before { return result }
            }
            return nil
        } catch {
            throw mount.failure(error)
        }
    }

    private static let attemptsMax = 1000
}

/// The value of a field as read from its file.
struct ShownValue: Equatable {
    /// One text an element; exactly one if the field is no array.
    var elements: [String]

    static func read(_ field: FieldDeclaration, in folder: String) throws(FileError) -> ShownValue {
        let path = "\(folder)/\(field.name)"
        guard field.type == .reference else { return decode(field, try FileText.read(path)) }
        guard let count = field.arrayCount else {
            return ShownValue(elements: [reference(try FileText.linkTarget(path))])
        }
        var elements: [String] = []
        for index in 0..<count {
            elements.append(reference(try FileText.linkTarget("\(path)/\(index)")))
        }
        return ShownValue(elements: elements)
    }

    /// What the bytes of a scalar field's file mean.
    static func decode(_ field: FieldDeclaration, _ bytes: [UInt8]) -> ShownValue {
        switch field.type {
        case .bytes:
            let digits = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
            return ShownValue(elements: [digits.joined()])
        case .string:
            let isWhole = bytes.last == UInt8(ascii: "\n")
            let text = String(systemBytes: isWhole ? bytes.dropLast() : bytes[...])
            return ShownValue(elements: [text])
        default:
            let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
            return ShownValue(elements: lines.map(String.init))
        }
    }

    var text: String { elements.joined(separator: ",") }

    func json(_ field: FieldDeclaration) -> JSON {
        let values = elements.map { element -> JSON in
            switch field.type {
            case .reference: element == "null" ? .null : .string(element)
            case .bool: .bool(element == "1")
            case .float32, .float64: .real(Double(element) ?? .nan)
            case .string, .bytes: .string(element)
            default: .number(element)
            }
        }
        return field.arrayCount == nil ? values.first ?? .null : .array(values)
    }

    /// A link's target as commands print objects.
    private static func reference(_ target: String) -> String {
        guard let last = target.split(separator: "/").last, last.hasPrefix("0x") else {
            return "null"
        }
        return LinkText.path(ofText: String(last))
    }
}

extension LinkText {
    /// An object's directory, by its address as text; what is no address stays as it is.
    static func path(ofText text: String) -> String {
        Address(text: text).map(path) ?? "objects/\(text)"
    }
}
