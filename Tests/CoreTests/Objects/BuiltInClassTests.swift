import TestSupport
import Testing

@testable import RainbowCore

@Suite("The built-in classes")
struct BuiltInClassTests {
    @Test("Every fixed offset is the one that the class text gives")
    func offsets() throws {
        typealias Layout = SystemLayout
        let scalars: [(BuiltInClass, String, Int)] = [
            (.system, "layoutVersion", Layout.System.layoutVersion),
            (.system, "created", Layout.System.created),
            (.system, "owner", Layout.System.ownership), (.system, "freed", Layout.System.freed),
            (.system, "namesOwner", Layout.System.namesOwnership),
            (.system, "classesOwner", Layout.System.classesOwnership),
            (.class, "name", Layout.Class.name), (.class, "revision", Layout.Class.revision),
            (.class, "fieldCount", Layout.Class.fieldCount),
            (.class, "referenceCount", Layout.Class.referenceCount),
            (.class, "scalarBytes", Layout.Class.scalarBytes),
            (.class, "referrers", Layout.Class.referrers),
            (.class, "isSystem", Layout.Class.isSystem), (.field, "name", Layout.Field.name),
            (.field, "offset", Layout.Field.offset), (.field, "count", Layout.Field.count),
            (.field, "index", Layout.Field.index), (.field, "type", Layout.Field.type),
            (.field, "isArray", Layout.Field.isArray), (.region, "name", Layout.Region.name),
            (.region, "number", Layout.Region.number),
            (.region, "owner", Layout.Region.ownership), (.region, "model", Layout.Region.model),
            (.allocator, "name", Layout.Allocator.name),
            (.allocator, "base", Layout.Allocator.base),
            (.allocator, "capacity", Layout.Allocator.capacity),
            (.allocator, "owner", Layout.Allocator.ownership),
            (.allocator, "top", Layout.Allocator.top),
            (.allocator, "reserved", Layout.Allocator.reserved),
            (.name, "name", Layout.Name.name), (.text, "text", Layout.Text.text),
            (.backpack, "memberCount", Layout.Backpack.memberCount),
            (.backpack, "runCount", Layout.Backpack.runCount),
            (.backpack, "counts", Layout.Backpack.counts),
        ]
        for (builtIn, name, offset) in scalars + [(.class, "alignment", Layout.Class.alignment)] {
            #expect(builtIn.descriptor.field(named: name)?.offset == offset, "\(builtIn) \(name)")
        }
        let links: [(BuiltInClass, String, Int)] = [
            (.system, "names", Layout.System.names), (.system, "classes", Layout.System.classes),
            (.system, "regions", Layout.System.regions),
            (.system, "regionsByNumber", Layout.System.regionsByNumber),
            (.system, "allocator", Layout.System.allocator),
            (.class, "fields", Layout.Class.fields), (.class, "instances", Layout.Class.instances),
            (.field, "owner", Layout.Field.owner), (.field, "next", Layout.Field.next),
            (.field, "target", Layout.Field.target),
            (.region, "allocators", Layout.Region.allocators),
            (.region, "extents", Layout.Region.extents),
            (.allocator, "region", Layout.Allocator.region),
            (.allocator, "backpacks", Layout.Allocator.backpacks),
            (.name, "target", Layout.Name.target), (.name, "more", Layout.Name.more),
            (.backpack, "memberClass", Layout.Backpack.memberClass),
            (.backpack, "allocator", Layout.Backpack.allocator),
            (.backpack, "nextOfClass", Layout.Backpack.nextOfClass),
            (.backpack, "nextInAllocator", Layout.Backpack.nextInAllocator),
            (.backpack, "next", Layout.Backpack.next), (.backpack, "last", Layout.Backpack.last),
            (.backpack, "first", Layout.Backpack.first), (.table, "entries", 0),
        ]
        for (builtIn, name, slot) in links {
            let offset = builtIn.descriptor.field(named: name)?.offset
            #expect(offset == -8 * (slot + 1), "\(builtIn) \(name)")
        }
        let backpack = BuiltInClass.backpack.descriptor
        #expect(backpack.field(named: "first")?.count == Layout.Backpack.runCountMax)
        #expect(
            BuiltInClass.system.descriptor.field(named: "freed")?.count
                == BuiltInClass.allCases.count)
    }

    @Test("The first objects do not overlap, and hot words have lines of their own")
    func places() {
        let system = BuiltInClass.system.descriptor
        #expect(system.start(of: ObjectSystem.root).rawValue == SystemLayout.systemBase)
        #expect(system.size <= 256)
        #expect((SystemLayout.root + UInt64(SystemLayout.System.freed)) % 64 == 0)
        let classes = BuiltInClass.class.descriptor
        #expect(classes.size <= 128)
        #expect(classes.start(of: BuiltInClass.system.address).rawValue % 64 == 0)
        let allocator = BuiltInClass.allocator.descriptor
        #expect(allocator.start(of: ObjectSystem.systemAllocator).rawValue % 64 == 0)
        let top = ObjectSystem.systemAllocator + SystemLayout.Allocator.top
        #expect(top.rawValue % 64 == 0)
        #expect(BuiltInClass.name.descriptor.size == 64)
        #expect(BuiltInClass.backpack.descriptor.size <= 512)
    }

    @Test("A fresh space has them all, and attaching again changes nothing")
    func bootstrap() throws {
        try withObjectSpace { space in
            let before = space.usage.version
            try ObjectSystem.bootstrap(space)
            #expect(space.usage.version == before)
            try space.run { tx throws in
                let classes = try tx.classes(after: 0, limit: 100)
                #expect(
                    Set(classes.map(\.descriptor.name)) == Set(BuiltInClass.allCases.map(\.name)))
                #expect(try tx.regions(after: 0, limit: 9).map(\.name) == ["transactional"])
                for builtIn in BuiltInClass.allCases {
                    let address = try tx.classDescriptor(named: builtIn.name).address
                    #expect(address == builtIn.address)
                    #expect(try tx.descriptor(of: address).name == "Class")
                }
            }
        }
    }

    @Test("Of many who attach at once, one makes the first objects")
    func race() throws {
        for _ in 0..<20 {
            try withTestSpace("objects") { space in
                onThreads(4) { _ in
                    do {
                        try ObjectSystem.bootstrap(space)
                    } catch {
                        Issue.record(error)
                    }
                }
                #expect(try problems(of: space) == [])
                let count = try space.run { tx throws in
                    try tx.objectCount(in: ObjectSystem.systemAllocator)
                }
                try withObjectSpace { other in
                    let otherCount = try other.run { tx throws in
                        try tx.objectCount(in: ObjectSystem.systemAllocator)
                    }
                    #expect(count == otherCount)
                }
            }
        }
    }
}
