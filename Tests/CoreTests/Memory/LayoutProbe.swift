import Glibc

@testable import RainbowCore

/// A `meta` of no space, in which each structure is asked where its words are.
///
/// Some structures hand out their words, whose addresses tell the offset. Others hand out values
/// only: these read memory in which each byte of a word is the word's number + 1.
@safe
final class LayoutProbe {
    let meta: SharedMemory
    private let base: UnsafeMutableRawPointer

    init() throws {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        let found = unsafe mmap(
            nil, SpaceLayout.metaSize, PROT_READ | PROT_WRITE, flags, -1, 0)
        guard let found = unsafe found, unsafe found != MAP_FAILED else {
            throw SystemError(errno: errno, action: "map memory for a test")
        }
        unsafe base = found
        meta = unsafe SharedMemory(found)
    }

    deinit { unsafe munmap(base, SpaceLayout.metaSize) }

    /// Bytes from the start of `meta` to a word.
    func offset(of word: SharedWord) -> Int {
        unsafe UnsafeMutableRawPointer(word.cell) - base
    }

    /// Lets the words of a structure tell their numbers, up to 127 of them.
    func number(at offset: Int, count: Int) {
        for index in 0..<min(count / 8, 127) {
            meta[offset + index * 8].store(UInt64(index + 1) &* 0x0101_0101_0101_0101)
        }
    }

    /// The offset of a numbered word with this value.
    static func offset(_ value: UInt64) -> Int { (Int(value & 0xff) - 1) * 8 }

    /// The offset of the text that was read from numbered words.
    static func offset(_ text: String) -> Int { offset(UInt64(text.utf8.first ?? 1)) }

    /// The offset of the only word with this value among `count` bytes of memory.
    static func offset(of value: UInt64, in memory: SharedMemory, count: Int) -> Int {
        let found = stride(from: 0, to: count, by: 8).filter { memory[$0].load() == value }
        return found.count == 1 ? found[0] : -1
    }

    /// The lowest bit that `field` makes 1 of.
    static func shift(_ field: (UInt64) -> Int) -> Int {
        (0..<64).first { field(1 << UInt64($0)) == 1 } ?? -1
    }
}
