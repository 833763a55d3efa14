import RainbowCore
import TestSupport
import Testing

/// What a program does that links the library; so nothing of its inside is used here.
@Suite("Objects and fields as programs hold them")
struct FieldTests {
    private static let text = """
        int8 a\nint16 b\nint32 c\nint64 d\nuint8 e\nuint16 f\nuint32 g\nuint64 h
        float32 i\nfloat64 j\nbool k\nint32 many[3]\nstring label[8]
        ref<Node> next\nref<Object> any[2]
        """

    /// A space with two objects of the class `Node`, named `x` and `y`, and one of `Other`.
    private func withNodes(_ body: (Space) throws -> Void) throws {
        let name = uniqueSpaceName("handles")
        let space = try Space.open(name)
        defer {
            space.detach()
            try? Space.destroy(name, force: true)
        }
        try space.transact { tx in
            let node = try tx.defineClass(name: "Node", text: FieldTests.text)
            let other = try tx.defineClass(name: "Other", text: "int64 d")
            let allocator = try tx.createAllocator(
                name: "a", in: tx.region(named: "transactional"), capacity: 1 << 20,
                ownership: Ownership(uid: 1, gid: 1, mode: 0o755)
            ).address
            let first = try tx.newObjects(of: node, in: allocator, count: 2)
            try tx.bind("x", to: first)
            try tx.bind("y", to: first + node.stride)
            try tx.bind("z", to: tx.newObjects(of: other, in: allocator, count: 1))
        }
        try body(space)
    }

    private func check<Value: FieldScalar & Equatable>(
        _ name: String, _ values: [Value], _ space: Space
    ) throws {
        let field = try Field<Value>(name, of: "Node", in: space)
        for value in values {
            try space.transact { tx in
                let (x, y) = (try tx.object(named: "x"), try tx.object(named: "y"))
                let before = try tx[y, field]
                try tx.set(x, field, to: value)
                #expect(try tx[x, field] == value && tx[y, field] == before)
            }
            #expect(try space.transact { tx in try tx[tx.object(named: "x"), field] } == value)
        }
    }

    @Test("Each scalar type is read as it was set, to its limits, and nothing beside it changes")
    func scalars() throws {
        try withNodes { space in
            try check("a", [Int8.min, -1, 0, .max], space)
            try check("b", [Int16.min, -1, 0, .max], space)
            try check("c", [Int32.min, -1, 0, .max], space)
            try check("d", [Int64.min, -1, 0, .max], space)
            try check("e", [UInt8.max, 0], space)
            try check("f", [UInt16.max, 0], space)
            try check("g", [UInt32.max, 0], space)
            try check("h", [UInt64.max, 0], space)
            try check("i", [Float.infinity, -0.5, 0], space)
            try check("j", [-Double.greatestFiniteMagnitude, 1e-300, 0], space)
            try check("k", [true, false], space)
            // Each is back at zero: so none of them lies where another one does.
            let all = try Field<Int32>("many", of: "Node", in: space)
            try space.transact { tx in
                let x = try tx.object(named: "x")
                for index in 0..<3 { try tx.update(x, all, index: index) { $0 += Int32(index) } }
                #expect(try (0..<3).map { try tx[x, all, $0] } == [0, 1, 2])
            }
        }
    }

