import TestSupport
import Testing

@testable import RainbowCore

@Suite("The text of a class")
struct ClassTextTests {
    @Test("Comments, blanks and carriage returns between the words make no difference")
    func readsLooseSpelling() throws {
        let plain = try ClassText.parse(
            "int64 balance\nref<Account> heir\nref<Object> history[10]\nstring label[32]\n")
        let loose = try ClassText.parse(
            """
            # comment

              int64\tbalance # the sum\r
            ref < Account >  heir
            ref<Object> history [ 10 ]
            string label[32]
            """)
        #expect(plain == loose)
        #expect(plain.fields.map(\.name) == ["balance", "heir", "history", "label"])
        #expect(plain.fields.map(\.byteCount) == [8, 8, 80, 32])
    }

    @Test("A declaration reads back as it was written", arguments: FieldType.allCases)
    func roundTrips(type: FieldType) throws {
        let isRaw = type.isRaw
        for count in isRaw ? [1, 7, 4096] : [nil, 1, 7, 4096] {
            let declaration = FieldDeclaration(
                name: "a_1", type: type, targetName: type == .reference ? "Object" : "",
                arrayCount: isRaw ? nil : count, rawByteCount: isRaw ? count ?? 0 : 0)
            #expect(try ClassText.parse(declaration.text).fields == [declaration])
        }
    }

    @Test("The alignment may stand on any line, and reads back as the first one")
    func alignment() throws {
        let field = FieldDeclaration(
            name: "align", type: .int64, targetName: "", arrayCount: nil, rawByteCount: 0)
        for text in ["align 64\nint64 align\n", " int64 align # x\n\talign  64 # y"] {
            let declaration = try ClassText.parse(text)
            #expect(declaration == ClassDeclaration(alignment: 64, fields: [field]))
            #expect(declaration.text == "align 64\nint64 align\n")
        }
        #expect(try ClassText.parse("align 64").text == "align 64\n")
        #expect(try ClassText.parse("int64 align").alignment == 8)
    }

    @Test(
        "A bad line is refused with its number and the reason",
        arguments: [
            ("integer x", "integer"), ("int64", "name"), ("int64 1x", "1x"), ("int64 x y", "line"),
            ("ref x", "ref<Class>"), ("ref<> x", "ref<Class>"), ("ref<1> x", "class name"),
            ("string s", "string s[32]"), ("int64 x[0]", "brackets"), ("int64 x[-1]", "brackets"),
            ("int64 x[9999999999999999999999]", "brackets"), ("int64 x[1", "brackets"),
            ("indirect int64 x[1]", "not supported yet"), ("<", "type"),
            ("int64 x\nint8 x", "already"),
            ("int64 caf\u{e9}", "letters"), ("align", "align 64"), ("align 32", "align 64"),
            ("align 64 64", "align 64"), ("align 64\nint8 x\nalign 64", "already"),
        ])
    func refuses(text: String, reason: String) {
        let error = #expect(throws: ObjectError.self) {
            try ClassText.parse("# first\n" + text)
        }
        #expect(error?.kind == .invalid)
        #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
        guard case .invalid(.classText(line: 2...4, _)) = error else {
            Issue.record("names no line: \(String(describing: error))")
            return
        }
    }

    @Test("Fields, names, texts and objects have limits")
    func limits() throws {
        let lines = (0..<256).map { "int8 f\($0)\n" }.joined()
        #expect(try ClassText.parse(lines).fields.count == 256)
        #expect(throws: ObjectError.self) { try ClassText.parse(lines + "int8 more") }
        let name = String(repeating: "n", count: 48)
        #expect(try ClassText.parse("int8 \(name)").fields.count == 1)
        let long = #expect(throws: ObjectError.self) { try ClassText.parse("int8 \(name)n") }
        #expect(long?.kind == .nameTooLong)
        let text = String(repeating: "#", count: ObjectLimits.classTextBytes + 1)
        let big = #expect(throws: ObjectError.self) { try ClassText.parse(text) }
        #expect(big?.kind == .tooBig)
        let wide = try ClassText.parse("bytes a[1048576]")
        let tooWide = #expect(throws: ObjectError.self) { try ClassLayout(wide) }
        #expect(tooWide?.kind == .tooBig)
        #expect(try ClassLayout(try ClassText.parse("bytes a[1048568]")).size == 1 << 20)
    }

    @Test("References lie below the header, scalars aligned above it")
    func layout() throws {
        let text = """
            int8 a
            ref<Object> r
            int32 b
            ref<Object> s[2]
            bool c
            float64 d
            string e[3]
            int16 f[2]
            ref<Object> t
            """
        let layout = try ClassLayout(try ClassText.parse(text))
        #expect(layout.offsets == [8, -8, 12, -16, 16, 24, 32, 36, -32])
        #expect(layout.referenceCount == 4)
        #expect(layout.scalarBytes == 32)
        #expect(layout.size == 32 + 8 + 32)
        #expect(try ClassLayout(ClassDeclaration()).size == 8)
    }

    @Test("Random and mutated texts are read or refused, and nothing else happens")
    func fuzz() throws {
        var random = SeededGenerator(seed: printedSeed("class text fuzz"))
        let sound = Array(
            "# c\nalign 64\nint64 balance\nref<Account> heir[3]\nstring s[32]\nbool b\n".utf8)
        for _ in 0..<20_000 {
            var bytes = sound
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: index)
                default: bytes.insert(contentsOf: bytes.prefix(index), at: index)
                }
                if bytes.isEmpty { bytes = [35] }
            }
            do {
                let declaration = try unsafe bytes.withUnsafeBytes { bytes in
                    try unsafe ClassText.parse(bytes)
                }
                #expect(try ClassText.parse(declaration.text) == declaration)
            } catch let error as ObjectError {
                #expect([.invalid, .nameTooLong, .tooBig].contains(error.kind))
            }
        }
    }
}
