import Testing

@testable import RainbowCore

@Suite("Batches of objects")
struct ObjectBatchTests {
    private struct Batch {
        let space: Space
        let allocator: Address
        var batch: ObjectBatch

        init(_ space: Space, count: Int, fields: String = "int64 x\nref<Node> next") throws {
            self.space = space
            (allocator, batch) = try space.run { tx throws in
                let node = try tx.defineClass(name: "Node", text: fields)
                let allocator = try tx.makeAllocator("a", capacity: 512 << 20).address
                return try (
                    allocator, tx.reserveObjects(of: node, in: allocator, count: count)
                )
            }
        }

        /// Fills all parts, each object with its index.
        func fill() throws {
            let size = ObjectBatch.partBytesMax / batch.descriptor.stride / 16
            let field = try #require(batch.descriptor.field(named: "x"))
            for start in stride(from: 0, to: batch.count, by: size) {
                try space.run { tx throws in
                    let part = start..<min(start + size, batch.count)
                    try tx.initialise(part, of: batch)
                    for index in part {
                        try unsafe withUnsafeBytes(of: index) { bytes in
                            try unsafe tx.writeField(
                                field, ofObject: index, of: batch, from: bytes)
                        }
                    }
                }
            }
        }

        func objectCount() throws -> Int {
            try space.run { tx throws in
                try (0..<batch.count).reduce(0) { try $0 + (tx.isObject(batch[$1]) ? 1 : 0) }
            }
        }
    }

    @Test("Nobody finds a batch before it is published, and everybody all of it then")
    func appears() throws {
        try withObjectSpace { space in
            let made = try Batch(space, count: 100_000)
            try made.fill()
            let before = try space.takeSnapshot(named: "before")
            #expect(try made.objectCount() == 0)
            try space.run { tx throws in
                #expect(try tx.objectCount(in: made.allocator) == 0)
                try tx.publish(made.batch)
            }
            #expect(try made.objectCount() == 100_000)
            try space.run { tx throws in
                let field = try #require(made.batch.descriptor.field(named: "x"))
                for index in [0, 1, 63, 64, 99_999] {
                    #expect(try tx.values(of: made.batch[index], field) == [Int64(index)])
                }
                #expect(try tx.objectCount(in: made.allocator) == 100_000)
                #expect(try tx.instanceCount(of: made.batch.descriptor) == 100_000)
            }
            let early = try space.read(at: before) { tx throws in
                try tx.objectCount(in: made.allocator)
            }
            #expect(early == 0)
            #expect(try problems(of: space) == [])
        }
    }

    @Test("Objects made meanwhile lie above it, and stay objects", arguments: 1...70)
    func neighbours(count: Int) throws {
        for fields in ["", "int64 x", "int64 x\nref<Node> next", "bytes x[200]"] {
            try withObjectSpace { space in
                let made = try Batch(space, count: count, fields: fields)
                let above = try space.run { tx throws in
                    try tx.newObjects(of: made.batch.descriptor, in: made.allocator, count: 3)
                }
                try space.run { tx throws in
                    try tx.initialise(0..<count, of: made.batch)
                    try tx.publish(made.batch)
                    for index in 0..<3 {
                        let object = above + index * made.batch.descriptor.stride
                        #expect(try tx.isObject(object))
                    }
                    #expect(try tx.objectCount(in: made.allocator) == UInt64(count + 3))
                }
                #expect(try problems(of: space) == [])
            }
        }
    }

    @Test("What is given back is room again, unless more was taken above it")
    func givenBack() throws {
        try withObjectSpace { space in
            let made = try Batch(space, count: 1000)
            try made.fill()
            try space.run { tx throws in
                try tx.giveBack(made.batch)
                #expect(try tx.allocator(at: made.allocator).used == 0)
                let next = try tx.newObjects(of: made.batch.descriptor, in: made.allocator)
                #expect(next == made.batch.first)
                let other = try tx.reserveObjects(
                    of: made.batch.descriptor, in: made.allocator, count: 10)
                let above = try tx.newObjects(of: made.batch.descriptor, in: made.allocator)
                try tx.giveBack(other)
                #expect(above == other[10])
                #expect(try tx.objectCount(in: made.allocator) == 2)
            }
            #expect(throws: ObjectError.self) {
                try space.run { tx throws in try tx.publish(made.batch) }
            }
            #expect(try problems(of: space) == [])
        }
    }

    @Test("Room that is taken keeps its allocator; a class that changes meanwhile gets no objects")
    func guarded() throws {
        try withObjectSpace { space in
            let made = try Batch(space, count: 1000)
            try made.fill()
            try space.run { tx throws in
                let region = try tx.region(named: "transactional")
                #expect(throws: ObjectError.self) {
                    try tx.removeAllocator(name: "a", in: region)
                }
                _ = try tx.defineClass(name: "Node", text: "int64 x\nint64 y")
                #expect(throws: ObjectError.self) { try tx.publish(made.batch) }
                try tx.giveBack(made.batch)
            }
        }
    }

    @Test("The largest batch fits into one commit, a larger one is refused")
    func largest() throws {
        try withObjectSpace { space in
            let most = ObjectBatch.bytesMax / 8
            let made = try Batch(space, count: most, fields: "")
            let size = ObjectBatch.partBytesMax / 8
            for start in stride(from: 0, to: most, by: size) {
                try space.run { tx throws in
                    try tx.initialise(start..<min(start + size, most), of: made.batch)
                }
            }
            try space.run { tx throws in
                try tx.publish(made.batch)
                #expect(try tx.objectCount(in: made.allocator) == UInt64(most))
            }
            for count in [most + 1, .max, 0, -1] {
                #expect(throws: ObjectError.self) {
                    try space.run { tx throws in
                        _ = try tx.reserveObjects(
                            of: made.batch.descriptor, in: made.allocator, count: count)
                    }
                }
            }
        }
    }

    @Test("What was given back or published is nobody's to give back again")
    func givenBackTwice() throws {
        try withObjectSpace { space in
            let made = try Batch(space, count: 1000)
            func giveBack() throws { try space.run { tx throws in try tx.giveBack(made.batch) } }
            func top() throws -> Address {
                try space.run { tx throws in try tx.allocator(at: made.allocator).top }
            }
            let full = try top()
            // An attempt that is not committed gives nothing back.
            #expect(throws: CancellationError.self) {
                try space.run { tx throws in
                    try tx.giveBack(made.batch)
                    throw CancellationError()
                }
            }
            #expect(try top() == full)
            try giveBack()
            #expect(try top() < full)
            // Another batch has the same room.
            var other = made
            try space.run { tx throws in
                other.batch = try tx.reserveObjects(
                    of: made.batch.descriptor, in: made.allocator, count: 1000)
                try tx.giveBack(made.batch)
            }
            try giveBack()
            #expect(try top() == full)
            try other.fill()
            try space.run { tx throws in
                try tx.publish(other.batch)
                try tx.giveBack(other.batch)
            }
            try space.run { tx throws in try tx.giveBack(other.batch) }
            #expect(try top() == full && other.objectCount() == 1000)
            #expect(try problems(of: space) == [])
        }
    }
}
