import Glibc

/// Names, arguments, paths and values of the system are bytes: any but NUL.
///
/// A `String` is Unicode, and takes the composed and the decomposed spelling of a character for one
/// text. So each byte that belongs to no UTF-8 character is held as a character of private use,
/// U+10FF80 for 0x80 up to U+10FFFF for 0xff, and goes back to the system as this byte. The bytes
/// that spell one of these characters themselves are held one by one as well: no two texts of the
/// system become the same String. Where texts of the system are compared or found by, their bytes
/// count: `isSame(as:)` and `ExactText`.
extension String {
    /// The text of some bytes, whatever they are.
    public init(systemBytes bytes: some Collection<UInt8>) {
        if let text = String(validating: bytes, as: UTF8.self), !text.holdsBytes {
            self = text
            return
        }
        var scalars = String.UnicodeScalarView()
        var rest = Array(bytes)[...]
        while let first = rest.first {
            if let scalar = SystemText.scalar(at: rest), !SystemText.isHeldByte(scalar) {
                scalars.append(scalar)
                rest = rest.dropFirst(UTF8.width(scalar))
            } else {
                scalars.append(SystemText.held(first))
                rest = rest.dropFirst()
            }
        }
        self.init(scalars)
    }

    /// Runs `body` with the bytes and a NUL after them, as system calls take them.
    public func withSystemText<R>(_ body: (UnsafePointer<CChar>) throws -> R) rethrows -> R {
        guard holdsBytes else { return unsafe try withCString(body) }
        let bytes = systemBytes.map { CChar(bitPattern: $0) } + [0]
        return try unsafe bytes.withUnsafeBufferPointer { bytes in
            guard let start = bytes.baseAddress else {
                return unsafe try "".withCString(body)
            }
            return unsafe try body(start)
        }
    }

    /// The text at an address, up to its NUL.
    public init(systemText text: UnsafePointer<CChar>) {
        let bytes = unsafe UnsafeBufferPointer(start: text, count: strlen(text))
        self.init(systemBytes: unsafe bytes.map { UInt8(bitPattern: $0) })
    }
}

extension StringProtocol {
    /// Whether these are the bytes of the other text, too.
    public func isSame(as other: some StringProtocol) -> Bool {
        utf8.elementsEqual(other.utf8)
    }

    /// Whether the bytes begin with those of the other text, whatever characters follow.
    public func begins(with prefix: some StringProtocol) -> Bool {
        utf8.starts(with: prefix.utf8)
    }

    /// The bytes that the system knows the text by.
    public var systemBytes: [UInt8] {
        guard holdsBytes else { return Array(utf8) }
        var bytes: [UInt8] = []
        for scalar in unicodeScalars {
            if SystemText.isHeldByte(scalar) {
                bytes.append(UInt8(truncatingIfNeeded: scalar.value))
            } else {
                bytes.append(contentsOf: UTF8.encode(scalar) ?? .init())
            }
        }
        return bytes
    }

    /// Hands over the bytes that the system knows the text by, one by one, without heap memory.
    @inline(__always)
    func forEachSystemByte(_ body: (UInt8) -> Void) {
        guard holdsBytes else {
            for byte in utf8 { body(byte) }
            return
        }
        for byte in systemBytes { body(byte) }
    }

    /// How many bytes the system knows the text by.
    public var systemByteCount: Int {
        holdsBytes ? systemBytes.count : utf8.count
    }

    /// The text for those who read Unicode only, as JSON: bytes that are no characters are U+FFFD.
    public var unicodeText: String {
        guard holdsBytes else { return String(self) }
        let scalars = unicodeScalars.map { SystemText.isHeldByte($0) ? "\u{fffd}" : $0 }
        return String(String.UnicodeScalarView(scalars))
    }

    /// Whether any of the characters stands for a byte that is none.
    fileprivate var holdsBytes: Bool {
        utf8.contains(SystemText.firstByteOfHeld)
            && unicodeScalars.contains(where: SystemText.isHeldByte)
    }
}

extension Substring {
    /// The parts between the places of an ASCII character, whatever characters stand beside it.
    public func parts(
        at separator: Unicode.Scalar, omittingEmptySubsequences: Bool = true
    ) -> [Substring] {
        utf8.split(
            separator: UInt8(ascii: separator),
            omittingEmptySubsequences: omittingEmptySubsequences
        ).map(Substring.init)
    }
}

extension String {
    /// The parts between the places of an ASCII character, whatever characters stand beside it.
    public func parts(
        at separator: Unicode.Scalar, omittingEmptySubsequences: Bool = true
    ) -> [Substring] {
        self[...].parts(
            at: separator, omittingEmptySubsequences: omittingEmptySubsequences)
    }
}

/// A text that is equal to another only if all bytes are: for dictionaries and sets.
public struct ExactText: Hashable, Sendable {
    public let text: String

    public init(_ text: some StringProtocol) {
        self.text = String(text)
    }

    public static func == (left: ExactText, right: ExactText) -> Bool {
        left.text.isSame(as: right.text)
    }

    public func hash(into hasher: inout Hasher) {
        for byte in text.utf8 { hasher.combine(byte) }
        hasher.combine(0xff as UInt8)
    }
}

private enum SystemText {
    /// Of the UTF-8 of all characters from U+100000 on.
    static let firstByteOfHeld: UInt8 = 0xf4
    private static let base: UInt32 = 0x10ff00

    static func isHeldByte(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value >= base + 0x80
    }

    /// - Parameter byte: 0x80 or more, as all that belong to no character are.
    static func held(_ byte: UInt8) -> Unicode.Scalar {
        Unicode.Scalar(base + UInt32(byte)) ?? "\u{fffd}"
    }

    /// The character that the bytes begin with; nil if they begin with none.
    static func scalar(at bytes: ArraySlice<UInt8>) -> Unicode.Scalar? {
        guard let first = bytes.first else { return nil }
        let width =
            switch first {
            case ..<0x80: 1
            case 0xc2...0xdf: 2
            case 0xe0...0xef: 3
            case 0xf0...0xf4: 4
            default: 0
            }
        guard width > 0, let text = String(validating: bytes.prefix(width), as: UTF8.self) else {
            return nil
        }
        return text.unicodeScalars.first
    }
}
