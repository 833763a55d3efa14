/// Reads the text form of a class: one field a line, `#` begins a comment.
///
///     int64          balance
///     ref<Account>   heir
///     ref<Object>    history[10]
///     string         label[32]
public enum ClassText {
    /// The fields that `text` declares, in order. An empty text declares a class without fields.
    ///
    /// - Throws: `.invalid` with the number of the line and what is wrong there, `.nameTooLong`,
    ///   `.tooBig` for a text above the limit.
    public static func parse(_ text: String) throws(ObjectError) -> [FieldDeclaration] {
        guard text.utf8.count <= ObjectLimits.classTextBytes else {
            throw ObjectError(
                .tooBig, "The text of a class may have \(ObjectLimits.classTextBytes) bytes.")
        }
        var declarations: [FieldDeclaration] = []
        var names: Set<String> = []
        var number = 0
        for line in text.unicodeScalars.split(
            separator: "\n", omittingEmptySubsequences: false)
        {
            number += 1
            var parser = ClassLineParser(line: line, number: number)
            guard let declaration = try parser.declaration() else { continue }
            guard names.insert(declaration.name).inserted else {
                throw parser.error("the field \(declaration.name) is already there")
            }
            guard declarations.count < ObjectLimits.fieldCount else {
                throw parser.error("a class has at most \(ObjectLimits.fieldCount) fields")
            }
            declarations.append(declaration)
        }
        return declarations
    }

    /// The fields that the bytes of a file declare.
    public static func parse(_ bytes: UnsafeRawBufferPointer) throws(ObjectError)
        -> [FieldDeclaration]
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
