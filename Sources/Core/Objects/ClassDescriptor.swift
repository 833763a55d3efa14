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
    /// True for the classes that every space has: users can read their objects only.
    public let isSystem: Bool
    private let fieldsByName: [String: Field]

    init(
        _ identity: ClassIdentity, name: String, declarations: [FieldDeclaration],
        layout: ClassLayout, targets: [Address]
    ) {
        self.address = identity.address
        self.name = name
        self.revision = identity.revision
        self.isSystem = identity.isSystem
        self.referenceCount = layout.referenceCount
        self.scalarBytes = layout.scalarBytes
        self.fields = declarations.indices.map { index in
            Field(
                declarations[index], target: targets[index], offset: layout.offsets[index],
                index: index, of: identity)
        }
        self.fieldsByName = Dictionary(uniqueKeysWithValues: fields.map { ($0.name, $0) })
    }

    /// Bytes of an object.
    public var size: Int { 8 * referenceCount + 8 + scalarBytes }
    /// How far apart objects of one batch are.
    public var stride: Int { size }

    public func field(named name: String) -> Field? { fieldsByName[name] }

    /// The lowest byte of an object, where its last reference or its header is.
    public func start(of object: Address) -> Address { object - 8 * referenceCount }

    /// All bytes of an object.
    public func memory(of object: Address) -> Range<Address> {
        start(of: object)..<start(of: object) + size
    }

    /// The class text, in its plainest spelling.
    public var text: String {
        fields.reduce(into: "") { $0 += $1.declaration.text + "\n" }
    }

    /// What the header of every object of this class holds.
    var header: UInt64 { ClassDescriptor.header(ofClassAt: address) }

    static func header(ofClassAt address: Address) -> UInt64 { address.rawValue | 1 }
}
