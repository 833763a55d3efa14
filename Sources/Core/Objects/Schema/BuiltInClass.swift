/// The classes that every space has, of which everything else is made.
///
/// Their objects, their `Class` objects included, lie in the system allocator like any others and
/// are described by the texts below, of which `BuiltInFields.swift` is made.
enum BuiltInClass: Int, CaseIterable {
    case system
    case `class`
    case field
    case region
    case allocator
    case name
    case text
    case table
    case backpack

    var name: String {
        switch self {
        case .system: "System"
        case .class: "Class"
        case .field: "Field"
        case .region: "Region"
        case .allocator: "Allocator"
        case .name: "Name"
        case .text: "Text"
        case .table: "Table"
        case .backpack: "Backpack"
        }
    }

    /// What transactions of different nodes write at once gets lines of its own.
    var classText: String {
        switch self {
        case .system:
            """
            align 64
            ref<Table>      names
            ref<Table>      classes
            ref<Table>      regions
            ref<Table>      regionsByNumber
            ref<Allocator>  allocator
            uint64          layoutVersion
            uint64          created
            uint32          owner
            uint32          group
            uint16          mode
            uint32          namesOwner
            uint32          namesGroup
            uint16          namesMode
            uint32          classesOwner
            uint32          classesGroup
            uint16          classesMode
            bytes           spare[30]
            uint64          freed[9]
            """
        case .class:
            """
            align 64
            ref<Field>      fields
            ref<Backpack>   instances
            string          name[48]
            uint64          revision
            uint32          fieldCount
            uint32          referenceCount
            uint32          scalarBytes
            uint32          referrers
            bool            isSystem
            uint32          alignment
            """
        case .field:
            """
            ref<Class>      owner
            ref<Field>      next
            ref<Class>      target
            string          name[48]
            int32           offset
            uint32          count
            uint16          index
            uint8           type
            bool            isArray
            """
        case .region:
            """
            align 64
            ref<Table>      allocators
            ref<Table>      extents
            string          name[48]
            uint32          number
            uint32          owner
            uint32          group
            uint16          mode
            string          model[16]
            """
        case .allocator:
            """
            align 64
            ref<Region>     region
            ref<Backpack>   backpacks
            string          name[48]
            uint64          base
            uint64          capacity
            uint32          owner
            uint32          group
            uint16          mode
            bytes           spare[30]
            uint64          top
            uint64          reserved
            """
        case .name:
            """
            align 64
            ref<Object>     target
            ref<Text>       more
            string          name[40]
            """
        case .text:
            "string text[216]"
        case .table:
            "ref<Object> entries[16]"
        case .backpack:
            """
            align 64
            ref<Class>      memberClass
            ref<Allocator>  allocator
            ref<Backpack>   nextOfClass
            ref<Backpack>   nextInAllocator
            ref<Backpack>   next
            ref<Backpack>   last
            ref<Object>     first[27]
            uint64          memberCount
            uint64          runCount
            uint64          counts[27]
            uint64          openRuns
            """
        }
    }

    /// Address of the `Class` object: they follow one another after the System object.
    var address: Address { Address(SystemLayout.firstClass + UInt64(rawValue * 128)) }

    var object: ClassObject { ClassObject(address) }

    /// What the header of an object of this class holds.
    var header: UInt64 { ClassDescriptor.header(ofClassAt: address) }

    var descriptor: ClassDescriptor { BuiltInClass.descriptors[rawValue] }

    static func named(_ name: String) -> BuiltInClass? { allCases.first { $0.name == name } }

    /// The class of a header word, if it is a built-in one.
    static func of(header: UInt64) -> BuiltInClass? {
        guard header >= system.header, header <= backpack.header else { return nil }
        let (index, rest) = Int(header - system.header).quotientAndRemainder(dividingBy: 128)
        return rest == 0 ? allCases[index] : nil
    }

    /// The definitions never change, so their revisions are small numbers that no other has.
    private static let descriptors: [ClassDescriptor] = allCases.map { builtIn in
        do {
            let declaration = try ClassText.parse(builtIn.classText)
            let identity = ClassIdentity(
                address: builtIn.address, revision: UInt64(builtIn.rawValue + 1), isSystem: true)
            return ClassDescriptor(
                identity, name: builtIn.name, declaration: declaration,
                layout: try ClassLayout(declaration),
                targets: declaration.fields.map { named($0.targetName)?.address ?? .null })
        } catch {
            preconditionFailure("\(builtIn.name): \(error)")
        }
    }
}
