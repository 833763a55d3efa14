/// Bits and bytes of a 64-bit word.
@usableFromInline
enum LineBytes {
    /// `count` bits from bit `first`, for 1 to 64 bits that lie within the word.
    @inlinable
    static func bits(_ count: UInt64, from first: UInt64) -> UInt64 {
        (~0 &>> (64 &- count)) &<< first
    }

    /// `old` with the bytes of `new` that `bytes` selects (bit i for byte i, byte 0 the lowest).
    @inlinable
    static func merge(_ new: UInt64, into old: UInt64, _ bytes: UInt64) -> UInt64 {
        // Copies the eight bits to all bytes, keeps bit i in byte i, and widens it to the byte.
        let spread = (bytes &* 0x0101_0101_0101_0101) & 0x8040_2010_0804_0201
        let high = ((spread &+ 0x7f7f_7f7f_7f7f_7f7f) | spread) & 0x8080_8080_8080_8080
        let mask = (high >> 7) &* 0xff
        return old & ~mask | new & mask
    }
}
