/// A field of a class: what it is called, what it holds and where it lies in an object.
///
/// Immutable and shared by all threads; a class rather than a struct, so that handing one on
/// costs one reference count and never copies its names.
public final class FieldDescriptor: Sendable {
    public let name: String
    public let type: FieldType
    /// The `[N]` of an array; nil for a single value, and for `string` and `bytes`.
    public let arrayCount: Int?
    /// The class that a reference must point to; null for any class, and for scalars.
    public let target: Address
    /// The name of that class, `Object` for any; empty for scalars.
    public let targetName: String
    /// Bytes from the object's address. Element i of an array of references lies 8 * i bytes
    /// below this, element i of any other array after it.
    public let offset: Int
    /// Bytes of the whole field.
    public let byteCount: Int
    /// The place in the class text, from 0.
    public let index: Int
    /// The class that declares the field, and the revision of it that this describes.
    let classAddress: Address
    let revision: UInt64
    let isSystem: Bool

    init(
        _ declaration: FieldDeclaration, target: Address, offset: Int, index: Int,
        of identity: ClassIdentity
    ) {
        self.name = declaration.name
        self.type = declaration.type
        self.arrayCount = declaration.arrayCount
        self.target = target
        self.targetName = declaration.targetName
        self.offset = offset
        self.byteCount = declaration.byteCount
        self.index = index
        self.classAddress = identity.address
        self.revision = identity.revision
        self.isSystem = identity.isSystem
    }

    public var isReference: Bool { type == .reference }
    public var isRaw: Bool { type.isRaw }
    /// How many values the field holds; a string or bytes field holds one.
    public var count: Int { arrayCount ?? 1 }
    /// The line of class text that declares this field.
    public var declaration: FieldDeclaration {
        FieldDeclaration(
            name: name, type: type, targetName: targetName, arrayCount: arrayCount,
            rawByteCount: isRaw ? byteCount : 0)
    }

    /// Where element `index` lies, as bytes from the object's address.
    func offset(ofElement index: Int) -> Int {
        isReference ? offset - 8 * index : offset + type.elementSize * index
    }
}

/// Which class, and which definition of it, a descriptor was made from.
struct ClassIdentity: Hashable, Sendable {
    var address: Address
    var revision: UInt64
    var isSystem: Bool
}

/// One line of class text: a field before it has a place in an object.
public struct FieldDeclaration: Hashable, Sendable {
    public var name: String
    public var type: FieldType
    /// `Object` or the name of a class; empty for scalars.
    public var targetName: String
    /// The `[N]` of an array; nil for a single value, and for `string` and `bytes`.
    public var arrayCount: Int?
    /// The `[N]` of a `string` or `bytes` field; 0 for all others.
    public var rawByteCount: Int

    /// Bytes of the whole field.
    public var byteCount: Int {
        type.isRaw ? rawByteCount : type.elementSize * (arrayCount ?? 1)
    }

    /// The line of class text, without the line end.
    public var text: String {
        let typeText = type == .reference ? "ref<\(targetName)>" : type.name
        let brackets = type.isRaw ? rawByteCount : arrayCount
        return brackets.map { "\(typeText) \(name)[\($0)]" } ?? "\(typeText) \(name)"
    }
}

/// What a field holds. The raw values are stored in the `Field` objects of a space.
public enum FieldType: UInt8, CaseIterable, Sendable {
    case int8 = 1
    case int16
    case int32
    case int64
    case uint8
    case uint16
    case uint32
    case uint64
    case float32
    case float64
    case bool
    case string
    case bytes
    case reference

    /// The word of the class text; `ref<...>` is spelled out by `FieldDeclaration.text`.
    public var name: String {
        switch self {
        case .int8: "int8"
        case .int16: "int16"
        case .int32: "int32"
        case .int64: "int64"
        case .uint8: "uint8"
        case .uint16: "uint16"
        case .uint32: "uint32"
        case .uint64: "uint64"
        case .float32: "float32"
        case .float64: "float64"
        case .bool: "bool"
        case .string: "string"
        case .bytes: "bytes"
        case .reference: "ref"
        }
    }

    /// The type that a word of class text names; nil for every other word, `ref` included.
    init?(scalarName name: Substring) {
        let found = FieldType.allCases.first { $0 != .reference && $0.name == name }
        guard let found else { return nil }
        self = found
    }

    /// Bytes of one value, which is also its alignment.
    public var elementSize: Int {
        switch self {
        case .int8, .uint8, .bool, .string, .bytes: 1
        case .int16, .uint16: 2
        case .int32, .uint32, .float32: 4
        case .int64, .uint64, .float64, .reference: 8
        }
    }

    /// True for the types whose files hold the bytes themselves and no text.
    public var isRaw: Bool { self == .string || self == .bytes }
}
