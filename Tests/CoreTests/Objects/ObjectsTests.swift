import TestSupport
import Testing

@testable import RainbowCore

@Suite("Objects")
struct ObjectsTests {
    static let text = """
        int64 balance
        ref<Account> heir
        ref<Object> history[3]
        int16 small[5]
        string label[10]

        """

    /// A space with a class `Account`, one object of it and one of the class `Other`.
    private func withAccount(
        _ body: (Space, ClassDescriptor, _ account: Address, _ other: Address) throws -> Void
    ) throws {
        try withObjectSpace { space in
            let (account, object, other) = try space.run { tx throws in
                let account = try tx.defineClass(name: "Account", text: ObjectsTests.text)
                let other = try tx.defineClass(name: "Other", text: "int8 x")
                let allocator = try tx.makeAllocator("a").address
                return (
                    account, try tx.newObjects(of: account, in: allocator),
                    try tx.newObjects(of: other, in: allocator)
                )
            }
            try body(space, account, object, other)
            #expect(try problems(of: space) == [])
        }
    }

    @Test("Fields hold what was written, and begin with zero")
    func fields() throws {
        try withAccount { space, account, object, _ in
            let small = try #require(account.field(named: "small"))
            try space.run { tx throws in
                #expect(try tx.values(of: object, small) == [0, 0, 0, 0, 0] as [Int16])
                try tx.setValues([1, -2, 3, 4, 32767] as [Int16], of: object, small)
                #expect(try tx.values(of: object, small) == [1, -2, 3, 4, 32767] as [Int16])
                let label = try #require(account.field(named: "label"))
                try unsafe Array("xyz".utf8).withUnsafeBytes { bytes in
                    try unsafe tx.writeField(object, label, at: 7, from: bytes)
                }
                let error = #expect(throws: ObjectError.self) {
                    try unsafe Array("xyz".utf8).withUnsafeBytes { bytes in
                        try unsafe tx.writeField(object, label, at: 8, from: bytes)
                    }
                }
                #expect(error?.kind == .notPermitted)
                #expect(throws: ObjectError.self) {
                    try tx.values(of: object + 8, small) as [Int16]
                }
            }
        }
    }

    @Test("A reference leads to nothing or to a living object of its class")
    func references() throws {
        try withAccount { space, account, object, other in
            let heir = try #require(account.field(named: "heir"))
            let history = try #require(account.field(named: "history"))
            try space.run { tx throws in
                try tx.setReference(object, heir, to: object)
                try tx.setReference(object, history, index: 2, to: other)
                #expect(try tx.reference(object, heir) == object)
                #expect(try tx.reference(object, history, index: 2) == other)
                #expect(try tx.reference(object, history, index: 1) == .null)
                try tx.setReference(object, heir, to: .null)
                let kinds = [
                    #expect(throws: ObjectError.self) {
                        try tx.setReference(object, heir, to: other)
                    }?.kind,
                    #expect(throws: ObjectError.self) {
                        try tx.setReference(object, history, to: object + 8)
                    }?.kind,
                    #expect(throws: ObjectError.self) {
                        try tx.setReference(object, history, index: 3, to: object)
                    }?.kind,
                    #expect(throws: ObjectError.self) {
                        let target = BuiltInClass.name.descriptor.field(named: "target")!
                        try tx.setReference(object, target, to: object)
                    }?.kind,
                ]
                #expect(kinds == [.invalid, .invalid, .notFound, .notFound])
            }
        }
    }

    @Test("A number that looks like a header makes no object")
    func headerLikeScalar() throws {
        try withAccount { space, account, object, _ in
            let balance = try #require(account.field(named: "balance"))
            try space.run { tx throws in
                try tx.setValues([account.header], of: object, balance)
                let fake = object + balance.offset
                #expect(try tx.load(fake, as: UInt64.self) == account.header)
                #expect(try !tx.isObject(fake))
                #expect(try tx.object(containing: fake) == object)
            }
        }
    }

    @Test("Any address inside an object leads to it, any other to nothing")
    func containing() throws {
        try withAccount { space, account, object, other in
            try space.run { tx throws in
                let start = account.start(of: object)
                for offset in 0..<account.size {
                    #expect(try tx.object(containing: start + offset) == object)
                }
                #expect(try tx.object(containing: start + account.size) == other)
                #expect(try tx.object(containing: start - 1) == nil)
                #expect(try tx.object(containing: other + 16) == nil)
                for raw: UInt64 in [0, 1, 0xfff, 1 << 39 - 1, .max, .max - 7, 2 << 39, 63 << 39] {
                    #expect(try tx.object(containing: Address(raw)) == nil)
                    #expect(try !tx.isObject(Address(raw)))
                }
            }
        }
    }

    @Test("The address of a value leads to its field, any other to nothing")
    func fieldPlaces() throws {
        try withAccount { space, account, object, other in
            try space.run { tx throws in
                let start = account.start(of: object)
                var scalars = 0
                var references = 0
                for address in (0..<account.size).map({ start + $0 }) {
                    if let place = try tx.scalar(at: address) {
                        #expect(place.object == object)
                        #expect(place.descriptor.address == account.address)
                        #expect(object + place.field.offset == address && place.index == 0)
                        #expect(!place.field.isReference)
                        scalars += 1
                    }
                    if let place = try tx.reference(at: address) {
                        #expect(place.object == object)
                        #expect(place.descriptor.address == account.address)
                        #expect(object + place.field.offset - 8 * place.index == address)
                        #expect(place.field.isReference)
                        references += 1
                    }
                }
                #expect(scalars == account.fields.filter { !$0.isReference }.count)
                #expect(references == account.referenceCount)
                #expect(try tx.scalar(at: other + account.size) == nil)
                #expect(try tx.reference(at: account.start(of: object) - 8) == nil)
                for raw: UInt64 in [0, 1, 0xfff, 1 << 39 - 1, .max, .max - 7, 2 << 39, 63 << 39] {
                    #expect(try tx.scalar(at: Address(raw)) == nil)
                    #expect(try tx.reference(at: Address(raw)) == nil)
                }
            }
        }
    }

    @Test("Bytes of the file of an object are its memory, lowest address first")
    func raw() throws {
        try withAccount { space, account, object, other in
            let heir = try #require(account.field(named: "heir"))
            try space.run { tx throws in
                try tx.setReference(object, heir, to: object)
                let bytes = try tx.raw(object)
                #expect(bytes.count == account.size)
                #expect(word(bytes, at: 24) == object.rawValue)
                #expect(word(bytes, at: 32) == account.header)
                try tx.writeRaw(object, at: 24, words: [other.rawValue - other.rawValue])
                #expect(try tx.reference(object, heir) == .null)
                try tx.writeRaw(object, at: 16, words: [other.rawValue, object.rawValue])
                try tx.writeRaw(object, at: 40, words: [7])
                #expect(try tx.load(object + 8, as: UInt64.self) == 7)
                let kinds = [
                    tx.rawError(object, 24, [other.rawValue]), tx.rawError(object, 20, [0]),
                    tx.rawError(object, 32, [account.header]), tx.rawError(object, 24, [0, 0]),
                    tx.rawError(object, account.size - 4, [0]), tx.rawError(object, 1 << 40, [0]),
                    tx.rawError(SystemArea.root, 48, [0]), tx.rawError(object + 8, 48, [0]),
                ]
                #expect(
                    kinds == [
                        .invalid, .invalid, .notPermitted, .notPermitted, .notPermitted,
                        .notPermitted, .notPermitted, .notFound,
                    ])
            }
        }
    }

    @Test("Random bytes written over objects never break a reference")
    func rawFuzz() throws {
        try withAccount { space, account, object, other in
            var random = SeededGenerator(seed: printedSeed("raw fuzz"))
            let words = [
                object.rawValue, other.rawValue, 0, account.header, 1, object.rawValue + 8,
            ]
            for _ in 0..<2000 {
                let position = Int.random(in: -8...account.size + 8, using: &random)
                let count = Int.random(in: 1...5, using: &random)
                let values = (0..<count).map { _ in words.randomElement(using: &random)! }
                try space.run { tx throws in _ = tx.rawError(object, position & ~3, values) }
            }
            try space.run { tx throws in
                #expect(try tx.load(object, as: UInt64.self) == account.header)
            }
        }
    }

    @Test("Objects of a batch follow one another, zero, and are listed everywhere")
    func batches() throws {
        try withObjectSpace { space in
            for (name, text) in [
                ("Empty", ""), ("Small", "ref<Object> r\nint64 x"),
                ("Page", "bytes b[4088]"), ("Odd", "bytes b[1000]"),
                ("Line", "align 64\nref<Object> r\nint64 x"), ("Lines", "align 64\nbytes b[100]"),
            ] {
                let (descriptor, allocator) = try space.run { tx throws in
                    (
                        try tx.defineClass(name: name, text: text),
                        try tx.makeAllocator(name, capacity: 4 << 20).address
                    )
                }
                var expected: [Address] = []
                for count in [1, 2, 63, 64, 65, 200] {
                    let first = try space.run { tx throws in
                        try tx.newObjects(of: descriptor, in: allocator, count: count)
                    }
                    expected += (0..<count).map { first + $0 * descriptor.stride }
                }
                #expect(try addresses(in: allocator, of: space) == expected)
                try space.run { tx throws in
                    #expect(try tx.objectCount(in: allocator) == UInt64(expected.count))
                    #expect(try tx.instanceCount(of: descriptor) == UInt64(expected.count))
                    var found: [Address] = []
                    var cursor: InstanceCursor?
                    repeat {
                        let page = try tx.instances(of: descriptor, after: cursor, limit: 17)
                        found += page.objects
                        cursor = page.next
                    } while cursor != nil
                    #expect(found == expected)
                }
            }
            #expect(try problems(of: space) == [])
        }
    }

    @Test("No other object has a byte on the lines of one whose class is aligned")
    func aligned() throws {
        try withObjectSpace { space in
            let classes = try space.run { tx throws in
                try [
                    ("Loose", "int8 x"), ("Line", "align 64\nref<Object> r\nint64 x"),
                    ("Whole", "align 64\nbytes b[56]"), ("More", "align 64\nbytes b[57]"),
                    ("Empty", "align 64"),
                ].map { name, text in try tx.defineClass(name: name, text: text) }
            }
            #expect(classes.map(\.size) == [16, 24, 64, 72, 8])
            #expect(classes.map(\.stride) == [16, 64, 64, 128, 64])
            var random = SeededGenerator(seed: printedSeed("aligned objects"))
            let allocator = try space.run { tx throws in try tx.makeAllocator("a").address }
            var owners: [UInt64: Address] = [:]
            var loose: Set<UInt64> = []
            for _ in 0..<200 {
                let descriptor = try #require(classes.randomElement(using: &random))
                let count = [1, 2, 3, 40].randomElement(using: &random) ?? 1
                let first = try space.run { tx throws in
                    try tx.newObjects(of: descriptor, in: allocator, count: count)
                }
                for index in 0..<count {
                    let object = first + index * descriptor.stride
                    let memory = descriptor.memory(of: object)
                    for line in memory.lowerBound.line...(memory.upperBound - 1).line {
                        if descriptor.alignment == 64 {
                            #expect(owners.updateValue(object, forKey: line) == nil)
                            #expect(!loose.contains(line))
                        } else {
                            #expect(owners[line] == nil)
                            loose.insert(line)
                        }
                    }
                }
            }
            #expect(try problems(of: space) == [])
        }
    }

    @Test("A class with objects takes its own text again, and no other alignment")
    func alignmentStays() throws {
        try withObjectSpace { space in
            try space.run { tx throws in
                let aligned = try tx.defineClass(name: "A", text: "align 64\nint64 x\n")
                _ = try tx.newObjects(of: aligned, in: try tx.makeAllocator("a").address)
                _ = try tx.defineClass(name: "A", text: "int64 x # here\nalign 64")
                let error = #expect(throws: ObjectError.self) {
                    try tx.defineClass(name: "A", text: "int64 x")
                }
                #expect(error?.kind == .busy)
            }
            // Read from the space, by a process that did not define it.
            try space.run { tx throws in
                let found = try tx.classDescriptor(named: "A")
                #expect(found.text == "align 64\nint64 x\n")
            }
        }
    }

    @Test("Classes that take turns in one allocator fill many backpacks and stay listed")
    func manyRuns() throws {
        try withObjectSpace { space in
            let (first, second, allocator) = try space.run { tx throws in
                (
                    try tx.defineClass(name: "A", text: "int64 x"),
                    try tx.defineClass(name: "B", text: "ref<A> a"),
                    try tx.makeAllocator("a").address
                )
            }
            for _ in 0..<1000 {
                try space.run { tx throws in
                    _ = try tx.newObjects(of: first, in: allocator)
                    _ = try tx.newObjects(of: second, in: allocator)
                }
            }
            try space.run { tx throws in
                #expect(try tx.instanceCount(of: first) == 1000)
                let page = try tx.instances(of: second, after: nil, limit: 5000)
                #expect(page.objects.count == 1000 && page.next == nil)
                #expect(Set(page.objects).count == 1000)
            }
            #expect(try problems(of: space) == [])
        }
    }
}

