/// What a field of a new object begins with: the `f=v` of the command `new`.
public struct InitialValue: Sendable {
    let field: Field
    /// The bytes of a scalar field; empty for a reference.
    let bytes: [UInt8]
    let reference: Address

    /// A scalar field's value from its text. The values of an array may be separated by commas,
    /// which need no quotes in a command.
    public init(_ field: Field, text: some StringProtocol) throws(ObjectError) {
        self.field = field
        self.bytes =
            field.arrayCount == nil
            ? try FieldText.parse(text, for: field)
            : try FieldText.parse(FieldText.withBlanks(text), for: field)
        self.reference = .null
    }

    /// What a reference field points to; of an array, its first element.
    public init(_ field: Field, reference: Address) {
        precondition(field.isReference)
        self.field = field
        self.bytes = []
        self.reference = reference
    }
}
