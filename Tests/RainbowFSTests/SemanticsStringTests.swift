import Glibc
import RainbowCore
import Testing

@testable import RainbowFS

/// The lines of Docs/Semantics.md about fields of type `string`.
@Suite struct SemanticsStringTests {
    let bank: Bank
    let fixture: TreeFixture
    let label: String

    init() throws {
        bank = try Bank()
        fixture = bank.fixture
        label = try bank.new("label=abc") + "/label"
    }

    private func put(_ text: String, at offset: UInt64, _ flags: Int32 = O_WRONLY) throws {
        let file = try fixture.open(label, flags)
        defer { file.close() }
        try file.put(Array(text.utf8), at: offset)
        try file.flush()
    }

    @Test("A string reads as its text and a line end, which its size counts.")
    func reading() throws {
        #expect(try fixture.read(label) == "abc\n")
        #expect(try fixture.attributes(label).size == 4)
        #expect(try fixture.read(bank.new() + "/label") == "\n")
        let full = try bank.new("label=12345678") + "/label"
        #expect(try fixture.read(full) == "12345678\n")
        #expect(try fixture.attributes(full).size == 9)
        let file = try fixture.open(label, O_RDWR)
        let first = try file.piece(at: 0, 2)
        try fixture.write("other", to: label)
        #expect(try first + file.all(1, from: 2) == Array("abc\n".utf8), "one version")
        try file.put(Array("O".utf8), at: 0)
        #expect(try file.piece(at: 1, 9) == Array("ther\n".utf8), "its own write is seen")
    }

    @Test("A write drops one line end at the end of the text; `string[N]` takes N bytes and one.")
    func dropping() throws {
        let cases = [
            ("", "\n"), ("x", "x"), ("x", "x\n"), ("x\n", "x\n\n"), ("\n", "\n\n"),
            ("12345678", "12345678"), ("12345678", "12345678\n"), ("1234567\n", "1234567\n\n"),
            ("a\nb", "a\nb\n"), ("\u{e4}\u{20ac}", "\u{e4}\u{20ac}\n"),
        ]
        for (text, written) in cases {
            try fixture.write(written, to: label)
            #expect(try fixture.read(label) == text + "\n")
        }
    }

    @Test("A write that goes on after a dropped line end puts it back.")
    func goingOn() throws {
        let file = try fixture.open(label, O_WRONLY | O_TRUNC)
        try file.put(Array("a\n".utf8), at: 0)
        #expect(try fixture.read(label) == "a\n")
        try file.put(Array("b\n".utf8), at: 2)
        #expect(try fixture.read(label) == "a\nb\n")
        try file.put(Array("\n".utf8), at: 4)
        #expect(try fixture.read(label) == "a\nb\n\n")
        let other = try fixture.open(label, O_WRONLY | O_APPEND)
        try other.put(Array("c\n".utf8), at: 5, isAppend: true)
        try other.put(Array("d\n".utf8), at: 5, isAppend: true)
        #expect(try fixture.read(label) == "a\nb\nc\nd\n")
        for text in ["", "x", "x\n", "12345678", "\n\n\n"] {
            let copy = try fixture.open(label, O_WRONLY | O_TRUNC)
            for (index, byte) in (text + "\n").utf8.enumerated() {
                try copy.put([byte], at: UInt64(index))
            }
            try copy.flush()
            #expect(try fixture.read(label) == text + "\n", "byte by byte")
        }
    }

    @Test("Without O_TRUNC a string is written in place, line ends within the text as well.")
    func inPlace() throws {
        try fixture.write("abcdefgh", to: label)
        try put("XY", at: 2)
        #expect(try fixture.read(label) == "abXYefgh\n")
        try put("1\n", at: 0)
        #expect(try fixture.read(label) == "1\nXYefgh\n")
        try put("gh\n", at: 6)
        #expect(try fixture.read(label) == "1\nXYefgh\n")
        try fixture.write("ab", to: label)
        try put("12345\n", at: 1)
        #expect(try fixture.read(label) == "a12345\n")
        try put("6", at: 7)
        #expect(try fixture.read(label) == "a12345\n6\n")
    }

    @Test("Appending to a string adds to its text.")
    func appending() throws {
        try fixture.write("de\n", to: label, append: true)
        #expect(try fixture.read(label) == "abcde\n")
        try fixture.write("\n", to: label, append: true)
        #expect(try fixture.read(label) == "abcde\n")
        try fixture.write("fgh", to: label, append: true)
        expectError(ERANGE) { try fixture.write("i", to: label, append: true) }
        #expect(try fixture.read(label) == "abcdefgh\n")
    }

    @Test(
        "A character that a write cuts waits for the next one; if none comes, close(2) says EINVAL."
    )
    func cutCharacters() throws {
        let text = "a\u{e4}\u{20ac}"
        let file = try fixture.open(label, O_WRONLY | O_TRUNC)
        for (index, byte) in text.utf8.enumerated() { try file.put([byte], at: UInt64(index)) }
        try file.flush()
        #expect(try fixture.read(label) == text + "\n")
        try file.put([0xf0, 0x9f], at: 6)
        expectError(EINVAL) { try file.flush() }
        #expect(try fixture.read(label) == text + "\n")
        expectError(EINVAL) { try file.put([0x98], at: 0) }
        try file.flush()
        let cut = try fixture.open(label, O_WRONLY | O_TRUNC)
        try cut.put([0xe2], at: 0)
        expectError(EINVAL) { try cut.flush() }
        #expect(try fixture.read(label) == text + "\n", "nothing but a part of a character")
        try cut.put([0x82, 0xac, 10], at: 1)
        try cut.flush()
        #expect(try fixture.read(label) == "\u{20ac}\n")
        let append = try fixture.open(label, O_WRONLY | O_APPEND)
        try append.put([UInt8(ascii: "y"), 10], at: 0, isAppend: true)
        try append.put([0xc3], at: 0, isAppend: true)
        try append.put([0xa4], at: 0, isAppend: true)
        #expect(try fixture.read(label) == "\u{20ac}y\n\u{e4}\n")
    }

    @Test("What is no UTF-8 or has NUL fails with EINVAL, too long a text with ERANGE.")
    func refusing() throws {
        let bad: [[UInt8]] = [
            [0xff, 0xfe], [0x80], [0xc0, 0x80], [0xed, 0xa0], [0xf5], [0xf0, 0x80], [97, 0, 98],
            [0],
            [0xc3, 10], [0xe2, 0x82, 97],
        ]
        for bytes in bad {
            let file = try fixture.open(label, O_WRONLY | O_TRUNC)
            expectError(EINVAL) { try file.put(bytes, at: 0) }
            let inPlace = try fixture.open(label, O_WRONLY)
            expectError(EINVAL) { try inPlace.put(bytes, at: 1) }
        }
        expectError(ERANGE) { try fixture.write("123456789", to: label) }
        expectError(ERANGE) { try fixture.write("12345678\n\n", to: label) }
        expectError(ERANGE) { try put("345678", at: 3) }
        #expect(try fixture.read(label) == "abc\n")
    }

    @Test("A write that would leave a gap past the end of the text fails with EPERM.")
    func gap() throws {
        for offset in [5, 8, 9, UInt64.max] {
            expectError(EPERM) { try put("1", at: offset) }
        }
        #expect(try fixture.read(label) == "abc\n")
    }
}
