/// What the text of a class declares.
public struct ClassDeclaration: Hashable, Sendable {
    /// Bytes that the place of each object is a multiple of, in address and in length: 8, or those
    /// of a line for objects that share none.
    public var alignment = ClassDeclaration.alignmentMin
    public var fields: [FieldDeclaration] = []

    static let alignmentMin = 8
    static let alignmentMax = Address.lineSize

    /// The class text, in its plainest spelling.
    public var text: String {
        let alignment =
            alignment == ClassDeclaration.alignmentMin ? "" : "align \(alignment)\n"
        return fields.reduce(into: alignment) { $0 += $1.text + "\n" }
    }
}

/// Reads the text form of a class: one field a line, `#` begins a comment, `align 64` gives each
/// object lines of its own.
///
///     align 64
///     int64          balance
///     ref<Account>   heir
///     ref<Object>    history[10]
///     string         label[32]
public enum ClassText {
    /// What `text` declares. An empty text declares a class without fields.
    ///
    /// - Throws: `.invalid` with the number of the line and what is wrong there, `.nameTooLong`,
    ///   `.tooBig` for a text above the limit.
    public static func parse(_ text: String) throws(ObjectError) -> ClassDeclaration {
        guard text.utf8.count <= ObjectLimits.classTextBytes else {
            throw ObjectError(
                .tooBig, "The text of a class may have \(ObjectLimits.classTextBytes) bytes.")
        }
        var declaration = ClassDeclaration()
        var names: Set<String> = []
        var isAligned = false
        var number = 0
        for line in text.unicodeScalars.split(
            separator: "\n", omittingEmptySubsequences: false)
        {
            number += 1
            var parser = ClassLineParser(line: line, number: number)
            switch try parser.content() {
            case .nothing: continue
            case .alignment(let alignment):
                guard !isAligned else { throw parser.error("align is already there") }
                isAligned = true
                declaration.alignment = alignment
            case .field(let field):
                guard names.insert(field.name).inserted else {
                    throw parser.error("the field \(field.name) is already there")
                }
                guard declaration.fields.count < ObjectLimits.fieldCount else {
                    throw parser.error("a class has at most \(ObjectLimits.fieldCount) fields")
                }
                declaration.fields.append(field)
            }
        }
        return declaration
    }

    /// What the bytes of a file declare.
    public static func parse(_ bytes: UnsafeRawBufferPointer) throws(ObjectError)
        -> ClassDeclaration
    {
        guard let text = unsafe String(validating: bytes, as: UTF8.self) else {
            throw ObjectError(.invalid, "The text of a class must be UTF-8.")
        }
        return try parse(text)
    }

    /// True if `name` can be the name of a class or field: a letter or `_`, then letters, digits
    /// and `_`.
    static func isIdentifier(_ name: some StringProtocol) -> Bool {
        guard let first = name.utf8.first, isLetter(first) else { return false }
        return name.utf8.allSatisfy { isLetter($0) || isDigit($0) }
    }

    static func isLetter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }

    static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
