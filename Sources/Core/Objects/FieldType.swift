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

    /// The word of the class text; `ref<...>` is spelled out by `Field.typeText`.
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
