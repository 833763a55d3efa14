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
