import Glibc
import RainbowCore

/// The text form of one number or truth value.
enum FieldValue {
    /// Turns one word into the bytes of a value of the field's type.
    static func parse(
        _ word: UnsafeRawBufferPointer, for field: FieldDescriptor,
        into location: UnsafeMutableRawPointer
    ) throws(TreeError) {
        switch field.type {
        case .int8: try unsafe integer(word, field, Int8.self, location)
        case .int16: try unsafe integer(word, field, Int16.self, location)
        case .int32: try unsafe integer(word, field, Int32.self, location)
        case .int64: try unsafe integer(word, field, Int64.self, location)
        case .uint8: try unsafe integer(word, field, UInt8.self, location)
        case .uint16: try unsafe integer(word, field, UInt16.self, location)
        case .uint32: try unsafe integer(word, field, UInt32.self, location)
        case .uint64: try unsafe integer(word, field, UInt64.self, location)
        case .float32: try unsafe float(word, field, Float.self, location)
        case .float64: try unsafe float(word, field, Double.self, location)
        case .bool: try unsafe bool(word, field, location)
        case .string, .bytes, .reference: preconditionFailure("not a type of single values")
        }
    }

    /// Appends the text of the value at `location`.
    static func format(_ location: UnsafeRawPointer, _ type: FieldType, into text: inout [UInt8]) {
        switch type {
        case .int8: unsafe integer(location, Int8.self, &text)
        case .int16: unsafe integer(location, Int16.self, &text)
        case .int32: unsafe integer(location, Int32.self, &text)
        case .int64: unsafe integer(location, Int64.self, &text)
        case .uint8: unsafe integer(location, UInt8.self, &text)
        case .uint16: unsafe integer(location, UInt16.self, &text)
        case .uint32: unsafe integer(location, UInt32.self, &text)
        case .uint64, .reference: unsafe integer(location, UInt64.self, &text)
        case .float32:
            text.append(contentsOf: "\(unsafe location.loadUnaligned(as: Float.self))".utf8)
        case .float64:
            text.append(contentsOf: "\(unsafe location.loadUnaligned(as: Double.self))".utf8)
        case .bool:
            let isTrue = unsafe location.load(as: UInt8.self) != 0
            text.append(UInt8(ascii: isTrue ? "1" : "0"))
        case .string, .bytes: preconditionFailure("not a type of single values")
        }
    }

    // MARK: Integers

    private static func integer<T: FixedWidthInteger>(
        _ word: UnsafeRawBufferPointer, _ field: FieldDescriptor, _ type: T.Type,
        _ location: UnsafeMutableRawPointer
    ) throws(TreeError) {
        var digits = unsafe word[...]
        let isNegative = unsafe digits.first == UInt8(ascii: "-")
        if unsafe isNegative || digits.first == UInt8(ascii: "+") { unsafe digits.removeFirst() }
        var radix: UInt64 = 10
        if unsafe digits.count > 2, unsafe digits.first == UInt8(ascii: "0"),
            unsafe digits[digits.startIndex + 1] | 0x20 == UInt8(ascii: "x")
        {
            radix = 16
            unsafe digits.removeFirst(2)
        }
        guard unsafe !digits.isEmpty else { throw unsafe invalid(word, field) }
        var magnitude: UInt64 = 0
        var isTooLarge = false
        for index in unsafe digits.indices {
            let byte = unsafe digits[index]
            guard let digit = digitValue(byte), digit < radix else {
                throw unsafe invalid(word, field)
            }
            let (product, overflow) = magnitude.multipliedReportingOverflow(by: radix)
            let (sum, carry) = product.addingReportingOverflow(digit)
            isTooLarge = isTooLarge || overflow || carry
            magnitude = sum
        }
        guard !isTooLarge, let value = signed(magnitude, isNegative, as: type) else {
            throw TreeError(
                ERANGE, "\(field.name) is \(field.type.name): \(T.min) to \(T.max).")
        }
        unsafe location.storeBytes(of: value, as: type)
    }

    private static func signed<T: FixedWidthInteger>(
        _ magnitude: UInt64, _ isNegative: Bool, as type: T.Type
    ) -> T? {
        guard isNegative else { return T(exactly: magnitude) }
        guard magnitude <= Int64.min.magnitude else { return nil }
        return T(exactly: Int64(truncatingIfNeeded: 0 &- magnitude))
    }

