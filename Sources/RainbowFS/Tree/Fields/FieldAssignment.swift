import Glibc
import RainbowCore

/// `FIELD=VALUE` or `FIELD[I]=VALUE` of a command, checked against a class.
///
/// Values of an array are parted by commas; fewer than it has set the first ones. A reference is an
/// address, a path from the top of the tree, or `null`.
struct FieldAssignment: Sendable {
    private enum Value: Sendable {
        case bytes([UInt8])
        case references([Address])
    }

    private let field: FieldDescriptor
    /// The first element that is set.
    private let first: Int
    private let value: Value

    /// - Throws: EINVAL or ERANGE, with a sentence that names the field.
    init(
        _ word: String, of descriptor: ClassDescriptor, _ view: View, _ caller: Caller,
        _ tx: inout Transaction
    ) throws {
        guard let equals = word.utf8.firstIndex(of: UInt8(ascii: "=")) else {
            throw TreeError(
                EINVAL, "\(TreeError.quoted(word)) is no value. Write it as FIELD=VALUE.")
        }
        let (name, index) = try FieldAssignment.split(word[..<equals])
        guard let field = descriptor.field(named: name) else {
            throw TreeError(
                EINVAL,
                "The class \(descriptor.name) has no field \(TreeError.quoted(name)). Its fields"
                    + " are in classes/\(descriptor.name).")
        }
        let isInside = index.map { field.arrayCount != nil && $0 < field.count } ?? true
        guard isInside else {
            throw TreeError(EINVAL, "The field \(field.name) has no element \(index ?? 0).")
        }
        self.field = field
        first = index ?? 0
        let text = String(word[word.utf8.index(after: equals)...])
        value =
            field.isReference
            ? .references(try FieldAssignment.references(text, field, view, caller, &tx))
            : .bytes(try FieldAssignment.bytes(text, field))
        let count =
            switch value {
            case .bytes(let bytes): field.isRaw ? 0 : bytes.count / field.type.elementSize
            case .references(let addresses): addresses.count
            }
        guard count <= field.count - first, index == nil || count == 1 else {
            throw TreeError(
                EINVAL, "There are more values than \(field.name) takes from there on.")
        }
    }

    /// The parts of `FIELD[I]`.
    private static func split(_ text: Substring) throws(TreeError) -> (String, Int?) {
        let utf8 = text.utf8
        guard utf8.last == UInt8(ascii: "]"), let bracket = utf8.firstIndex(of: UInt8(ascii: "["))
        else {
            return (String(text), nil)
        }
        let digits = Substring(utf8[utf8.index(after: bracket)...].dropLast())
        guard let index = Int(digits), index >= 0 else {
            throw TreeError(EINVAL, "\(TreeError.quoted(text)) names no element. Write FIELD[0].")
        }
        return (String(text[..<bracket]), index)
    }

    private static func bytes(_ text: String, _ field: FieldDescriptor) throws -> [UInt8] {
        guard !field.isRaw else { return try FieldText.parse(text, for: field) }
        let isArray = field.arrayCount != nil
        let words = (isArray ? FieldText.withBlanks(text) : text).systemBytes
        var value = [UInt8](repeating: 0, count: field.byteCount)
        let count = try unsafe words.withUnsafeBytes { words in
            try unsafe value.withUnsafeMutableBytes { value in
                unsafe try FieldText.parsePrefix(words, for: field, into: value)
            }
        }
        guard count > 0 else {
            throw TreeError(EINVAL, "There is no value for \(field.name) after the =.")
        }
        return Array(value[..<(count * field.type.elementSize)])
    }

    private static func references(
        _ text: String, _ field: FieldDescriptor, _ view: View, _ caller: Caller,
        _ tx: inout Transaction
    ) throws -> [Address] {
        let parts =
            field.arrayCount == nil
            ? [text[...]] : text.parts(at: ",", omittingEmptySubsequences: false)
        return try parts.map { try object(String($0), view, caller, &tx) }
    }

    /// The object that a word of a command names; null for `null`.
    static func object(
        _ text: String, _ view: View, _ caller: Caller, _ tx: inout Transaction
    ) throws -> Address {
        if let address = Address(text: text) {
            if address == .null { return .null }
            guard try tx.isObject(address) else {
                throw TreeError(EINVAL, "There is no object at \(address).")
            }
            return address
        }
        do {
            return try LinkResolver(view, caller).object(text, from: .root, &tx)
        } catch let error as TreeError where error.errno == EINVAL {
            throw TreeError(
                EINVAL,
                "\(TreeError.quoted(text)) is no object. Write an address, or a path from the top"
                    + " of the tree like names/alice, or null.")
        }
    }

    func apply(to object: Address, _ tx: inout Transaction) throws {
        switch value {
        case .bytes(let bytes):
            try unsafe bytes.withUnsafeBytes { bytes in
                unsafe try tx.writeField(
                    object, field, at: first * field.type.elementSize, from: bytes)
            }
        case .references(let addresses):
            for (index, address) in addresses.enumerated() {
                try tx.setReference(object, field, index: first + index, to: address)
            }
        }
    }

    /// To an object of a batch that is not published yet.
    func apply(toObject index: Int, of batch: ObjectBatch, _ tx: inout Transaction) throws {
        switch value {
        case .bytes(let bytes):
            try unsafe bytes.withUnsafeBytes { bytes in
                unsafe try tx.writeField(
                    field, ofObject: index, of: batch, at: first * field.type.elementSize,
                    from: bytes)
            }
        case .references(let addresses):
            for (element, address) in addresses.enumerated() {
                try tx.setReference(
                    field, first + element, ofObject: index, of: batch, to: address)
            }
        }
    }
}
