import Glibc
import RainbowCore
import Testing

@testable import RainbowFS

/// The lines of Docs/Semantics.md about new files beside fields.
@Suite struct SemanticsNewFileTests {
    let bank: Bank
    let fixture: TreeFixture
    let object: String

    init() throws {
        bank = try Bank()
        fixture = bank.fixture
        object = try bank.new("balance=1 samples=1,2,3,4 label=abc")
    }

    private static let creating = O_RDWR | O_CREAT | O_EXCL

    /// Writes the text to a new file and renames it, as `sed -i` does.
    private func replace(_ field: String, with text: String) throws {
        try fixture.write(text, to: object + "/sedAb12Cd")
        try fixture.move(object + "/sedAb12Cd", to: object + "/" + field)
    }

    @Test("A new file in an object's directory is kept by its mount, and listed nowhere.")
    func keeping() throws {
        let names = try fixture.list(object)
        let path = object + "/.n.swp"
        let file = try fixture.open(path, SemanticsNewFileTests.creating)
        try file.put(Array("hello".utf8), at: 0)
        try file.put(Array("!".utf8), at: 7)
        file.close()
        #expect(try fixture.bytes(path) == Array("hello\0\0!".utf8))
        #expect(try fixture.attributes(path).size == 8)
        #expect(try fixture.attributes(path).mode == S_IFREG | 0o644)
        try fixture.write("?", to: path, append: true)
        #expect(try fixture.read(path) == "hello\0\0!?")
        _ = try fixture.tree.setAttributes(
            fixture.node(path), mode: nil, uid: nil, gid: nil, size: 2, fixture.caller)
        #expect(try fixture.read(path) == "he")
        try fixture.write("new", to: path)
        #expect(try fixture.read(path) == "new")
        #expect(try fixture.list(object) == names)
        #expect(try fixture.list(object, plus: true) == names)
        let other = fixture.tree { _ in }
        expectError(ENOENT) {
            _ = try other.lookup(fixture.node(object), ".n.swp", fixture.caller)
        }
        let (parent, name) = try fixture.split(path)
        expectError(EEXIST) {
            _ = try fixture.tree.create(
                parent, name, mode: 0o600, flags: SemanticsNewFileTests.creating, fixture.caller)
        }
        expectError(EEXIST) { try fixture.link("null", path) }
        expectError(EEXIST) { try fixture.makeDirectory(path) }
        try fixture.remove(path)
        expectError(ENOENT) { _ = try fixture.entry(path) }
        expectError(ENOENT) { try fixture.remove(path) }
    }

    @Test("Renamed over a field, its whole content becomes the value, in one transaction.")
    func replacing() throws {
        let before = fixture.space.usage.version
        try replace("balance", with: "42\n")
        #expect(fixture.space.usage.version == before + 1)
        #expect(try fixture.read(object + "/balance") == "42\n")
        try replace("label", with: "xy")
        #expect(try fixture.read(object + "/label") == "xy\n")
        try replace("label", with: "abcd\n\n")
        #expect(try fixture.read(object + "/label") == "abcd\n\n")
        try replace("label", with: "12345678\n")
        #expect(try fixture.read(object + "/label") == "12345678\n")
        try replace("data", with: "123456")
        #expect(try fixture.read(object + "/data") == "123456")
        try replace("samples", with: "9\n8\n")
        #expect(try fixture.read(object + "/samples") == "9\n8\n3\n4\n")
        #expect(!fixture.exists(object + "/sedAb12Cd"))
        try bank.expectWhole()
    }

    @Test("A long array is replaced in one transaction as well")
    func longArray() throws {
        try fixture.write("int32 values[2000]\n", to: "classes/Long")
        let long = try bank.new(class: "Long")
        let text = (0..<2000).map { "\($0)\n" }.joined()
        try fixture.write(text, to: long + "/new")
        let before = fixture.space.usage.version
        try fixture.move(long + "/new", to: long + "/values")
        #expect(fixture.space.usage.version == before + 1)
        #expect(try fixture.read(long + "/values") == text)
    }

