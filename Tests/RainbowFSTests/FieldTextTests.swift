import Glibc
import TestSupport
import Testing

@testable import RainbowCore
@testable import RainbowFS

@Suite("The text of a field")
struct FieldTextTests {
    /// A field of its own, outside of all classes.
    static func field(_ declaration: String) throws -> FieldDescriptor {
        let declarations = try ClassText.parse(declaration)
        let identity = ClassIdentity(address: .null, revision: 0, isSystem: false)
        return FieldDescriptor(
            declarations.fields[0], target: .null, offset: 8, index: 0, of: identity)
    }

    static func roundTrip(_ text: String, _ declaration: String) throws -> String {
        let field = try field(declaration)
        return FieldText.format(try FieldText.parse(text, for: field), field)
    }

    @Test(
        "A value shows as it was written, in its plainest spelling",
        arguments: [
            ("int8 x", "-128\n", "-128\n"), ("int8 x", "+127", "127\n"),
            ("int64 x", "-9223372036854775808", "-9223372036854775808\n"),
            ("uint64 x", "18446744073709551615", "18446744073709551615\n"),
            ("uint64 x", "0xffffffffffffffff", "18446744073709551615\n"),
            ("int16 x", " \t007 \n", "7\n"), ("uint8 x", "-0", "0\n"), ("int32 x", "0X10", "16\n"),
            ("bool x", "true", "1\n"), ("bool x", "FALSE\n", "0\n"), ("bool x", "1", "1\n"),
            ("float64 x", "0.1", "0.1\n"), ("float32 x", "0.1", "0.1\n"),
            ("float64 x", "1e300", "1e+300\n"), ("float64 x", "inf", "inf\n"),
            ("float64 x", "-infinity", "-inf\n"), ("float64 x", "nan", "nan\n"),
            ("float64 x", "5", "5.0\n"), ("int8 x[3]", "1 2\n3", "1\n2\n3\n"),
            ("string x[4]", "abcd", "abcd\n"), ("string x[4]", "a\n", "a\n\n"),
            ("string x[4]", "", "\n"), ("string x[8]", "\u{e4}\u{20ac}", "\u{e4}\u{20ac}\n"),
        ])
    func roundTrips(declaration: String, text: String, shown: String) throws {
        #expect(try FieldTextTests.roundTrip(text, declaration) == shown)
    }

    @Test(
        "A text that is no value of the type is refused",
        arguments: [
            ("int8 x", "", EINVAL), ("int8 x", "\n", EINVAL),
            ("int8 x", "1 2", EINVAL), ("int8 x", "1.0", EINVAL), ("int8 x", "x", EINVAL),
            ("int8 x", "-", EINVAL), ("int8 x", "0x", EINVAL), ("int8 x", "0x80", ERANGE),
            ("int8 x", "128", ERANGE), ("int8 x", "-129", ERANGE), ("uint8 x", "-1", ERANGE),
            ("uint64 x", "18446744073709551616", ERANGE),
            ("uint64 x", "99999999999999999999999999", ERANGE),
            ("int64 x", "9223372036854775808", ERANGE), ("int64 x", "1e3", EINVAL),
            ("bool x", "2", EINVAL), ("bool x", "yes", EINVAL), ("float32 x", "1e39", ERANGE),
            ("float64 x", "-1e999", ERANGE), ("float64 x", "1,5", EINVAL),
            ("int8 x[3]", "1 2", EINVAL), ("int8 x[3]", "1 2 3 4", EINVAL),
            ("string x[4]", "abcde", ERANGE), ("string x[4]", "a\0b", EINVAL),
            ("ref<Object> x", "0x10", EINVAL),
        ])
    func refuses(declaration: String, text: String, errno: Int32) throws {
        let field = try FieldTextTests.field(declaration)
        let error = #expect(throws: TreeError.self) { try FieldText.parse(text, for: field) }
        #expect(error?.errno == errno)
        #expect(error?.message.contains("x") == true)
    }

    @Test("Every value of a type reads back from its own text", arguments: FieldType.allCases)
    func everyValueReadsBack(type: FieldType) throws {
        guard !type.isRaw, type != .reference else { return }
        var random = SeededGenerator(seed: printedSeed("values of \(type.name)"))
        let field = try FieldTextTests.field("\(type.name) x")
        for _ in 0..<2000 {
            var bytes = (0..<type.elementSize).map { _ in UInt8.random(in: 0...255, using: &random)
            }
            if type == .bool { bytes = [bytes[0] & 1] }
            let text = FieldText.format(bytes, field)
            // A NaN reads back as a NaN, its payload aside.
            if text.contains("nan") { continue }
            #expect(try FieldText.parse(text, for: field) == bytes, "\(text)")
        }
    }

    @Test("Random and mutated texts are read or refused, and nothing else happens")
    func fuzz() throws {
        var random = SeededGenerator(seed: printedSeed("field text fuzz"))
        let fields = try [
            "int8 x", "uint64 x", "int16 x[3]", "bool x[2]", "float32 x", "float64 x[2]",
            "string x[8]", "bytes x[8]",
        ].map(FieldTextTests.field)
        let alphabet = Array("0123456789+-.xXeEinfatrueINFNA \t\n\0\u{ff}".utf8)
        for _ in 0..<40_000 {
            let count = Int.random(in: 0...12, using: &random)
            let bytes = (0..<count).map { _ in alphabet.randomElement(using: &random)! }
            let field = fields.randomElement(using: &random)!
            var value = [UInt8](repeating: 0, count: field.byteCount)
            do {
                try unsafe bytes.withUnsafeBytes { text in
                    try unsafe value.withUnsafeMutableBytes { value in
                        try unsafe FieldText.parse(text, for: field, into: value)
                    }
                }
                _ = FieldText.format(value, field)
            } catch let error as TreeError {
                #expect([EINVAL, ERANGE].contains(error.errno))
            }
        }
    }
}
