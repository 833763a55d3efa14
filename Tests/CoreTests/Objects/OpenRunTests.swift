import TestSupport
import Testing

@testable import RainbowCore

/// Two threads, played by one: a transaction of the first attachment, and in its body one of the
/// second.
@Suite("Runs of the object layer")
struct OpenRunTests {
    private func withTwoSlots(
        capacity: UInt64,
        _ body: (Space, Space, _ allocator: Address, _ classes: [ClassDescriptor]) throws -> Void
    ) throws {
        try withObjectSpace { space in
            let rival = try Space.attach(space.name)
            defer { rival.detach() }
            let (allocator, classes) = try space.run { tx throws in
                let classes = try [
                    tx.defineClass(name: "Small", text: ""),
                    tx.defineClass(name: "Large", text: "int64 x\nref<Small> next"),
                ]
                return (try tx.makeAllocator("a", capacity: capacity).address, classes)
            }
            try body(space, rival, allocator, classes)
        }
    }

    /// Makes an object in each attachment at the same time.
    /// - Returns: how often the first one lost.
    private func makeTwo(
        _ space: Space, _ rival: Space, of descriptor: ClassDescriptor, in allocator: Address
    ) throws -> Int {
        var runs = 0
        try space.run { tx throws in
            runs += 1
            _ = try tx.newObjects(of: descriptor, in: allocator)
            guard runs == 1 else { return }
            try rival.run { tx throws in
                _ = try tx.newObjects(of: descriptor, in: allocator)
            }
        }
        return runs - 1
    }

    @Test("Two slots that make objects in one allocator lose once a run, and all are found")
    func twoSlots() throws {
        try withTwoSlots(capacity: 1 << 20) { space, rival, allocator, classes in
            var lost = 0
            for _ in 0..<1000 {
                lost += try makeTwo(space, rival, of: classes[1], in: allocator)
            }
            #expect((1...20).contains(lost), "\(lost) of 1000")
            try space.run { tx throws in
                #expect(try tx.objectCount(in: allocator) == 2000)
                #expect(try tx.instanceCount(of: classes[1]) == 2000)
                let page = try tx.objects(in: allocator, after: .null, limit: 3000)
                #expect(page.objects.count == 2000)
            }
            let found = try problems(of: space)
            #expect(found == [])
        }
    }

    @Test("An allocator with runs, one of a node that is gone, is filled to its last byte")
    func filling() throws {
        try withTwoSlots(capacity: 1 << 14) { space, rival, allocator, classes in
            for round in 0..<9 {
                _ = try makeTwo(space, rival, of: classes[round % 2], in: allocator)
                _ = try makeTwo(rival, space, of: classes[1 - round % 2], in: allocator)
            }
            rival.detach()
            // The large ones leave too little for one of them, the small ones nothing.
            var made: [UInt64] = []
            for descriptor in [classes[1], classes[0]] {
                #expect(throws: ObjectError.self) {
                    while true {
                        try space.run { tx throws in
                            _ = try tx.newObjects(of: descriptor, in: allocator)
                        }
                    }
                }
            }
            try space.run { tx throws in
                for descriptor in classes {
                    made.append(
                        try tx.instanceCount(of: descriptor) * UInt64(descriptor.stride))
                }
                #expect(made.reduce(0, +) == 1 << 14)
            }
            let found = try problems(of: space)
            #expect(found == [])
        }
    }

    @Test("A thread alone makes its objects one after the other")
    func alone() throws {
        try withTwoSlots(capacity: 1 << 14) { space, _, allocator, classes in
            for index in 0..<100 {
                let object = try space.run { tx throws in
                    try tx.newObjects(of: classes[0], in: allocator)
                }
                let base = try space.run { tx throws in try tx.allocator(at: allocator).base }
                #expect(object == base + 8 * index)
            }
        }
    }
}
