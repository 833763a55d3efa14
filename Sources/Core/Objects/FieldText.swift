/// The text form of field values: what `cat` shows of a field and `echo` writes to it.
///
/// - Integers: decimal, with or without a sign, or hexadecimal behind `0x`.
/// - Floats: the shortest text that reads back as the same value; `inf` and `nan` as well.
/// - `bool`: written 0 or 1, read from 0, 1, true and false.
/// - Arrays: one value a line; read with any blanks between values, exactly as many as there are.
/// - `string`: shown as its text and a line end; what is parsed is the text itself.
/// - `bytes`: the bytes themselves, padded with NUL.
///
/// References have no text: they are links.
public enum FieldText {
    /// Turns the text of a whole field into its bytes.
    ///
    /// - Parameter bytes: what is filled; `field.byteCount` bytes, undefined if an error is thrown.
    /// - Throws: `.invalid` if the text is no value of the type, `.range` if the type cannot hold
    ///   it.
    public static func parse(
        _ text: UnsafeRawBufferPointer, for field: Field,
        into bytes: UnsafeMutableRawBufferPointer
    ) throws(ObjectError) {
        precondition(bytes.count == field.byteCount)
        guard !field.isReference else {
            throw ObjectError(.invalid, "\(field.name) is a reference; make a link of it instead.")
        }
        guard !field.isRaw else { return try unsafe parseRaw(text, for: field, into: bytes) }
        var words = unsafe FieldWords(text)
        for index in 0..<field.count {
            guard let word = unsafe words.next() else {
                throw ObjectError(.invalid, countMessage(field, found: index))
            }
            let place = unsafe bytes.baseAddress! + index * field.type.elementSize
            unsafe try FieldValue.parse(word, for: field, into: place)
        }
        guard unsafe words.next() == nil else {
            throw ObjectError(.invalid, countMessage(field, found: nil))
        }
    }

    /// Turns the text of a whole field into its bytes.
    public static func parse(_ text: some StringProtocol, for field: Field) throws(ObjectError)
        -> [UInt8]
    {
        let text = text.systemBytes
        var bytes = [UInt8](repeating: 0, count: field.byteCount)
        // The closures of the standard library hand on errors untyped, so the result carries it.
        let result = unsafe text.withUnsafeBytes { text in
            unsafe bytes.withUnsafeMutableBytes { bytes in
                Result { () throws(ObjectError) in
                    try unsafe parse(text, for: field, into: bytes)
                }
            }
        }
        try result.get()
        return bytes
    }

    /// The values of an array as a command has them, parted by commas, parted by blanks.
    public static func withBlanks(_ text: some StringProtocol) -> String {
        let scalars = text.unicodeScalars.map { $0 == "," ? " " : $0 }
        return String(String.UnicodeScalarView(scalars))
    }

    /// Appends the text of a field's bytes: each value and a line end; of `bytes` them alone.
    public static func format(
        _ bytes: UnsafeRawBufferPointer, _ field: Field, into text: inout [UInt8]
    ) {
        precondition(bytes.count >= field.byteCount)
        guard !field.isRaw else {
            let raw = unsafe bytes[..<field.byteCount]
            if field.type == .string {
                unsafe text.append(contentsOf: string(UnsafeRawBufferPointer(rebasing: raw)))
                text.append(UInt8(ascii: "\n"))
            } else {
                unsafe text.append(contentsOf: raw)
            }
            return
        }
        for index in 0..<field.count {
            let place = unsafe bytes.baseAddress! + index * field.type.elementSize
            unsafe FieldValue.format(place, field.type, into: &text)
            text.append(UInt8(ascii: "\n"))
        }
    }

    /// The text of a string field's bytes: those up to its first NUL.
    public static func string(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let end = unsafe bytes.firstIndex(of: 0) ?? bytes.count
        return unsafe UnsafeRawBufferPointer(rebasing: bytes[..<end])
    }

    /// The text of a field's bytes.
    public static func format(_ bytes: [UInt8], _ field: Field) -> String {
        var text: [UInt8] = []
        unsafe bytes.withUnsafeBytes { unsafe format($0, field, into: &text) }
        return String(decoding: text, as: UTF8.self)
    }

    private static func parseRaw(
        _ text: UnsafeRawBufferPointer, for field: Field,
        into bytes: UnsafeMutableRawBufferPointer
    ) throws(ObjectError) {
        guard text.count <= field.byteCount else {
            throw ObjectError(
                .range,
                "\(field.name) holds \(field.byteCount) bytes, the value has \(text.count).")
        }
        if field.type == .string {
            guard unsafe !text.contains(0), unsafe String(validating: text, as: UTF8.self) != nil
            else {
                throw ObjectError(.invalid, "\(field.name) is a string: UTF-8 text without NUL.")
            }
        }
        unsafe bytes.copyMemory(from: text)
        for index in text.count..<field.byteCount { unsafe bytes[index] = 0 }
    }

    private static func countMessage(_ field: Field, found: Int?) -> String {
        guard field.count > 1 else {
            return found == nil
                ? "\(field.name) takes one value, not several."
                : "\(field.name) takes one \(field.type.name) value; the text is empty."
        }
        let found = found.map(String.init) ?? "more"
        return "\(field.name) takes exactly \(field.count) values, the text has \(found)."
    }
}

/// The words of a text, between blanks and line ends.
@safe
struct FieldWords {
    private let text: UnsafeRawBufferPointer
    private var position = 0

    init(_ text: UnsafeRawBufferPointer) {
        unsafe self.text = text
    }

    mutating func next() -> UnsafeRawBufferPointer? {
        while unsafe position < text.count, unsafe FieldWords.isBlank(text[position]) {
            position += 1
        }
        let start = position
        while unsafe position < text.count, unsafe !FieldWords.isBlank(text[position]) {
            position += 1
        }
        guard start < position else { return nil }
        return unsafe UnsafeRawBufferPointer(rebasing: text[start..<position])
    }

    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || (9...13).contains(byte)
    }
}