    private static func digitValue(_ byte: UInt8) -> UInt64? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }

    private static func integer<T: FixedWidthInteger>(
        _ location: UnsafeRawPointer, _ type: T.Type, _ text: inout [UInt8]
    ) {
        var value = T.zero
        unsafe withUnsafeMutableBytes(of: &value) {
            unsafe $0.copyMemory(from: UnsafeRawBufferPointer(start: location, count: $0.count))
        }
        if value < 0 { text.append(UInt8(ascii: "-")) }
        let first = text.count
        var rest = UInt64(value.magnitude)
        repeat {
            text.append(UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
        } while rest > 0
        // Reversing a slice would copy the array.
        var (low, high) = (first, text.count - 1)
        while low < high {
            text.swapAt(low, high)
            (low, high) = (low + 1, high - 1)
        }
    }

    // MARK: Floats and truth values

    private static func float<T: BinaryFloatingPoint & LosslessStringConvertible>(
        _ word: UnsafeRawBufferPointer, _ field: FieldDescriptor, _ type: T.Type,
        _ location: UnsafeMutableRawPointer
    ) throws(TreeError) {
        let text = unsafe String(decoding: word, as: UTF8.self)
        guard let value = T(text) else { throw unsafe invalid(word, field) }
        // A number that is too large reads as infinity, as does the word for it.
        let isNumber = unsafe word.contains { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard value.isFinite || !isNumber || value.isNaN else {
            throw TreeError(
                ERANGE,
                "\(field.name) is \(field.type.name), at most \(T.greatestFiniteMagnitude)."
            )
        }
        unsafe withUnsafeBytes(of: value) {
            unsafe location.copyMemory(from: $0.baseAddress!, byteCount: $0.count)
        }
    }

    private static func bool(
        _ word: UnsafeRawBufferPointer, _ field: FieldDescriptor,
        _ location: UnsafeMutableRawPointer
    ) throws(TreeError) {
        let value: UInt8
        switch unsafe String(decoding: word.prefix(8), as: UTF8.self).lowercased() {
        case "1", "true": value = 1
        case "0", "false": value = 0
        default: throw unsafe invalid(word, field)
        }
        unsafe location.storeBytes(of: value, as: UInt8.self)
    }

    private static func invalid(_ word: UnsafeRawBufferPointer, _ field: FieldDescriptor)
        -> TreeError
    {
        let shown = unsafe String(decoding: word.prefix(40), as: UTF8.self)
        return TreeError(
            EINVAL, "\(field.name) is \(field.type.name); \"\(shown)\" is no such value.")
    }
}

/// The text form of field values: what `cat` shows of a field and `echo` writes to it.
///
/// - Integers: decimal, with or without a sign, or hexadecimal after `0x`.
/// - Floats: the shortest text that reads back as the same value; `inf` and `nan` as well.
/// - `bool`: written 0 or 1, read from 0, 1, true and false.
/// - Arrays: one value a line; read with any blanks between values, exactly as many as there are.
/// - `string`: shown as its text and a line end; what is parsed is the text itself.
/// - `bytes`: the bytes themselves, padded with NUL.
///
/// References have no text: they are links.
enum FieldText {
    /// Turns the text of a whole field into its bytes.
    ///
    /// - Parameter bytes: what is filled; `field.byteCount` bytes, undefined if an error is thrown.
    /// - Throws: EINVAL if the text is no value of the type, ERANGE if the type cannot hold
    ///   it.
    static func parse(
        _ text: UnsafeRawBufferPointer, for field: FieldDescriptor,
        into bytes: UnsafeMutableRawBufferPointer
    ) throws(TreeError) {
        precondition(bytes.count == field.byteCount)
        guard !field.isReference else {
            throw TreeError(EINVAL, "\(field.name) is a reference; make a link of it instead.")
        }
        guard !field.isRaw else { return try unsafe parseRaw(text, for: field, into: bytes) }
        var words = unsafe FieldWords(text)
        for index in 0..<field.count {
            guard let word = unsafe words.next() else {
                throw TreeError(EINVAL, countMessage(field, found: index))
            }
            let location = unsafe bytes.baseAddress! + index * field.type.elementSize
            unsafe try FieldValue.parse(word, for: field, into: location)
        }
        guard unsafe words.next() == nil else {
            throw TreeError(EINVAL, countMessage(field, found: nil))
        }
    }

    /// Turns the text of a whole field into its bytes.
    static func parse(_ text: some StringProtocol, for field: FieldDescriptor)
        throws(TreeError)
        -> [UInt8]
    {
        let text = text.systemBytes
        var bytes = [UInt8](repeating: 0, count: field.byteCount)
        // The closures of the standard library hand on errors untyped, so the result carries it.
        let result = unsafe text.withUnsafeBytes { text in
            unsafe bytes.withUnsafeMutableBytes { bytes in
                Result { () throws(TreeError) in
                    try unsafe parse(text, for: field, into: bytes)
                }
            }
        }
        try result.get()
        return bytes
    }

    /// The values of an array as a command has them, parted by commas, parted by blanks.
    static func withBlanks(_ text: some StringProtocol) -> String {
        let scalars = text.unicodeScalars.map { $0 == "," ? " " : $0 }
        return String(String.UnicodeScalarView(scalars))
    }

    /// Appends the text of a field's bytes: each value and a line end; of `bytes` them alone.
    static func format(
        _ bytes: UnsafeRawBufferPointer, _ field: FieldDescriptor, into text: inout [UInt8]
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
            let location = unsafe bytes.baseAddress! + index * field.type.elementSize
            unsafe FieldValue.format(location, field.type, into: &text)
            text.append(UInt8(ascii: "\n"))
        }
    }

    /// The text of a string field's bytes: those up to its first NUL.
    static func string(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let end = unsafe bytes.firstIndex(of: 0) ?? bytes.count
        return unsafe UnsafeRawBufferPointer(rebasing: bytes[..<end])
    }

    /// The text of a field's bytes.
    static func format(_ bytes: [UInt8], _ field: FieldDescriptor) -> String {
        var text: [UInt8] = []
        unsafe bytes.withUnsafeBytes { unsafe format($0, field, into: &text) }
        return String(decoding: text, as: UTF8.self)
    }

    private static func parseRaw(
        _ text: UnsafeRawBufferPointer, for field: FieldDescriptor,
        into bytes: UnsafeMutableRawBufferPointer
    ) throws(TreeError) {
        guard text.count <= field.byteCount else {
            throw TreeError(
                ERANGE,
                "\(field.name) holds \(field.byteCount) bytes, the value has \(text.count).")
        }
        if field.type == .string {
            guard unsafe !text.contains(0), unsafe String(validating: text, as: UTF8.self) != nil
            else {
                throw TreeError(EINVAL, "\(field.name) is a string: UTF-8 text without NUL.")
            }
        }
        unsafe bytes.copyMemory(from: text)
        for index in text.count..<field.byteCount { unsafe bytes[index] = 0 }
    }

    private static func countMessage(_ field: FieldDescriptor, found: Int?) -> String {
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

    static func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || (9...13).contains(byte)
    }
}

extension FieldText {
    /// Turns text that may hold only the first values of an array into their bytes.
    ///
    /// - Parameter bytes: `field.byteCount` bytes, of which those of the values found are filled;
    ///   undefined if an error is thrown.
    /// - Returns: how many values the text has.
    /// - Throws: EINVAL if there are more than the field has or one is no value of the type,
    ///   ERANGE if the type cannot hold one.
    static func parsePrefix(
        _ text: UnsafeRawBufferPointer, for field: FieldDescriptor,
        into bytes: UnsafeMutableRawBufferPointer
    ) throws(TreeError) -> Int {
        precondition(bytes.count == field.byteCount && !field.isReference && !field.isRaw)
        var words = unsafe FieldWords(text)
        var count = 0
        while let word = unsafe words.next() {
            guard count < field.count else {
                throw TreeError(
                    EINVAL, "\(field.name) takes \(field.count) values, the text has more.")
            }
            let location = unsafe bytes.baseAddress! + count * field.type.elementSize
            unsafe try FieldValue.parse(word, for: field, into: location)
            count += 1
        }
        return count
    }
}