private func word(_ bytes: [UInt8], at offset: Int) -> UInt64 {
    (0..<8).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64($1 * 8) }
}

func addresses(in allocator: Address, of space: Space) throws -> [Address] {
    var found: [Address] = []
    var position: Address? = .null
    while let after = position {
        let page = try space.run { tx throws in
            try tx.objects(in: allocator, after: after, limit: 10)
        }
        found += page.objects.map(\.address)
        position = page.next
    }
    return found
}

extension Transaction {
    mutating func values<T: FixedWidthInteger>(
        of object: Address, _ field: FieldDescriptor
    ) throws -> [T] {
        var values = [T](repeating: 0, count: field.byteCount / MemoryLayout<T>.size)
        try unsafe values.withUnsafeMutableBytes { bytes in
            try unsafe readField(object, field, into: bytes)
        }
        return values
    }

    mutating func setValues<T: FixedWidthInteger>(
        _ values: [T], of object: Address, _ field: FieldDescriptor
    ) throws {
        try unsafe values.withUnsafeBytes { bytes in
            try unsafe writeField(object, field, from: bytes)
        }
    }

    mutating func raw(_ object: Address) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = try unsafe bytes.withUnsafeMutableBytes { bytes in
            try unsafe readRaw(object, at: 0, into: bytes)
        }
        return Array(bytes[..<count])
    }

    mutating func writeRaw(_ object: Address, at position: Int, words: [UInt64]) throws {
        try unsafe words.withUnsafeBytes { bytes in
            try unsafe writeRaw(object, at: position, from: bytes)
        }
    }

    mutating func rawError(
        _ object: Address, _ position: Int, _ words: [UInt64]
    ) -> ObjectError.Kind? {
        do {
            try writeRaw(object, at: position, words: words)
            return nil
        } catch {
            return (error as? ObjectError)?.kind
        }
    }
}
