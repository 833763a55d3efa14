import TestSupport
import Testing

@testable import RainbowCore

@Suite("Regions and allocators")
struct AllocatorsTests {
    @Test("Allocators lie one after the other, and are found by name and by any address inside")
    func places() throws {
        try withObjectSpace { space in
            try space.run { tx throws in
                let first = try tx.makeAllocator("first", capacity: 5000)
                let second = try tx.makeAllocator("second", capacity: 4096)
                #expect(first.capacity == 8192)
                #expect(second.base == first.end)
                #expect(try tx.allocator(named: "first", in: tx.main()) == first)
                #expect(try tx.allocator(containing: first.end - 1) == first)
                #expect(try tx.allocator(containing: second.base) == second)
                #expect(try tx.ownership(ofObjectAt: second.base) == anyOwner)
                #expect(try tx.ownership(ofObjectAt: second.end) == nil)
                #expect(try tx.allocator(containing: second.end) == nil)
                #expect(
                    try tx.allocator(containing: SystemArea.root)?.address
                        == SystemArea.allocator)
                #expect(try tx.allocator(containing: Address(0)) == nil)
                #expect(try tx.allocators(in: tx.main(), after: 0, limit: .max).count == 3)
            }
            #expect(try problems(of: space) == [])
        }
    }

    @Test("A full allocator says so and works on after it was given more")
    func capacity() throws {
        try withObjectSpace { space in
            try space.run { tx throws in
                let block = try tx.defineClass(name: "Block", text: "bytes b[1016]")
                let allocator = try tx.makeAllocator("a", capacity: 4096)
                _ = try tx.newObjects(of: block, in: allocator.address, count: 4)
                let full = #expect(throws: ObjectError.self) {
                    try tx.newObjects(of: block, in: allocator.address)
                }
                #expect(full?.kind == .full)
                try tx.setCapacity(of: allocator.address, to: 8192)
                _ = try tx.newObjects(of: block, in: allocator.address)
                let tooLittle = #expect(throws: ObjectError.self) {
                    try tx.setCapacity(of: allocator.address, to: 4096)
                }
                #expect(tooLittle?.kind == .invalid)
                let empty = try tx.makeAllocator("b", capacity: 4096)
                let blocked = #expect(throws: ObjectError.self) {
                    try tx.setCapacity(of: allocator.address, to: 16384)
                }
                #expect(blocked?.kind == .full)
                // An empty one moves to after the last, and leaves its room to the one before.
                _ = try tx.makeAllocator("c", capacity: 4096)
                let moved = try tx.setCapacity(of: empty.address, to: 1 << 20)
                #expect(moved.base > empty.base && moved.capacity == 1 << 20)
                try tx.setCapacity(of: allocator.address, to: 12288)
            }
            #expect(try problems(of: space) == [])
        }
    }

    @Test("Room between allocators is used when the end of the region is reached")
    func gaps() throws {
        try withObjectSpace { space in
            try space.run { tx throws in
                let small = try tx.makeAllocator("small", capacity: 1 << 20)
                let left = SystemLayout.objectsEnd - small.end.offset
                _ = try tx.makeAllocator("rest", capacity: left)
                let full = #expect(throws: ObjectError.self) { try tx.makeAllocator("more") }
                #expect(full?.kind == .full)
                try tx.removeAllocator(name: "small", in: tx.main())
                #expect(try tx.makeAllocator("half", capacity: 1 << 19).base == small.base)
                #expect(
                    try tx.makeAllocator("other", capacity: 1 << 19).base
                        == small.base + (1 << 19))
                #expect(throws: ObjectError.self) { try tx.makeAllocator("more", capacity: 1) }
            }
            #expect(try problems(of: space) == [])
        }
    }

    @Test("Only an allocator without objects can be removed, and the system's never")
    func removal() throws {
        try withObjectSpace { space in
            try space.run { tx throws in
                let thing = try tx.defineClass(name: "Thing", text: "")
                let allocator = try tx.makeAllocator("a")
                _ = try tx.newObjects(of: thing, in: allocator.address)
                let main = try tx.main()
                let kinds = ["a", "system", "none"].map { name in
                    #expect(throws: ObjectError.self) {
                        try tx.removeAllocator(name: name, in: main)
                    }?.kind
                }
                #expect(kinds == [.notEmpty, .notPermitted, .notFound])
                let wrong = [
                    #expect(throws: ObjectError.self) { try tx.makeAllocator("a") }?.kind,
                    #expect(throws: ObjectError.self) {
                        try tx.makeAllocator("b", capacity: 0)
                    }?.kind,
                    #expect(throws: ObjectError.self) {
                        try tx.makeAllocator("b", capacity: .max)
                    }?.kind,
                    #expect(throws: ObjectError.self) {
                        try tx.newObjects(of: thing, in: SystemArea.allocator)
                    }?.kind,
                    #expect(throws: ObjectError.self) {
                        try tx.newObjects(of: BuiltInClass.name.descriptor, in: allocator.address)
                    }?.kind,
                ]
                #expect(
                    wrong == [
                        .exists, .invalid, .invalid, .notPermitted, .notPermitted,
                    ])
            }
        }
    }

    @Test("A region of one's own holds allocators, objects and names of them")
    func regions() throws {
        try withObjectSpace { space in
            let object = try space.run { tx throws in
                let region = try tx.createRegion(
                    name: "extra", model: "transactional", ownership: anyOwner)
                #expect(region.number == 4 && region.base == Address(4 << 39))
                let allocator = try tx.createAllocator(
                    name: "a", in: region, capacity: 1 << 20, ownership: anyOwner)
                let thing = try tx.defineClass(name: "Thing", text: "ref<Thing> next")
                let object = try tx.newObjects(of: thing, in: allocator.address, count: 3)
                try tx.bind("far", to: object)
                return object
            }
            #expect(object.region == 4)
            try space.run { tx throws in
                let region = try tx.region(number: 4)
                #expect(region.name == "extra" && region.ownership == anyOwner)
                let kinds = [
                    #expect(throws: ObjectError.self) {
                        try tx.removeRegion(name: "extra")
                    }?.kind,
                    #expect(throws: ObjectError.self) {
                        try tx.removeRegion(name: "transactional")
                    }?.kind,
                    #expect(throws: ObjectError.self) {
                        try tx.createRegion(name: "r", model: "relaxed", ownership: anyOwner)
                    }?.kind,
                    #expect(throws: ObjectError.self) {
                        try tx.createRegion(
                            name: "extra", model: "transactional", ownership: anyOwner)
                    }?.kind,
                ]
                #expect(kinds == [.notEmpty, .notPermitted, .invalid, .exists])
                _ = try tx.createRegion(
                    name: "empty", model: "transactional", ownership: anyOwner)
                try tx.removeRegion(name: "empty")
                let all = try tx.allObjects(after: .null, limit: 1000)
                #expect(all.next == nil)
                #expect(all.objects.suffix(3).map(\.address) == (0..<3).map { object + $0 * 16 })
                // A listing may go on after any number.
                let allocator = try tx.allocator(containing: object)?.address ?? .null
                for number in [65 << 39, 64 << 39, 63 << 39, 1 << 63, .max - 7, .max] as [UInt64] {
                    let place = Address(number)
                    #expect(try tx.allObjects(after: place, limit: 10).objects.isEmpty)
                    let page = try tx.objects(in: allocator, after: place, limit: 10)
                    #expect(page.objects.isEmpty && page.next == nil)
                }
            }
            #expect(try problems(of: space) == [])
        }
    }

    @Test("Owner, group and mode are stored with regions, allocators, names, classes and the space")
    func ownership() throws {
        try withObjectSpace { space in
            let changed = Ownership(uid: 1000, gid: 100, mode: 0o2770)
            try space.run { tx throws in
                let allocator = try tx.makeAllocator("a")
                #expect(allocator.ownership == anyOwner)
                for object in [allocator.address, try tx.main().address] {
                    try tx.setOwnership(changed, of: object)
                }
                #expect(try tx.allocator(at: allocator.address).ownership == changed)
                #expect(try tx.main().ownership == changed)
                let first = try tx.systemInfo()
                for (index, part) in SystemInfo.Part.allCases.enumerated() {
                    let other = Ownership(uid: 7, gid: UInt32(index), mode: 0o700)
                    try tx.setOwnership(other, of: part)
                    let all = try tx.systemInfo()
                    #expect([all.ownership, all.names, all.classes][index] == other)
                }
                #expect(try tx.systemInfo().created == first.created)
                #expect(try tx.systemInfo().ownership.gid == 0)
                #expect(throws: ObjectError.self) {
                    try tx.setOwnership(changed, of: BuiltInClass.name.address)
                }
            }
        }
    }

    @Test("A full memory refuses an object and leaves everything as it was")
    func memory() throws {
        var options = SpaceOptions()
        options.sizeBytesMax = 1 << 20
        try withObjectSpace(options) { space in
            let (block, allocator) = try space.run { tx throws in
                let block = try tx.defineClass(name: "Block", text: "bytes b[1016]")
                return (block, try tx.makeAllocator("a", capacity: 1 << 30).address)
            }
            var made = 0
            let error = #expect(throws: TransactionError.self) {
                while true {
                    try space.run { tx throws in
                        _ = try tx.newObjects(of: block, in: allocator)
                    }
                    made += 1
                }
            }
            #expect(error == .outOfMemory)
            #expect(made > 400)
            let count = try space.run { tx throws in try tx.objectCount(in: allocator) }
            #expect(count == UInt64(made))
            #expect(try problems(of: space) == [])
        }
    }
}
