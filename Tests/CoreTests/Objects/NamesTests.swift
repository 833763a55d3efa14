import TestSupport
import Testing

@testable import RainbowCore

@Suite("Names")
struct NamesTests {
    private func withObject(_ body: (Space, Address) throws -> Void) throws {
        try withObjectSpace { space in
            let object = try space.run { tx throws in
                let descriptor = try tx.defineClass(name: "Thing", text: "int64 x")
                return try tx.newObjects(of: descriptor, in: tx.makeAllocator("a").address)
            }
            try body(space, object)
            #expect(try problems(of: space) == [])
        }
    }

    @Test("Names of every length are bound and found", arguments: [1, 8, 39, 40, 41, 200, 255])
    func lengths(count: Int) throws {
        try withObject { space, object in
            let name = String((0..<count).map { Character(Unicode.Scalar(UInt8(97 + $0 % 26))) })
            let longer = name.dropLast() + "\u{df}".prefix(count == 255 ? 0 : 1)
            try space.run { tx throws in
                try tx.bind(name, to: object)
                #expect(try tx.target(ofName: name) == object)
                #expect(try tx.target(ofName: String(longer.isEmpty ? "x" : longer)) == nil)
                #expect(try tx.names(after: 0, limit: 5).map(\.name) == [name])
            }
            try space.run { tx throws in try tx.unbind(name) }
            try space.run { tx throws in #expect(try tx.names(after: 0, limit: 5).isEmpty) }
        }
    }

    @Test(
        "Names that no file can have are refused",
        arguments: [
            ("", ObjectError.Kind.invalid), (".", .invalid), ("..", .invalid), ("a/b", .invalid),
            ("a\0b", .invalid), (String(repeating: "x", count: 256), .nameTooLong),
        ])
    func refused(name: String, kind: ObjectError.Kind) throws {
        try withObject { space, object in
            try space.run { tx throws in
                let error = #expect(throws: ObjectError.self) { try tx.bind(name, to: object) }
                #expect(error?.kind == kind)
            }
        }
    }

    @Test("A name is bound once, to an object, and may be bound to a system object")
    func binding() throws {
        try withObject { space, object in
            try space.run { tx throws in
                try tx.bind("a", to: object)
                #expect(throws: ObjectError.self) { try tx.bind("a", to: object) }
                #expect(throws: ObjectError.self) { try tx.bind("b", to: object + 8) }
                #expect(throws: ObjectError.self) { try tx.bind("b", to: .null) }
                #expect(throws: ObjectError.self) { try tx.unbind("b") }
                try tx.rebind("a", to: SystemArea.root)
                try tx.rebind("c", to: object)
                #expect(try tx.target(ofName: "a") == SystemArea.root)
                #expect(try tx.target(ofName: "c") == object)
            }
        }
    }

    @Test("A name moves in one step, over another one if that is wanted")
    func renaming() throws {
        try withObject { space, object in
            try space.run { tx throws in
                try tx.bind("a", to: object)
                try tx.bind("b", to: SystemArea.root)
                try tx.rename("a", to: "a")
                let taken = #expect(throws: ObjectError.self) {
                    try tx.rename("a", to: "b", replace: false)
                }
                #expect(taken?.kind == .exists)
                try tx.rename("a", to: "b")
                #expect(try tx.target(ofName: "a") == nil)
                #expect(try tx.target(ofName: "b") == object)
                let missing = #expect(throws: ObjectError.self) { try tx.rename("a", to: "c") }
                #expect(missing?.kind == .notFound)
            }
        }
    }

    @Test("Many names list in parts, each once, while others come and go")
    func listing() throws {
        try withObject { space, object in
            let count = 5000
            for index in 0..<count {
                try space.run { tx throws in try tx.bind("name-\(index)", to: object) }
            }
            var found: [String] = []
            var key: UInt64 = 0
            var earlier: Int?
            while true {
                let page = try space.run { tx throws in try tx.names(after: key, limit: 100) }
                guard let last = page.last else { break }
                key = last.key
                found += page.map(\.name)
                earlier = try space.run { tx throws in
                    let round = found.count
                    try tx.bind("other-\(round)", to: object)
                    if let earlier { try tx.unbind("other-\(earlier)") }
                    return round
                }
            }
            let kept = found.filter { $0.hasPrefix("name-") }
            #expect(kept.count == count && Set(kept).count == count)
            #expect(key < 1 << 60)
            for index in 0..<count {
                try space.run { tx throws in try tx.unbind("name-\(index)") }
            }
        }
    }

    @Test("Unbound names make room for new ones")
    func reuse() throws {
        try withObject { space, object in
            var used: Set<UInt64> = []
            for _ in 0..<5 {
                for index in 0..<500 {
                    let name = "\(index)-" + String(repeating: "long", count: 10 * (index % 3))
                    try space.run { tx throws in try tx.bind(name, to: object) }
                }
                for name in try space.run({ tx in try tx.names(after: 0, limit: 1000) }) {
                    try space.run { tx throws in try tx.unbind(name.name) }
                }
                try space.run { tx throws in
                    used.insert(try tx.allocator(at: SystemArea.allocator).used)
                }
            }
            #expect(used.count == 1)
        }
    }
}
