/// The text form of one number or truth value.
enum FieldValue {
    /// Turns one word into the bytes of a value of the field's type.
    static func parse(
        _ word: UnsafeRawBufferPointer, for field: Field, into place: UnsafeMutableRawPointer
    ) throws(ObjectError) {
        switch field.type {
        case .int8: try unsafe integer(word, field, Int8.self, place)
        case .int16: try unsafe integer(word, field, Int16.self, place)
        case .int32: try unsafe integer(word, field, Int32.self, place)
        case .int64: try unsafe integer(word, field, Int64.self, place)
        case .uint8: try unsafe integer(word, field, UInt8.self, place)
        case .uint16: try unsafe integer(word, field, UInt16.self, place)
        case .uint32: try unsafe integer(word, field, UInt32.self, place)
        case .uint64: try unsafe integer(word, field, UInt64.self, place)
        case .float32: try unsafe float(word, field, Float.self, place)
        case .float64: try unsafe float(word, field, Double.self, place)
        case .bool: try unsafe bool(word, field, place)
        case .string, .bytes, .reference: preconditionFailure("not a type of single values")
        }
    }

    /// Appends the text of the value at `place`.
    static func format(_ place: UnsafeRawPointer, _ type: FieldType, into text: inout [UInt8]) {
        switch type {
        case .int8: unsafe integer(place, Int8.self, &text)
        case .int16: unsafe integer(place, Int16.self, &text)
        case .int32: unsafe integer(place, Int32.self, &text)
        case .int64: unsafe integer(place, Int64.self, &text)
        case .uint8: unsafe integer(place, UInt8.self, &text)
        case .uint16: unsafe integer(place, UInt16.self, &text)
        case .uint32: unsafe integer(place, UInt32.self, &text)
        case .uint64, .reference: unsafe integer(place, UInt64.self, &text)
        case .float32:
            text.append(contentsOf: "\(unsafe place.loadUnaligned(as: Float.self))".utf8)
        case .float64:
            text.append(contentsOf: "\(unsafe place.loadUnaligned(as: Double.self))".utf8)
        case .bool:
            let isTrue = unsafe place.load(as: UInt8.self) != 0
            text.append(UInt8(ascii: isTrue ? "1" : "0"))
        case .string, .bytes: preconditionFailure("not a type of single values")
        }
    }

    // MARK: Integers

    private static func integer<T: FixedWidthInteger>(
        _ word: UnsafeRawBufferPointer, _ field: Field, _ type: T.Type,
        _ place: UnsafeMutableRawPointer
    ) throws(ObjectError) {
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
            throw ObjectError(
                .range, "\(field.name) is \(field.type.name): \(T.min) to \(T.max).")
        }
        unsafe place.storeBytes(of: value, as: type)
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
        _ place: UnsafeRawPointer, _ type: T.Type, _ text: inout [UInt8]
    ) {
        var value = T.zero
        unsafe withUnsafeMutableBytes(of: &value) {
            unsafe $0.copyMemory(from: UnsafeRawBufferPointer(start: place, count: $0.count))
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
        _ word: UnsafeRawBufferPointer, _ field: Field, _ type: T.Type,
        _ place: UnsafeMutableRawPointer
    ) throws(ObjectError) {
        let text = unsafe String(decoding: word, as: UTF8.self)
        guard let value = T(text) else { throw unsafe invalid(word, field) }
        // A number that is too large reads as infinity, as does the word for it.
        let isNumber = unsafe word.contains { ClassText.isDigit($0) }
        guard value.isFinite || !isNumber || value.isNaN else {
            throw ObjectError(
                .range,
                "\(field.name) is \(field.type.name), at most \(T.greatestFiniteMagnitude)."
            )
        }
        unsafe withUnsafeBytes(of: value) {
            unsafe place.copyMemory(from: $0.baseAddress!, byteCount: $0.count)
        }
    }

    private static func bool(
        _ word: UnsafeRawBufferPointer, _ field: Field, _ place: UnsafeMutableRawPointer
    ) throws(ObjectError) {
        let value: UInt8
        switch unsafe String(decoding: word.prefix(8), as: UTF8.self).lowercased() {
        case "1", "true": value = 1
        case "0", "false": value = 0
        default: throw unsafe invalid(word, field)
        }
        unsafe place.storeBytes(of: value, as: UInt8.self)
    }

    private static func invalid(_ word: UnsafeRawBufferPointer, _ field: Field) -> ObjectError {
        let shown = unsafe String(decoding: word.prefix(40), as: UTF8.self)
        return ObjectError(
            .invalid, "\(field.name) is \(field.type.name); \"\(shown)\" is no such value.")
    }
}