    @Test("If the content is no value of the field, the rename fails and both stay as they were.")
    func refusing() throws {
        let cases: [(String, String, Int32)] = [
            ("balance", "many", EINVAL), ("balance", "", EINVAL), ("level", "300", ERANGE),
            ("samples", "1 2 3 4 5", EINVAL), ("samples", "", EINVAL),
            ("label", "ninebytes", ERANGE), ("label", "a\0", EINVAL), ("data", "1234567", ERANGE),
            ("class", "1", EPERM), ("raw", "1", EPERM),
        ]
        let fields = ["balance", "level", "samples", "label", "data"].map { object + "/" + $0 }
        let before = try fields.map { try fixture.bytes($0) }
        for (field, text, errno) in cases {
            expectError(errno) { try replace(field, with: text) }
            #expect(try fixture.read(object + "/sedAb12Cd") == text, "\(field)")
        }
        #expect(try fields.map { try fixture.bytes($0) } == before)
        expectError(EEXIST) {
            try fixture.move(
                object + "/sedAb12Cd", to: object + "/balance", flags: RenameFlag.noReplace)
        }
        expectError(EINVAL) {
            try fixture.move(
                object + "/sedAb12Cd", to: object + "/balance", flags: RenameFlag.exchange)
        }
        expectError(EPERM) { try fixture.move(object + "/balance", to: object + "/balance~") }
        expectError(EPERM) { try fixture.move(object + "/balance", to: object + "/sedAb12Cd") }
    }

    @Test("Renamed over a reference or an array of references, it fails with EINVAL.")
    func references() throws {
        for field in ["heir", "history"] {
            expectError(EINVAL) { try replace(field, with: "null") }
        }
        #expect(try fixture.readLink(object + "/heir") == "null")
        #expect(try fixture.read(object + "/sedAb12Cd") == "null")
    }

    @Test("It can be renamed to another name that is no field, within its directory.")
    func renaming() throws {
        let (one, two) = (object + "/one", object + "/two")
        try fixture.write("1", to: one)
        try fixture.move(one, to: two)
        #expect(!fixture.exists(one))
        try fixture.write("11", to: one)
        expectError(EEXIST) { try fixture.move(one, to: two, flags: RenameFlag.noReplace) }
        try fixture.move(one, to: one)
        try fixture.move(one, to: two)
        #expect(try fixture.read(two) == "11")
        #expect(!fixture.exists(one))
        let other = try bank.new()
        expectError(EXDEV) { try fixture.move(two, to: other + "/balance") }
        expectError(EXDEV) { try fixture.move(two, to: "names/two") }
        let long = String(repeating: "n", count: 256)
        expectError(ENAMETOOLONG) { try fixture.move(two, to: object + "/" + long) }
        expectError(ENAMETOOLONG) { try fixture.write("", to: object + "/" + long) }
        expectError(ENAMETOOLONG) { _ = try fixture.entry(object + "/" + long) }
    }

    @Test("Its mode and owner are those of its making: `chmod` and `chown` do nothing.")
    func ownership() throws {
        let path = object + "/new"
        try fixture.write("1", to: path)
        let before = try fixture.attributes(path)
        let (after, _) = try fixture.tree.setAttributes(
            fixture.node(path), mode: 0o400, uid: 12, gid: 34, size: nil, fixture.caller)
        #expect(after.mode == before.mode && after.uid == before.uid && after.gid == before.gid)
        #expect(before.uid == fixture.caller.uid && before.mode == S_IFREG | 0o644)
    }