    @Test("References lead to objects, to nothing, and only where their class lets them")
    func references() throws {
        try withNodes { space in
            let next = try Field<Object?>("next", of: "Node", in: space)
            let any = try Field<Object?>("any", of: "Node", in: space)
            let d = try Field<Int64>("d", of: "Node", in: space)
            try space.transact { tx in
                let x = try tx.object(named: "x")
                let (y, z) = (try tx.object(named: "y"), try tx.object(named: "z"))
                #expect(try tx[x, next] == nil && tx[x, any, 1] == nil)
                try tx.set(x, next, to: y)
                try tx.set(x, any, index: 1, to: z)
                try tx.set(x, any, index: 0, to: x)
                try tx.set(y, d, to: 42)
                #expect(try tx[tx[x, next]!, d] == 42)
                #expect(try tx[x, any, 1] == z && tx[x, any, 0] == x && tx[y, next] == nil)
                #expect(throws: TransactionError.noSuchField(z.address)) {
                    try tx.set(x, next, to: z)
                }
                try tx.set(x, next, to: nil)
                #expect(try tx[x, next] == nil)
            }
        }
    }

    @Test("A field is found only with its class, its name and its type")
    func lookUp() throws {
        try withNodes { space in
            func refusal(_ body: () throws -> Void) -> String {
                do {
                    try body()
                    return "none"
                } catch { return "\(error)" }
            }
            let refusals = [
                refusal { _ = try Field<Int64>("d", of: "Nobody", in: space) },
                refusal { _ = try Field<Int64>("zz", of: "Node", in: space) },
                refusal { _ = try Field<Int32>("d", of: "Node", in: space) },
                refusal { _ = try Field<Object?>("d", of: "Node", in: space) },
                refusal { _ = try Field<Int64>("next", of: "Node", in: space) },
                refusal { _ = try Field<UInt64>("created", of: "System", in: space) },
                refusal { _ = try space.transact { tx in try tx.object(named: "nobody") } },
                refusal { _ = try space.transact { tx in try tx.object(at: Address(12)) } },
            ]
            #expect(
                refusals == [
                    "there is no class Nobody",
                    "the class Node has no field zz",
                    "the field d is int64, the program asks for int32",
                    "the field d is int64, the program asks for ref",
                    "the field next is ref, the program asks for int64",
                    "the field created belongs to a class of the system",
                    "there is no name nobody", "there is no object at \(Address(12))",
                ])
        }
    }

    @Test("A field reads and writes no object of another class, and no element that is not there")
    func foreign() throws {
        try withNodes { space in
            let d = try Field<Int64>("d", of: "Node", in: space)
            let many = try Field<Int32>("many", of: "Node", in: space)
            let next = try Field<Object?>("next", of: "Node", in: space)
            try space.transact { tx in
                let (x, z) = (try tx.object(named: "x"), try tx.object(named: "z"))
                let system = try tx.object(at: SystemArea.root)
                for object in [z, system] {
                    let error = TransactionError.noSuchField(object.address)
                    #expect(throws: error) { try tx[object, d] }
                    #expect(throws: error) { try tx.set(object, d, to: 1) }
                    #expect(throws: error) { try tx.update(object, d) { $0 += 1 } }
                    #expect(throws: error) { try tx[object, next] }
                    #expect(throws: error) { try tx.set(object, next, to: nil) }
                }
                for index in [-1, 3, .max, .min] {
                    #expect(throws: TransactionError.noSuchField(x.address)) {
                        try tx.set(x, many, index: index, to: 1)
                    }
                    #expect(throws: TransactionError.noSuchField(x.address)) {
                        try tx[x, next, index]
                    }
                }
            }
        }
    }

    @Test("A field of a class that was defined again fits no object of the new definition")
    func definedAgain() throws {
        try withNodes { space in
            func define(_ text: String) throws {
                try space.transact { tx in _ = try tx.defineClass(name: "New", text: text) }
            }
            try define("int64 v")
            let old = try Field<Int64>("v", of: "New", in: space)
            try define("int64 w\nint64 v")
            let new = try Field<Int64>("v", of: "New", in: space)
            try space.transact { tx in
                let allocator = try tx.allocator(
                    named: "a", in: tx.region(named: "transactional")
                ).address
                let object = try tx.object(
                    at: tx.newObjects(
                        of: tx.classDescriptor(named: "New"), in: allocator, count: 1))
                #expect(throws: TransactionError.noSuchField(object.address)) {
                    try tx[object, old]
                }
                #expect(try tx[object, new] == 0)
            }
        }
    }
}
