import Synchronization

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
    public let fields: [FieldDescriptor]
    /// References below the header.
    public let referenceCount: Int
    /// Bytes after the header, a multiple of 8.
    public let scalarBytes: Int
    /// Bytes that the start of each object is a multiple of, and the distance to the next one.
    public let alignment: Int
    /// True for the classes that every space has: users can read their objects only.
    public let isSystem: Bool
    private let fieldsByName: [String: FieldDescriptor]

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
            FieldDescriptor(
                declarations[index], target: targets[index], offset: layout.offsets[index],
                index: index, of: identity)
        }
        self.fieldsByName = Dictionary(uniqueKeysWithValues: fields.map { ($0.name, $0) })
    }

    var object: ClassObject { ClassObject(address) }

    /// Bytes of an object.
    public var size: Int { 8 * referenceCount + 8 + scalarBytes }
    /// How far apart objects of one batch are: their bytes, and what is left of the last line if
    /// they share none.
    public var stride: Int { (size + alignment - 1) & ~(alignment - 1) }

    public func field(named name: String) -> FieldDescriptor? {
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

/// Where the fields of a class lie around an object's address.
///
///     address - 8, - 16, ...   references, in the order of their declaration
///     address                  header: the address of the class, and 1
///     address + 8 ...          scalars, in the order of their declaration, each at a multiple
///                              of its size
///
/// The references of any object, its class unknown, so begin right below its header, and the
/// scalars after it never are mistaken for them.
struct ClassLayout {
    /// Bytes of each field's place, from the object's address.
    private(set) var offsets: [Int] = []
    /// References below the header, elements of arrays included.
    private(set) var referenceCount = 0
    /// Bytes after the header, a multiple of 8.
    private(set) var scalarBytes = 0

    /// Bytes of an object.
    var size: Int { 8 * referenceCount + 8 + scalarBytes }

    /// - Throws: `.tooBig` if an object would not fit into one transaction.
    init(_ class: ClassDeclaration) throws(ObjectError) {
        var scalarEnd = 8
        for declaration in `class`.fields {
            if declaration.type == .reference {
                offsets.append(-8 * (referenceCount + 1))
                referenceCount += declaration.arrayCount ?? 1
            } else {
                let alignment = declaration.type.elementSize
                scalarEnd = (scalarEnd + alignment - 1) & ~(alignment - 1)
                offsets.append(scalarEnd)
                scalarEnd += declaration.byteCount
            }
        }
        scalarBytes = (scalarEnd - 8 + 7) & ~7
        guard size <= ObjectLimits.objectBytes else {
            throw ObjectError.tooBig(.object(bytes: size))
        }
    }
}

/// The descriptors that this process has made, for all spaces, so that an access loads no more of
/// a class than its revision.
///
/// A revision is a random number drawn for each definition, so a descriptor stays right for its
/// key even if the transaction that read the definition is thrown away.
final class ClassCache: Sendable {
    static let shared = ClassCache()

    private struct Key: Hashable {
        var address: Address
        var revision: UInt64
    }

    /// Classes come by the dozen; past this many the cache starts again and stays small.
    private static let countMax = 4096

    private let descriptors = Mutex<[Key: ClassDescriptor]>([:])

    func descriptor(at address: Address, revision: UInt64) -> ClassDescriptor? {
        descriptors.withLock { $0[Key(address: address, revision: revision)] }
    }

    func insert(_ descriptor: ClassDescriptor) {
        descriptors.withLock { descriptors in
            if descriptors.count >= ClassCache.countMax { descriptors.removeAll() }
            let key = Key(address: descriptor.address, revision: descriptor.revision)
            descriptors[key] = descriptor
        }
    }
}
