/// A field of a class: what it is called, what it holds and where it lies in an object.
///
/// Immutable and shared by all threads; a class rather than a struct, so that handing one on
/// costs one reference count and never copies its names.
public final class Field: Sendable {
    public let name: String
    public let type: FieldType
    /// The `[N]` of an array; nil for a single value, and for `string` and `bytes`.
    public let arrayCount: Int?
    /// The class that a reference must point to; null for any class, and for scalars.
    public let target: Address
    /// The name of that class, `Object` for any; empty for scalars.
    public let targetName: String
    /// Bytes from the object's address. Element i of an array of references lies 8 * i bytes
    /// below this, element i of any other array behind it.
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
