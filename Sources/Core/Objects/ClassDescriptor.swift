/// A class as this process knows it: one definition of it, immutable and shared by all threads.
///
/// The truth is the `Class` object at `address` and its `Field` objects. A descriptor holds for as
/// long as that object's revision is `revision`, which every use inside a transaction checks.
public final class ClassDescriptor: Sendable {
    /// Address of the `Class` object.
    public let address: Address
    public let name: String
    /// A number that no other definition of any class of the space has.
    public let revision: UInt64
    public let fields: [Field]
    /// References below the header.
    public let referenceCount: Int
    /// Bytes behind the header, a multiple of 8.
    public let scalarBytes: Int
    /// Bytes that the start of each object is a multiple of, and the distance to the next one.
    public let alignment: Int
    /// True for the classes that every space has: users can read their objects only.
    public let isSystem: Bool
    private let fieldsByName: [String: Field]

    init(
        _ identity: ClassIdentity, name: String, declaration: ClassDeclaration,
        layout: ClassLayout, targets: [Address]
    ) {
        let declarations = declaration.fields
        self.address = identity.address
        self.name = name
        self.revision = identity.revision
        self.isSystem = identity.isSystem
        self.referenceCount = layout.referenceCount
        self.scalarBytes = layout.scalarBytes
        self.alignment = declaration.alignment
        self.fields = declarations.indices.map { index in
            Field(
                declarations[index], target: targets[index], offset: layout.offsets[index],
                index: index, of: identity)
        }
        self.fieldsByName = Dictionary(uniqueKeysWithValues: fields.map { ($0.name, $0) })
    }

    /// Bytes of an object.
    public var size: Int { 8 * referenceCount + 8 + scalarBytes }
    /// How far apart objects of one batch are: their bytes, and what is left of the last line if
    /// they share none.
    public var stride: Int { (size + alignment - 1) & ~(alignment - 1) }

    public func field(named name: String) -> Field? {
        // All else names no field, also what Swift takes for the same as a letter.
        ClassText.isIdentifier(name) ? fieldsByName[name] : nil
    }

    /// The lowest byte of an object, where its last reference or its header is.
    public func start(of object: Address) -> Address { object - 8 * referenceCount }

    /// The first address from here on where an object may start.
    public func alignedUp(_ address: Address) -> Address {
        Address((address.rawValue + UInt64(alignment - 1)) & ~UInt64(alignment - 1))
    }

    /// All bytes of an object.
    public func memory(of object: Address) -> Range<Address> {
        start(of: object)..<start(of: object) + size
    }

    public var declaration: ClassDeclaration {
        ClassDeclaration(alignment: alignment, fields: fields.map(\.declaration))
    }

    /// The class text, in its plainest spelling.
    public var text: String { declaration.text }

    /// What the header of every object of this class holds.
    var header: UInt64 { ClassDescriptor.header(ofClassAt: address) }

    static func header(ofClassAt address: Address) -> UInt64 { address.rawValue | 1 }
}
