import Glibc
import RainbowCore
import Testing

@testable import RainbowFS

/// The lines of Docs/Semantics.md about snapshots.
@Suite struct SemanticsSnapshotTests {
    let bank: Bank
    let fixture: TreeFixture
    let alice: String

    init() throws {
        bank = try Bank()
        fixture = bank.fixture
        alice = try bank.new("balance=100")
        try fixture.link("../" + alice, "names/alice")
        try fixture.makeDirectory("snapshots/s")
    }

    /// All that a tree shows: each path with its attributes and its content.
    private func everything(below path: String) throws -> [String] {
        var found: [String] = []
        for name in try fixture.list(path) {
            let child = path + "/" + name
            let attributes = try fixture.attributes(child)
            found.append("\(child) \(attributes)")
            if attributes.isDirectory {
                found += try everything(below: child)
            } else if attributes.isLink {
                found.append(try fixture.readLink(child))
            } else {
                let bytes = try fixture.bytes(child)
                #expect(UInt64(bytes.count) == attributes.size, "\(child)")
                found.append("\(bytes)")
            }
        }
        return found
    }

    @Test("`mkdir` in `snapshots` keeps the newest version readable, `rmdir` gives it up.")
    func life() throws {
        try fixture.write("1", to: alice + "/balance")
        #expect(try fixture.read("snapshots/s/\(alice)/balance") == "100\n")
        #expect(try fixture.readLink("snapshots/s/names/alice") == "../" + alice)
        #expect(try fixture.list("snapshots") == ["s"])
        #expect(
            try fixture.list("snapshots/s") == ["regions", "classes", "objects", "names", "system"])
        expectError(EEXIST) { try fixture.makeDirectory("snapshots/s") }
        expectError(EINVAL) { try fixture.makeDirectory("snapshots/a\nb") }
        let file = try fixture.open("snapshots/s/\(alice)/balance", O_RDONLY)
        try fixture.removeDirectory("snapshots/s")
        #expect(try fixture.list("snapshots").isEmpty)
        expectError(ENOENT) { _ = try fixture.entry("snapshots/s") }
        expectError(ENOENT) { try fixture.removeDirectory("snapshots/s") }
        expectError(ESTALE) { _ = try file.all() }
        try fixture.makeDirectory("snapshots/s")
        #expect(try fixture.read("snapshots/s/\(alice)/balance") == "1\n")
        expectError(ESTALE) { _ = try file.all() }
    }

    @Test("All mounts of the space have the same snapshots.")
    func mounts() throws {
        try fixture.write("1", to: alice + "/balance")
        let other = fixture.tree { _ in }
        let root = try other.lookup(.snapshots, "s", fixture.caller)
        #expect(
            try other.extendedAttribute(root.node, "user.rainbow.version")
                == fixture.tree.extendedAttribute(
                    fixture.node("snapshots/s"), "user.rainbow.version"))
        let names = try other.lookup(root.node, "names", fixture.caller).node
        #expect(try other.readLink(other.lookup(names, "alice", fixture.caller).node) != "")
        try other.removeDirectory(.snapshots, "s")
        expectError(ESTALE) { _ = try other.attributes(names) }
        expectError(ENOENT) { _ = try fixture.entry("snapshots/s") }
        _ = try other.makeDirectory(.snapshots, "s", mode: 0, fixture.caller)
        #expect(try fixture.read("snapshots/s/\(alice)/balance") == "1\n")
    }

    @Test("Nothing in a snapshot changes: no content, no attribute, no listing.")
    func unchanging() throws {
        let before = try everything(below: "snapshots/s")
        try fixture.write("1", to: alice + "/balance")
        _ = try bank.new("balance=7")
        try fixture.write("int8 x\n", to: "classes/New")
        try fixture.makeDirectory("regions/new")
        try fixture.remove("names/alice")
        // So many samples of the times of commits that older ones are forgotten.
        for number in 0..<6000 { try fixture.write("\(number)", to: alice + "/balance") }
        #expect(try everything(below: "snapshots/s") == before)
    }

    @Test("Every change below a snapshot fails with EROFS.")
    func readOnly() throws {
        let object = "snapshots/s/" + alice
        for attempt in [
            { try fixture.write("1", to: object + "/balance") },
            { try fixture.replaceLink("null", object + "/heir") },
            { try fixture.remove(object + "/heir") },
            { try fixture.remove("snapshots/s/names/alice") },
            { try fixture.link("../" + alice, "snapshots/s/names/bob") },
            { try fixture.write("int8 x\n", to: "snapshots/s/classes/New") },
            { try fixture.makeDirectory("snapshots/s/regions/new") },
            { try fixture.makeDirectory("snapshots/s/new") },
            { try fixture.removeDirectory("snapshots/s/\(Bank.allocator)") },
            { try fixture.move("snapshots/s/names/alice", to: "snapshots/s/names/bob") },
            { _ = try fixture.open("snapshots/s/\(Bank.allocator)/allocator", O_RDWR) },
        ] as [() throws -> Void] {
            expectError(EROFS, attempt)
        }
    }

    @Test("A snapshot that needs more than `snapshot_memory=` is given up: ESTALE.")
    func memory() throws {
        fixture.space.setSnapshotMemory(bytesMax: 1 << 20)
        _ = try fixture.command("new Account *30000", to: Bank.allocator + "/allocator")
        try fixture.removeDirectory("snapshots/s")
        try fixture.makeDirectory("snapshots/s")
        let objects = try fixture.list("objects").suffix(30_000)
        for name in objects { try fixture.write("5", to: "objects/\(name)/balance") }
        let path = "snapshots/s/objects/\(try #require(objects.first))/balance"
        expectError(ESTALE) { _ = try fixture.read(path) }
        expectError(ESTALE) { _ = try fixture.list("snapshots/s") }
        #expect(try fixture.list("snapshots") == ["s"])
        try fixture.removeDirectory("snapshots/s")
        #expect(try fixture.list("snapshots").isEmpty)
    }
}
