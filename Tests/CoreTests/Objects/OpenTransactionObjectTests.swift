import TestSupport
import Testing

@testable import RainbowCore

@Suite("Objects in transactions that live long")
struct OpenTransactionObjectTests {
    /// A space with two objects of `text`, named `one` and `two`.
    private func withObjects(
        _ text: String = "int64 x\nbytes pad[120]\nint64 y\nref<Thing> next",
        _ body: (Space, Address, Address) throws -> Void
    ) throws {
        try withObjectSpace { space in
            let objects = try space.run { tx throws in
                let descriptor = try tx.defineClass(name: "Thing", text: text)
                let allocator = try tx.makeAllocator("a").address
                let first = try tx.newObjects(of: descriptor, in: allocator, count: 2)
                let second = first + descriptor.stride
                try tx.bind("one", to: first)
                try tx.bind("two", to: second)
                return (first, second)
            }
            try body(space, objects.0, objects.1)
            #expect(try problems(of: space) == [])
        }
    }

    private static func value(
        _ name: String, of object: Address, _ tx: inout Transaction
    ) throws -> Int64 {
        let field = try #require(try tx.descriptor(of: object).field(named: name))
        var value: Int64 = 0
        try unsafe withUnsafeMutableBytes(of: &value) { bytes in
            unsafe try tx.readField(object, field, into: bytes)
        }
        return value
    }

    private static func set(
        _ name: String, of object: Address, _ value: Int64, _ tx: inout Transaction
    ) throws {
        let field = try #require(try tx.descriptor(of: object).field(named: name))
        try unsafe withUnsafeBytes(of: value) { bytes in
            unsafe try tx.writeField(object, field, from: bytes)
        }
    }

    /// Reads `one` by its name, changes its x, and commits after what others did.
    private func outcome(
        _ space: Space, afterwards others: (inout Transaction) throws -> Void
    ) throws -> Result<UInt64, TransactionError> {
        let open = try space.begin(name: "t")
        try open.perform { tx throws in
            let object = try #require(try tx.target(ofName: "one"))
            try Self.set("x", of: object, try Self.value("x", of: object, &tx) + 1, &tx)
        }
        try space.transact { tx in try others(&tx) }
        return Result { () throws(TransactionError) in try open.commit() }
    }

    @Test("What others make, bind and change beside is no conflict")
    func noConflict() throws {
        try withObjects { space, one, two in
            #expect(
                throws: Never.self, "new objects in the same page and new names"
            ) {
                try outcome(space) { tx throws in
                    let descriptor = try tx.classDescriptor(named: "Thing")
                    let allocator = try #require(try tx.allocator(containing: one))
                    let new = try tx.newObjects(of: descriptor, in: allocator.address, count: 3)
                    try tx.bind("three", to: new)
                    try tx.unbind("two")
                    _ = try tx.defineClass(name: "Other", text: "int8 a")
                    _ = try tx.makeAllocator("b")
                }.get()
            }
            #expect(throws: Never.self, "another field in another line") {
                try outcome(space) { tx in try Self.set("y", of: one, 5, &tx) }.get()
            }
            #expect(throws: Never.self, "another object") {
                try outcome(space) { tx in try Self.set("x", of: two, 5, &tx) }.get()
            }
        }
    }

    @Test("What it read is: the field, and that the name leads to the object")
    func conflicts() throws {
        try withObjects { space, one, two in
            let changes: [(inout Transaction) throws -> Void] = [
                { tx in try Self.set("x", of: one, 5, &tx) },
                { tx in try tx.rebind("one", to: two) },
                { tx throws in
                    try tx.unbind("one")
                    try tx.bind("one", to: two)
                },
                { tx in try tx.rename("one", to: "three") },
            ]
            for change in changes {
                #expect(throws: TransactionError.conflict) {
                    try outcome(space, afterwards: change).get()
                }
                try space.transact { tx in try tx.rebind("one", to: one) }
            }
        }
    }

    @Test("A name that was not there and then is, is a conflict")
    func phantom() throws {
        try withObjects { space, one, two in
            let open = try space.begin(name: "t")
            try open.perform { tx throws in
                if try tx.target(ofName: "lock") == nil { try Self.set("x", of: one, 1, &tx) }
            }
            try space.transact { tx in try tx.bind("lock", to: two) }
            #expect(throws: TransactionError.conflict) { try open.commit() }
            let lister = try space.begin(name: "l")
            try lister.perform { tx throws in
                try Self.set("x", of: one, Int64(try tx.names(after: 0, limit: 99).count), &tx)
            }
            try space.transact { tx in try tx.unbind("lock") }
            #expect(throws: TransactionError.conflict) { try lister.commit() }
        }
    }

    @Test("Classes, allocators, objects and names of its own are its own until it commits")
    func ownStructures() throws {
        try withObjects { space, one, _ in
            for commits in [false, true] {
                let open = try space.begin(name: "t")
                let object = try open.perform { tx throws in
                    let descriptor = try tx.defineClass(name: "Mine", text: "ref<Thing> thing")
                    let allocator = try tx.makeAllocator("mine")
                    let object = try tx.newObjects(of: descriptor, in: allocator.address)
                    let field = try #require(descriptor.field(named: "thing"))
                    try tx.setReference(object, field, to: one)
                    try tx.bind("mine", to: object)
                    return object
                }
                try open.perform { tx throws in
                    #expect(try tx.target(ofName: "mine") == object)
                    #expect(try tx.descriptor(of: object).name == "Mine")
                }
                try space.transact { tx throws in
                    #expect(try tx.target(ofName: "mine") == nil)
                    #expect(try !tx.isObject(object))
                    #expect(throws: ObjectError.self) { try tx.classDescriptor(named: "Mine") }
                }
                if commits { try open.commit() } else { open.abort() }
                try space.transact { tx throws in
                    #expect(try tx.isObject(object) == commits)
                    let target = try tx.target(ofName: "mine")
                    #expect(target == (commits ? object : nil))
                }
                #expect(try problems(of: space) == [])
            }
        }
    }

    @Test("A snapshot lists what was there, whatever was made and removed since")
    func snapshotOfStructure() throws {
        try withObjects { space, one, two in
            let snapshot = try space.takeSnapshot(named: "s")
            try space.transact { tx throws in
                try tx.unbind("two")
                for index in 0..<200 { try tx.bind("n\(index)", to: one) }
                let descriptor = try tx.classDescriptor(named: "Thing")
                let allocator = try #require(try tx.allocator(containing: one))
                _ = try tx.newObjects(of: descriptor, in: allocator.address, count: 500)
                try Self.set("x", of: two, 77, &tx)
            }
            try space.read(at: snapshot) { tx throws in
                let names = try tx.names(after: 0, limit: 99).map(\.name)
                #expect(names.sorted() == ["one", "two"])
                let allocator = try #require(try tx.allocator(containing: one))
                let page = try tx.objects(in: allocator.address, after: .null, limit: 99)
                #expect(page.objects.map(\.address) == [one, two])
                #expect(try Self.value("x", of: two, &tx) == 0)
            }
        }
    }
}
