/// A place in the space: 25 bits of region, 27 of page, 6 of line, 6 of byte.
public struct Address: Hashable, Comparable, Sendable {
    public let rawValue: UInt64

    @inlinable
    public init(_ rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// The byte `offset` bytes after the start of region `region`.
    @inlinable
    public init(region: Int, offset: UInt64) {
        self.rawValue = UInt64(region) << Address.regionShift | offset
    }

    /// Where the line of a number, in the whole space, begins.
    init(line: UInt64) { self.init(line << Address.lineShift) }

    /// Where the page of a number, in the whole space, begins.
    init(page: UInt64) { self.init(page << Address.pageShift) }

    /// The reference to nothing.
    public static let null = Address(0)

    @inlinable
    public static func < (left: Address, right: Address) -> Bool {
        left.rawValue < right.rawValue
    }
}

extension Address {
    public static let regionShift: UInt64 = 39
    public static let pageShift: UInt64 = 12
    public static let lineShift: UInt64 = 6
    /// Bytes of a region: 512 GiB.
    public static let regionSize: UInt64 = 1 << regionShift
    /// Bytes of a page: the unit of memory.
    public static let pageSize = 4096
    /// Bytes of a line: the unit of conflict.
    public static let lineSize = 64

    @inlinable public var region: Int { Int(rawValue >> Address.regionShift) }
    /// Bytes from the start of the region.
    @inlinable public var offset: UInt64 { rawValue & (Address.regionSize &- 1) }
    /// The number of the line in the whole space.
    @inlinable public var line: UInt64 { rawValue >> Address.lineShift }
    /// The number of the page in the whole space.
    @inlinable public var page: UInt64 { rawValue >> Address.pageShift }

    @inlinable
    public func advanced(by bytes: Int) -> Address {
        Address(rawValue &+ UInt64(bitPattern: Int64(bytes)))
    }

    @inlinable
    public static func + (address: Address, bytes: Int) -> Address { address.advanced(by: bytes) }

    @inlinable
    public static func - (address: Address, bytes: Int) -> Address { address.advanced(by: -bytes) }
}

extension Address: CustomStringConvertible {
    /// `0x` and sixteen lower-case hexadecimal digits, the canonical spelling.
    public var description: String {
        unsafe String(unsafeUninitializedCapacity: 18) { text in
            unsafe text[0] = UInt8(ascii: "0")
            unsafe text[1] = UInt8(ascii: "x")
            for index in 0..<16 {
                let digit = UInt8(rawValue >> UInt64(60 - 4 * index) & 15)
                let first = digit < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10
                unsafe text[2 + index] = first + digit
            }
            return 18
        }
    }

    /// Any spelling of a 64-bit hexadecimal number after `0x` or `0X`; nil for all other text.
    public init?(text: some StringProtocol) {
        guard text.hasPrefix("0x") || text.hasPrefix("0X"), text.utf8.count > 2 else { return nil }
        let digits = text.dropFirst(2)
        guard digits.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
            let value = UInt64(digits, radix: 16)
        else { return nil }
        self.init(value)
    }
}
