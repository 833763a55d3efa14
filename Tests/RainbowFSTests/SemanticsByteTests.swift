import Glibc
import RainbowCore
import Testing

@testable import RainbowFS

/// The lines of Docs/Semantics.md that say that names and values are bytes.
@Suite struct SemanticsByteTests {
    let bank: Bank
    let fixture: TreeFixture

    init() throws {
        bank = try Bank()
        fixture = bank.fixture
    }

    /// The composed and the decomposed spelling of one character, bytes that are none, and a
    /// character that joins what is before it.
    private static let names = [
        [0xc3, 0xa9], [0x65, 0xcc, 0x81], [0x6e, 0xff], [0xcc, 0x81, 0x78],
    ]
    .map { String(systemBytes: $0) }

    private func names(in directory: NodeID) throws -> Set<ExactText> {
        var found: Set<ExactText> = []
        try fixture.tree.openDirectory(directory, fixture.caller)
            .entries(from: 0, plus: false) { name, _, _ in
                found.insert(ExactText(name))
                return true
            }
        return found.subtracting([ExactText("."), ExactText("..")])
    }

    @Test("Names are bytes: those that are no UTF-8 come back, and no two spellings are one.")
    func names() throws {
        let (tree, caller) = (fixture.tree, fixture.caller)
        let all = Set(Self.names.map { ExactText($0) })
        var objects: [String] = []
        for name in Self.names {
            let object = try bank.new()
            objects.append(object)
            _ = try tree.symlink(.names, name, target: "../" + object, caller)
            for directory in [NodeID.snapshots, .transactions] {
                _ = try tree.makeDirectory(directory, name, mode: 0o755, caller)
            }
        }
        #expect(try names(in: .names) == all)
        #expect(try names(in: .snapshots) == all)
        #expect(try names(in: .transactions) == all)
        for (name, object) in zip(Self.names, objects) {
            let link = try tree.lookup(.names, name, caller)
            #expect(try tree.readLink(link.node) == "../" + object)
            #expect(link.attributes.size == 29)
        }
        // A path goes through them, whatever character the name begins with.
        for (index, name) in Self.names.enumerated() {
            _ = try fixture.command("set names/\(name) balance=\(index + 7)", to: "control")
            let path = "../../names/" + name
            try fixture.replaceLink(path, objects[0] + "/heir")
            #expect(try fixture.readLink(objects[0] + "/heir") == "../" + objects[index].suffix(18))
        }
        #expect(
            try objects.map { try fixture.read($0 + "/balance") } == ["7\n", "8\n", "9\n", "10\n"])
        for name in Self.names {
            try tree.removeDirectory(.snapshots, name)
            try tree.removeDirectory(.transactions, name)
            try tree.unlink(.names, name)
        }
        #expect(try names(in: .names).isEmpty && names(in: .snapshots).isEmpty)
        #expect(try names(in: .transactions).isEmpty)
    }

    @Test("Regions, allocators and new files beside fields have names of bytes, too.")
    func otherNames() throws {
        let (tree, caller) = (fixture.tree, fixture.caller)
        let alice = try bank.new()
        let object = try fixture.node(alice)
        for (index, name) in Self.names.enumerated() {
            let region = try tree.makeDirectory(.regions, name, mode: 0o755, caller).node
            let allocator = try tree.makeDirectory(region, name, mode: 0o755, caller).node
            let file = try tree.lookup(allocator, "allocator", caller)
            let open = try tree.open(file.node, flags: O_RDWR, caller)
            let status = try open.all()
            #expect(status.starts(with: Array("name: ".utf8) + name.systemBytes))
            #expect(file.attributes.size == UInt64(status.count))
            try open.put(Array("new Account".utf8), at: 0)
            let made = String(decoding: try open.all(from: 11).dropLast(), as: UTF8.self)
            let raw = "../../regions/\(name)/\(name)/\(Bank.address(made)).Account"
            #expect(try fixture.readLink(made + "/raw").isSame(as: raw))
            let size = try fixture.attributes(made + "/raw").size
            #expect(size == UInt64(raw.systemByteCount))

            let flags = O_CREAT | O_EXCL | O_WRONLY
            let new = try tree.create(object, name, mode: 0o644, flags: flags, caller).1
            try new.put(Array("\(index)".utf8), at: 0)
        }
        for (index, name) in Self.names.enumerated() {
            try tree.rename(object, name, to: object, "balance", flags: 0)
            #expect(try fixture.read(alice + "/balance") == "\(index)\n")
        }
    }

    @Test("A name that only looks like another one is none.")
    func lookAlikes() throws {
        try fixture.write("int64 K\n", to: "classes/Kelvin")
        let answer = try fixture.command("new Kelvin", to: Bank.allocator + "/allocator")
        let object = try fixture.node(String(answer.dropLast()))
        let (tree, caller) = (fixture.tree, fixture.caller)
        _ = try tree.lookup(object, "K", caller)
        expectError(ENOENT) { _ = try tree.lookup(object, "\u{212a}", caller) }
        expectError(ENOENT) { _ = try tree.lookup(.classes, "\u{212a}elvin", caller) }
        expectError(EINVAL) {
            _ = try fixture.command("new Kelvin \u{212a}=1", to: Bank.allocator + "/allocator")
        }
    }

    @Test("A value begins with any character; a `string` that is no UTF-8 fails with EINVAL.")
    func values() throws {
        try fixture.write("string s[8]\nbytes b[4]\n", to: "classes/Note")
        let answer = try fixture.command(
            "new Note s=\u{301}x b=\u{308}", to: Bank.allocator + "/allocator")
        let object = String(answer.dropLast())
        #expect(try fixture.bytes(object + "/s").starts(with: [0xcc, 0x81, 0x78]))
        #expect(try fixture.bytes(object + "/b") == [0xcc, 0x88, 0, 0])
        func set(_ field: String, _ value: [UInt8]) throws(TreeError) {
            let file = try fixture.open("control", O_RDWR)
            try file.put(Array("set \(object) \(field)=".utf8) + value, at: 0)
        }
        try set("b", [0xff, 0xc3])
        #expect(try fixture.bytes(object + "/b") == [0xff, 0xc3, 0, 0])
        expectError(EINVAL) { try set("s", [0x61, 0xff]) }
        expectError(EINVAL) { try set("s", [0xc3]) }
        #expect(try fixture.bytes(object + "/s").starts(with: [0xcc, 0x81, 0x78]))
        // The characters that stand for bytes here are characters like others.
        try set("s", Array("\u{10ffff}".utf8))
        #expect(try fixture.read(object + "/s").unicodeScalars.first == "\u{10ffff}")
        let argument = AssignmentArgument(argument: "s=\u{301}x")
        #expect(argument?.field == "s" && argument?.value.isSame(as: "\u{301}x") == true)
    }

    @Test("A write to the raw file that leaves a `string` that is no UTF-8 fails with EINVAL.")
    func rawStrings() throws {
        try fixture.write("ref<Object> r\nint64 n\nstring s[8]\nbytes b[8]\n", to: "classes/Note")
        let answer = try fixture.command("new Note", to: Bank.allocator + "/allocator")
        let object = String(answer.dropLast())
        let file = try fixture.open(bank.raw(object, class: "Note"), O_RDWR)
        // The reference, the header and the number come first.
        try file.put(Array("a\u{e9}".utf8), at: 24)
        #expect(try fixture.bytes(object + "/s").starts(with: [0x61, 0xc3, 0xa9]))
        expectError(EINVAL) { try file.put([0xff], at: 24) }
        expectError(EINVAL) { try file.put([0], at: 24 + 2) }
        expectError(EINVAL) { try file.put([UInt8](repeating: 0x80, count: 16), at: 16) }
        try file.put([UInt8](repeating: 0xff, count: 8), at: 32)
        // What is past the text is padding, whatever it was.
        try file.put([0x62, 0, 0xff], at: 24)
        #expect(try fixture.bytes(object + "/s").first == 0x62)
        #expect(try fixture.bytes(object + "/b") == [UInt8](repeating: 0xff, count: 8))
    }

    @Test("Texts that must be Unicode show U+FFFD for bytes that are none.")
    func unicodeTexts() throws {
        _ = try fixture.tree.makeDirectory(.snapshots, Self.names[2], mode: 0o755, fixture.caller)
        let metrics = try fixture.bytes("metrics")
        let text = try #require(String(validating: metrics, as: UTF8.self))
        #expect(text.contains("snapshot=\"n\u{fffd}\""))
        #expect(JSON.string(Self.names[2]).description == "\"n\u{fffd}\"")
        let reading = MetricsReading("rainbowfs_x{a=\"\u{301}\",b=\"c\"} 1\n")
        #expect(reading["x"].first?["a"].isSame(as: "\u{301}") == true)
    }

    @Test("The kernel's table of mounts is read as bytes")
    func mountTable() {
        let bytes = Array("1 2 0:3 / /mnt/".utf8) + [0xe9] + Array("\\040x\\303\\251 rw - ".utf8)
        let table = String(systemBytes: bytes + Array("fuse.rainbowfs lab rw\n".utf8))
        let lines = MountTable.parse(table)
        #expect(
            lines.first?.path.systemBytes == Array("/mnt/".utf8) + [0xe9] + Array(" x\u{e9}".utf8))
        #expect(lines.first?.source == "lab")
        #expect(MountTable.unescaped("a\\1") == "a\\1")
        let mount = MountedSpace(path: "/mnt/\u{e9}\u{e9}", space: "lab")
        let place = "/mnt/\u{e9}\u{e9}/snapshots/\u{301}s/names"
        let line = MountTable.Line(path: mount.path, type: "fuse.rainbowfs", source: "lab")
        #expect(MountedSpace.containing(place, in: [line]) == mount)
        #expect(mount.view(of: place).path.isSame(as: "/mnt/\u{e9}\u{e9}/snapshots/\u{301}s"))
        #expect(mount.view(of: place).isSnapshot)
        #expect(mount.below("/mnt/\u{e9}\u{e9}/\u{301}") == "\u{301}")
        #expect(MountedSpace.containing("/mnt/e\u{301}e\u{301}/x", in: [line]) == nil)
    }
}