    @Test("Its time is that of the last write to it, and it has a name, or none: `st_nlink`.")
    func timesAndLinks() throws {
        let path = object + "/new"
        let file = try fixture.open(path, SemanticsNewFileTests.creating)
        let node = try fixture.node(path)
        var last = try fixture.attributes(path)
        #expect(last.nlink == 1)
        let changes: [() throws -> Void] = [
            { try file.put([1], at: 0) }, { try file.put([1], at: 5) },
            {
                _ = try fixture.tree.setAttributes(
                    node, AttributeChange(size: 0), fixture.caller)
            },
            {
                _ = try fixture.tree.setAttributes(
                    node, AttributeChange(times: .now), fixture.caller)
            },
        ]
        for change in changes {
            usleep(1000)
            try change()
            let now = try fixture.attributes(path)
            #expect(
                (last.mtimeSeconds, last.mtimeNanoseconds)
                    < (now.mtimeSeconds, now.mtimeNanoseconds))
            last = now
        }
        usleep(1000)
        _ = try file.all()
        #expect(try fixture.attributes(path) == last)
        try fixture.write("5", to: object + "/balance")
        try file.put(Array("6".utf8), at: 0)
        try fixture.move(path, to: object + "/balance")
        #expect(try fixture.tree.attributes(node).0.nlink == 0)
        #expect(try fixture.attributes(object + "/balance").nlink == 1)
        file.close()
    }

    @Test("Removed while it is open, it can be used until it is closed.")
    func removedWhileOpen() throws {
        let path = object + "/new"
        let one = try fixture.open(path, SemanticsNewFileTests.creating)
        let two = try fixture.open(path, O_RDWR)
        let node = try fixture.node(path)
        try fixture.remove(path)
        #expect(!fixture.exists(path))
        try one.put(Array("12".utf8), at: 0)
        #expect(try two.all() == Array("12".utf8))
        #expect(try fixture.tree.attributes(node).0.size == 2)
        #expect(try fixture.tree.attributes(node).0.nlink == 0)
        try fixture.write("other", to: path)
        #expect(try two.all() == Array("12".utf8))
        one.close()
        #expect(try two.all() == Array("12".utf8))
        two.close()
        expectError(ESTALE) { _ = try fixture.tree.attributes(node) }
        expectError(ESTALE) {
            _ = try fixture.tree.open(node, flags: O_RDONLY, fixture.caller)
        }
        #expect(try fixture.read(path) == "other")
    }

    @Test("Once it became a field, writing to what is still open of it fails with ESTALE.")
    func writtenAfterwards() throws {
        let path = object + "/new"
        let file = try fixture.open(path, SemanticsNewFileTests.creating)
        try file.put(Array("7".utf8), at: 0)
        try fixture.move(path, to: object + "/balance")
        expectError(ESTALE) { try file.put(Array("8".utf8), at: 0) }
        #expect(try file.all() == Array("7".utf8))
        #expect(try fixture.read(object + "/balance") == "7\n")
        file.close()
    }

    @Test("A mount keeps 64 of them, of 1 MiB each; the oldest that is not open makes room.")
    func bounds() throws {
        let first = try fixture.open(object + "/new0", SemanticsNewFileTests.creating)
        for index in 1...PendingFiles.countMax {
            try fixture.write("1", to: object + "/new\(index)")
        }
        #expect(fixture.exists(object + "/new0"), "it is open")
        #expect(!fixture.exists(object + "/new1"))
        #expect(fixture.exists(object + "/new2"))
        let open = try (0..<(PendingFiles.countMax - 1)).map { index in
            try fixture.open(object + "/open\(index)", SemanticsNewFileTests.creating)
        }
        expectError(ENOSPC) { try fixture.write("1", to: object + "/more") }
        try fixture.remove(object + "/open0")
        expectError(ENOSPC) { try fixture.write("1", to: object + "/more") }
        open[0].close()
        try fixture.write("1", to: object + "/more")

        try first.put([1], at: UInt64(PendingFile.bytesMax) - 1)
        expectError(EFBIG) { try first.put([1], at: UInt64(PendingFile.bytesMax)) }
        expectError(EFBIG) { try first.put([1], at: 0, isAppend: true) }
        expectError(EFBIG) { try first.put([1], at: .max) }
        expectError(EFBIG) {
            _ = try fixture.tree.setAttributes(
                fixture.node(object + "/new0"), mode: nil, uid: nil, gid: nil,
                size: UInt64(PendingFile.bytesMax) + 1, fixture.caller)
        }
        #expect(try first.piece(at: UInt64(PendingFile.bytesMax) - 2, 9) == [0, 1])
        for file in open.dropFirst() { file.close() }
        first.close()
    }

    @Test(
        "Only a program that asks for a new file gets one; a misspelled field fails with EPERM."
    )
    func misspelling() throws {
        let (parent, _) = try fixture.split(object + "/balance")
        for flags in [
            O_WRONLY | O_CREAT, O_WRONLY | O_CREAT | O_TRUNC, O_RDWR | O_CREAT | O_APPEND,
        ] {
            expectError(EPERM) {
                _ = try fixture.tree.create(
                    parent, "balanse", mode: 0o644, flags: flags, fixture.caller)
            }
        }
        #expect(!fixture.exists(object + "/balanse"))
    }

    @Test("No new file is made beside the fields of the system's objects")
    func system() throws {
        let names = try fixture.list("regions/transactional/system")
        let name = try #require(names.first { $0.hasPrefix("0x") })
        expectError(EPERM) {
            try fixture.write("x", to: "system/objects/\(name.prefix { $0 != "." })/new")
        }
    }
}
