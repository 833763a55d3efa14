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
        ObjectError(.invalid, "Line \(number) of the class text: \(what).")
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
            throw ObjectError(
                .nameTooLong, "A class name has at most \(ObjectLimits.nameBytes) bytes.")
        }
        return String(target)
    }

    private mutating func fieldName() throws(ObjectError) -> String {
        guard let name = word() else { throw error("the name of the field is missing") }
        guard ClassText.isIdentifier(name) else {
            throw error("\(clipped(name)) is no field name; use letters, digits and _")
        }
        guard name.utf8.count <= ObjectLimits.nameBytes else {
            throw ObjectError(
                .nameTooLong, "A field name has at most \(ObjectLimits.nameBytes) bytes.")
        }
        // The directory of an object has entries of these names beside its fields.
        guard name != "class", name != "raw" else {
            throw error("class and raw are entries of every object; choose another field name")
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

    private mutating func take(_ mark: Unicode.Scalar) -> Bool {
        skipBlanks()
        guard position < line.endIndex, line[position] == mark else { return false }
        line.formIndex(after: &position)
        skipBlanks()
        return true
    }

    /// Foreign text as a message shows it: short, and on one line.
    private func clipped(_ text: Substring) -> String {
        text.count <= 40 ? String(text) : text.prefix(40) + "..."
    }
}
