import TestSupport
import Testing

@testable import RainbowCore

@Suite("Classes")
struct ClassesTests {
    @Test("A class is found by its name, as it was defined")
    func define() throws {
        try withObjectSpace { space in
            let text = "int64 balance\nref<Account> heir\nref<Class> kind\nstring label[32]\n"
            try space.run { tx throws in try tx.defineClass(name: "Account", text: text) }
            try space.run { tx throws in
                let found = try tx.classDescriptor(named: "Account")
                #expect(found.text == text)
                #expect(found.size == 16 + 8 + 40)
                #expect(found.field(named: "heir")?.target == found.address)
                #expect(found.field(named: "kind")?.target == BuiltInClass.class.address)
                #expect(try tx.descriptor(of: found.address).name == "Class")
                #expect(try tx.instanceCount(of: found) == 0)
            }
            #expect(try problems(of: space) == [])
        }
    }

    @Test("A class without objects can be defined again, one with objects only as it is")
    func redefine() throws {
        try withObjectSpace { space in
            let old = try space.run { tx throws in
                try tx.defineClass(name: "Node", text: "int64 a\nref<Node> next\n")
            }
            try space.run { tx throws in
                let new = try tx.defineClass(name: "Node", text: "int8 b[3]\n")
                #expect(new.address == old.address && new.revision != old.revision)
                let allocator = try tx.makeAllocator("a")
                #expect(throws: ObjectError.self) {
                    try tx.newObjects(of: old, in: allocator.address)
                }
                _ = try tx.newObjects(of: new, in: allocator.address)
            }
            try space.run { tx throws in
                let error = #expect(throws: ObjectError.self) {
                    try tx.defineClass(name: "Node", text: "int8 c[3]\n")
                }
                #expect(error?.kind == .busy)
                try tx.defineClass(name: "Node", text: "# the same\nint8 b[3]")
                let removal = #expect(throws: ObjectError.self) { try tx.removeClass(name: "Node") }
                #expect(removal?.kind == .busy)
            }
            #expect(try problems(of: space) == [])
        }
    }

    @Test("A definition that is thrown away leaves nothing, nor does it in this process")
    func undone() throws {
        struct Undo: Error {}
        try withObjectSpace { space in
            try space.run { tx throws in try tx.defineClass(name: "A", text: "int8 x") }
            #expect(throws: Undo.self) {
                try space.run { tx throws in
                    try tx.defineClass(name: "A", text: "int64 y")
                    try tx.defineClass(name: "B", text: "ref<A> a")
                    #expect(try tx.classDescriptor(named: "A").text == "int64 y\n")
                    throw Undo()
                }
            }
            try space.run { tx throws in
                #expect(try tx.classDescriptor(named: "A").text == "int8 x\n")
                #expect(throws: ObjectError.self) { try tx.classDescriptor(named: "B") }
            }
            #expect(try problems(of: space) == [])
        }
    }

    @Test("A class that another one refers to stays until that one goes")
    func referrers() throws {
        try withObjectSpace { space in
            try space.run { tx throws in
                let missing = #expect(throws: ObjectError.self) {
                    try tx.defineClass(name: "B", text: "ref<A> a")
                }
                #expect(missing?.kind == .invalid)
            }
            try space.run { tx throws in
                try tx.defineClass(name: "A", text: "ref<A> self")
                try tx.defineClass(name: "B", text: "ref<A> a\nref<A> b[2]")
            }
            #expect(try problems(of: space) == [])
            try space.run { tx throws in
                let error = #expect(throws: ObjectError.self) { try tx.removeClass(name: "A") }
                #expect(error?.kind == .busy)
            }
            try space.run { tx throws in try tx.defineClass(name: "B", text: "int8 a") }
            try space.run { tx throws in try tx.removeClass(name: "A") }
            try space.run { tx throws in try tx.removeClass(name: "B") }
            #expect(try problems(of: space) == [])
            try space.run { tx throws in
                #expect(
                    try tx.classes(after: 0, limit: 99).count == BuiltInClass.allCases.count)
            }
        }
    }

    @Test(
        "Names that no class can have are refused",
        arguments: [
            ("", ObjectError.Kind.invalid), ("1a", .invalid), ("a-b", .invalid), ("a.b", .invalid),
            ("Object", .notPermitted), ("System", .notPermitted), ("Class", .notPermitted),
            (String(repeating: "a", count: 49), .nameTooLong),
        ])
    func names(name: String, kind: ObjectError.Kind) throws {
        try withObjectSpace { space in
            try space.run { tx throws in
                let error = #expect(throws: ObjectError.self) {
                    try tx.defineClass(name: name, text: "")
                }
                #expect(error?.kind == kind)
            }
        }
    }

    @Test("Removed classes make room for new ones")
    func reuse() throws {
        try withObjectSpace { space in
            let lines = (0..<60).map { "ref<Object> f\($0)\n" }.joined()
            var used: UInt64 = 0
            for round in 0..<10 {
                try space.run { tx throws in try tx.defineClass(name: "C", text: lines) }
                try space.run { tx throws in try tx.removeClass(name: "C") }
                let top = try space.run { tx throws in
                    try tx.allocator(at: SystemArea.allocator).used
                }
                if round == 0 { used = top }
                #expect(top == used)
            }
            #expect(try problems(of: space) == [])
        }
    }

    @Test("A thousand classes list in parts, each once")
    func listing() throws {
        try withObjectSpace { space in
            for index in 0..<1000 {
                try space.run { tx throws in try tx.defineClass(name: "C\(index)", text: "int8 x") }
            }
            var names: [String] = []
            var key: UInt64 = 0
            while true {
                let page = try space.run { tx throws in try tx.classes(after: key, limit: 37) }
                guard let last = page.last else { break }
                #expect(zip(page, page.dropFirst()).allSatisfy { $0.key < $1.key })
                key = last.key
                names += page.map(\.descriptor.name)
            }
            let expected = (0..<1000).map { "C\($0)" } + BuiltInClass.allCases.map(\.name)
            #expect(names.count == expected.count && Set(names) == Set(expected))
        }
    }
}
