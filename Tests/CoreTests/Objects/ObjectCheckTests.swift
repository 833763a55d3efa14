import TestSupport
import Testing

@testable import RainbowCore

@Suite("The check of the object layer")
struct ObjectCheckTests {
    /// A space with some of everything.
    private func withFurnishedSpace(_ body: (Space, _ object: Address) throws -> Void) throws {
        try withObjectSpace { space in
            let object = try space.run { tx throws in
                let node = try tx.defineClass(name: "Node", text: "int64 x\nref<Node> next")
                try tx.defineClass(name: "Other", text: "ref<Node> a")
                let allocator = try tx.makeAllocator("a").address
                let first = try tx.newObjects(of: node, in: allocator, count: 100)
                for index in 0..<20 { try tx.bind("n\(index)", to: first) }
                try tx.unbind("n3")
                return first
            }
            try body(space, object)
        }
    }

    @Test("It counts what there is and finds nothing wrong in a sound space")
    func sound() throws {
        try withFurnishedSpace { space, _ in
            let check = try space.checkObjects { Issue.record("\($0)") }
            #expect(check.regions == 1 && check.allocators == 2 && check.names == 19)
            #expect(check.classes == BuiltInClass.allCases.count + 2)
            #expect(check.objects > 200 && check.problems == 0)
        }
    }

    @Test("It finds each kind of damage, and stays in bounds", arguments: 0..<14)
    func damage(kind: Int) throws {
        try withFurnishedSpace { space, object in
            try space.run { tx throws in
                let allocator = try tx.allocator(named: "a", in: tx.main()).address
                let node = try tx.classDescriptor(named: "Node")
                let head = try tx.load(node.object.instances)
                let name = NameObject(try #require(try tx.nameObject("n7")))
                let names = try tx.load(SystemObject.root.names)
                switch kind {
                case 0: try tx.store(object.rawValue + 8, at: object - 8)  // a link to no object
                case 1: try tx.store(allocator.rawValue, at: object - 8)  // to a wrong class
                case 2: try tx.store(UInt64(0), at: object)  // no header
                case 3: try ObjectMap.remove(object + 24, &tx)  // an object without its bit
                case 4: try ObjectMap.insert(object + 8, &tx)  // a scalar with a bit
                case 5: try tx.store(UInt64(101), at: head.memberCount)
                case 6: try tx.store(UInt64.max, at: head.runCount)
                case 7: try tx.store(head, at: head.next)
                case 8: try tx.store(object + 16, at: name.target)
                case 9: try tx.store(UInt64(0x616161), at: name.name.address)
                case 10: try tx.store(Address(0x77), at: names.entries[3])
                case 11:
                    for index in 0..<16 { try tx.store(names.address, at: names.entries[index]) }
                case 12: try tx.store(UInt64.max, at: AllocatorObject(allocator).top)
                default: try tx.store(UInt32(7), at: node.object.referrers)
                }
            }
            #expect(try !problems(of: space).isEmpty)
        }
    }

    @Test("Random damage of the first pages is reported and ends no process")
    func randomDamage() throws {
        var random = SeededGenerator(seed: printedSeed("random damage"))
        for _ in 0..<60 {
            try withFurnishedSpace { space, object in
                let used = try space.run { tx throws in
                    try tx.allocator(at: SystemArea.allocator).used
                }
                for _ in 0..<Int.random(in: 1...6, using: &random) {
                    let offset = UInt64.random(in: 0..<used / 8, using: &random) * 8
                    let values: [UInt64] = [
                        0, 1, .max, object.rawValue, object.rawValue + 4,
                        SystemLayout.systemBase + offset, random.next(),
                        BuiltInClass.table.header, BuiltInClass.name.header,
                    ]
                    let value = values.randomElement(using: &random)!
                    let place = Address(SystemLayout.systemBase + offset)
                    try space.run { tx throws in try tx.store(value, at: place) }
                }
                _ = try space.checkObjects { _ in }
                _ = try? space.run { tx throws in try tx.bind("new", to: object) }
                _ = try? space.run { tx throws in try tx.unbind("n7") }
                _ = try? space.run { tx throws in try tx.allObjects(after: .null, limit: 1000) }
                _ = try? space.run { tx throws in
                    try tx.defineClass(name: "New", text: "ref<Node> x")
                }
                _ = try? space.run { tx throws in try tx.removeClass(name: "Other") }
                _ = try? space.run { tx throws in try tx.makeAllocator("new") }
            }
        }
    }

    @Test("A System object that something else wrote over is damage, and nothing is made again")
    func overwrittenRoot() throws {
        try withObjectSpace { space in
            try space.run { tx throws in
                try tx.store(0x1234_5678_9abc_def0 as UInt64, at: SystemArea.root)
            }
            do {
                _ = try Space.open(space.name)
                Issue.record("the space was opened")
            } catch SpaceError.damaged(let name, _) {
                #expect(name == space.name)
            }
            let root: UInt64 = try space.run { tx throws in try tx.load(SystemArea.root) }
            #expect(root == 0x1234_5678_9abc_def0)
        }
    }

    @Test("Who may only read makes no space")
    func readOnlyMakesNothing() throws {
        var options = SpaceOptions()
        options.isReadOnly = true
        let name = uniqueSpaceName("read-only")
        #expect(throws: SpaceError.self) { try Space.open(name, options) }
        #expect(try !Space.list().contains { $0.name == name })
    }
}
