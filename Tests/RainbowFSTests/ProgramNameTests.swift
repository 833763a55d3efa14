import Glibc
import RainbowCore
import Testing

@testable import RainbowFS

/// The tree keeps some names for itself. Programs do not know the tree, and may choose them.
@Suite("Names that the tree uses itself")
struct ProgramNameTests {
    let fixture = try! TreeFixture()

    @Test("Through the tree nobody makes a field, an allocator or a region of such a name")
    func refused() throws {
        for name in ["class", "raw"] {
            expectError(EINVAL) { try fixture.write("int8 \(name)\n", to: "classes/Odd") }
        }
        #expect(!fixture.exists("classes/Odd"))
        expectError(EEXIST) { try fixture.makeDirectory("regions/transactional/status") }
        expectError(EINVAL) { try fixture.makeDirectory("regions/a.b.transactional") }
    }

    @Test("What a program called so is shown once, and can be used")
    func shown() throws {
        let object = try fixture.space.transact { tx in
            let odd = try tx.defineClass(name: "Odd", text: "int8 class\nint8 raw\nint8 plain")
            let own = Ownership(uid: getuid(), gid: getgid(), mode: 0o755)
            let region = try tx.createRegion(name: "a.b", model: "transactional", ownership: own)
            let status = try tx.createAllocator(name: "status", in: region, ownership: own)
            return try tx.newObjects(of: odd, in: status.address)
        }
        #expect(try fixture.list("objects/\(object)") == ["class", "raw", "plain"])
        try fixture.write("7\n", to: "objects/\(object)/raw")
        #expect(try fixture.read("objects/\(object)/raw") == "7\n")
        #expect(try fixture.list("regions").contains("a.b"))
        #expect(try fixture.list("regions/a.b") == ["status"])
        #expect(try fixture.read("regions/a.b/status").contains("allocators: 1\n"))
    }
}
