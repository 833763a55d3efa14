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
            throw ObjectError.tooBig(.classText)
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
            throw ObjectError.invalid(.classTextNotUTF8)
        }
        return try parse(text)
    }

    /// True if `name` can be the name of a class or field: a letter or `_`, then letters, digits
    /// and `_`.
    public static func isIdentifier(_ name: some StringProtocol) -> Bool {
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

/// Reads one line of class text: `TYPE NAME`, `TYPE NAME[COUNT]` or `align 64`, blanks anywhere
/// between words.
struct ClassLineParser {
    enum Content {
        /// Only blanks and a comment.
        case nothing
        case alignment(Int)
        case field(FieldDeclaration)
    }

    private let line: Substring.UnicodeScalarView
    private let number: Int
    private var position: Substring.UnicodeScalarView.Index

    init(line: Substring.UnicodeScalarView.SubSequence, number: Int) {
        self.line = line
        self.number = number
        self.position = line.startIndex
    }

    func error(_ what: String) -> ObjectError {
        ObjectError.invalid(.classText(line: number, what))
    }

    mutating func content() throws(ObjectError) -> Content {
        guard let first = word() else {
            if isAtEnd { return .nothing }
            throw error("it must begin with a type such as int64 or ref<Object>")
        }
        guard first == "align" else { return .field(try declaration(typeWord: first)) }
        guard let number = word(), isAtEnd, number == String(ClassDeclaration.alignmentMax) else {
            throw error(
                "it is written align \(ClassDeclaration.alignmentMax), the bytes of a line")
        }
        return .alignment(ClassDeclaration.alignmentMax)
    }

    private mutating func declaration(
        typeWord: Substring
    ) throws(ObjectError) -> FieldDeclaration {
        if typeWord == "indirect" {
            throw error("indirect fields are not supported yet; leave the word indirect out")
        }
        var declaration = FieldDeclaration(
            name: "", type: .reference, targetName: "", arrayCount: nil, rawByteCount: 0)
        if typeWord == "ref" {
            declaration.targetName = try targetName()
        } else if let type = FieldType(scalarName: typeWord) {
            declaration.type = type
        } else {
            throw error(
                "\(clipped(typeWord)) is not a type; types are int8 to int64, "
                    + "uint8 to uint64, float32, float64, bool, string, bytes and ref<Class>")
        }
        declaration.name = try fieldName()
        try brackets(of: &declaration)
        guard isAtEnd else { throw error("there is more than one field; each needs its own line") }
        return declaration
    }

    private mutating func targetName() throws(ObjectError) -> String {
        guard take("<"), let target = word(), take(">") else {
            throw error("a reference is written ref<Class> or ref<Object>")
        }
        guard ClassText.isIdentifier(target) else {
            throw error("\(clipped(target)) is no class name")
        }
        guard target.utf8.count <= ObjectLimits.nameBytes else {
            throw ObjectError.nameTooLong(.class, max: ObjectLimits.nameBytes)
        }
        return String(target)
    }

    private mutating func fieldName() throws(ObjectError) -> String {
        guard let name = word() else { throw error("the name of the field is missing") }
        guard ClassText.isIdentifier(name) else {
            throw error("\(clipped(name)) is no field name; use letters, digits and _")
        }
        guard name.utf8.count <= ObjectLimits.nameBytes else {
            throw ObjectError.nameTooLong(.field, max: ObjectLimits.nameBytes)
        }
        return String(name)
    }

    private mutating func brackets(of declaration: inout FieldDeclaration) throws(ObjectError) {
        guard take("[") else {
            guard !declaration.type.isRaw else {
                throw error(
                    "\(declaration.type.name) needs its bytes: "
                        + "\(declaration.type.name) \(declaration.name)[32]")
            }
            return
        }
        let countMax = ObjectLimits.objectBytes / declaration.type.elementSize
        guard let digits = word(), digits.utf8.allSatisfy(ClassText.isDigit),
            let count = Int(digits),
            (1...countMax).contains(count), take("]")
        else { throw error("the number in brackets must be 1 to \(countMax)") }
        if declaration.type.isRaw {
            declaration.rawByteCount = count
        } else {
            declaration.arrayCount = count
        }
    }

    // MARK: Words

    private var isAtEnd: Bool { position == line.endIndex || line[position] == "#" }

    private mutating func skipBlanks() {
        while position < line.endIndex, [" ", "\t", "\r"].contains(line[position]) {
            line.formIndex(after: &position)
        }
    }

    /// The next run of characters that are neither blank nor punctuation; nil if there is none.
    private mutating func word() -> Substring? {
        skipBlanks()
        let start = position
        while position < line.endIndex,
            ![" ", "\t", "\r", "<", ">", "[", "]", "#"].contains(line[position])
        {
            line.formIndex(after: &position)
        }
        defer { skipBlanks() }
        return start == position ? nil : Substring(line[start..<position])
    }

    private mutating func take(_ sign: Unicode.Scalar) -> Bool {
        skipBlanks()
        guard position < line.endIndex, line[position] == sign else { return false }
        line.formIndex(after: &position)
        skipBlanks()
        return true
    }

    /// Foreign text as a message shows it: short, and on one line.
    private func clipped(_ text: Substring) -> String {
        text.count <= 40 ? String(text) : text.prefix(40) + "..."
    }
}
