import Glibc
import TestSupport
import Testing

@testable import RainbowCore
@testable import RainbowFS

/// The lines of Docs/Semantics.md about all files and about fields.
@Suite struct SemanticsFieldTests {
    let bank: Bank
    let fixture: TreeFixture

    init() throws {
        bank = try Bank()
        fixture = bank.fixture
    }

    @Test("Times are those of the last commit that wrote what is shown.")
    func times() throws {
        let object = try bank.new("balance=1")
        // Versions belong to lines of 64 bytes, so keep what follows off the object's last line.
        _ = try bank.new()
        let before = try fixture.attributes(object)
        passCommitTime()
        try fixture.write("2", to: object + "/balance")
        let after = try fixture.attributes(object)
        func milliseconds(_ attributes: Attributes) -> Int64 {
            attributes.mtimeSeconds * 1000 + attributes.mtimeNanoseconds / 1_000_000
        }
        #expect(milliseconds(after) > milliseconds(before))
        #expect(abs(milliseconds(after) / 1000 - Int64(time(nil))) < 60)
        passCommitTime()
        _ = try bank.new("balance=3")
        #expect(try fixture.attributes(object + "/balance").mtimeSeconds == after.mtimeSeconds)
        #expect(try milliseconds(fixture.attributes(bank.raw(object))) == milliseconds(after))
    }

    @Test("A clock that is set back does not stop the times: they go on at half its speed.")
    func clockSetBack() throws {
        let object = try bank.new("balance=1")
        func milliseconds() throws -> Int64 {
            let attributes = try fixture.attributes(object)
            return attributes.mtimeSeconds * 1000 + attributes.mtimeNanoseconds / 1_000_000
        }
        // As if the clock had just been an hour ahead.
        var now = Timeline.Instant.now
        now.wall += 3_600_000
        now.monotonic += 17
        fixture.space.timeline.noteIfDue(at: now)
        try fixture.write("2", to: object + "/balance")
        var last = try milliseconds()
        #expect(last >= Int64(now.wall))
        for value in 3...12 {
            passCommitTime()
            passCommitTime()
            try fixture.write("\(value)", to: object + "/balance")
            let time = try milliseconds()
            #expect(time > last)
            last = time
        }
    }

    @Test("Sizes are true, so that tar and rsync copy what cat shows.")
    func sizes() throws {
        let object = try bank.new("balance=-1234 samples=1,22,333,4444 rate=0.1")
        try fixture.link("../" + object, "names/alice")
        let files =
            ["balance", "level", "samples", "rate", "open", "label", "data"]
            .map { object + "/" + $0 } + [
                bank.raw(object), "classes/Account", "regions/transactional/status",
                "regions/transactional/bank/allocator", "control", "messages",
            ]
        for file in files {
            #expect(
                try fixture.attributes(file).size == UInt64(fixture.bytes(file).count), "\(file)")
        }
        for link in ["names/alice", object + "/heir", object + "/class", object + "/raw"] {
            let size = try fixture.attributes(link).size
            #expect(try size == UInt64(fixture.readLink(link).utf8.count), "\(link)")
        }
    }

    @Test("Truncating a file to nothing changes nothing; to another length it fails with EPERM.")
    func truncation() throws {
        let object = try bank.new("balance=5 label=abc")
        for file in [object + "/balance", object + "/label", bank.raw(object), "classes/Account"] {
            let before = try fixture.bytes(file)
            let node = try fixture.node(file)
            func truncate(_ size: UInt64) throws {
                _ = try fixture.tree.setAttributes(
                    node, mode: nil, uid: nil, gid: nil, size: size, fixture.caller)
            }
            try truncate(0)
            try truncate(UInt64(before.count))
            expectError(EPERM) { try truncate(1) }
            try fixture.open(file, O_WRONLY | O_TRUNC).close()
            #expect(try fixture.bytes(file) == before)
        }
    }

    @Test("On a mount for reading only, every change fails with EROFS.")
    func readOnly() throws {
        let object = try bank.new("balance=5")
        let tree = fixture.tree { $0.isReadOnly = true }
        let caller = fixture.caller
        let names = NodeID.names
        let node = try fixture.node(object + "/balance")
        expectError(EROFS) { _ = try tree.open(node, flags: O_WRONLY, caller) }
        expectError(EROFS) { _ = try tree.open(node, flags: O_RDWR, caller) }
        expectError(EROFS) { _ = try tree.makeDirectory(.regions, "x", mode: 0o755, caller) }
        expectError(EROFS) { try tree.removeDirectory(.regions, "x") }
        expectError(EROFS) { try tree.unlink(names, "x") }
        expectError(EROFS) { _ = try tree.symlink(names, "x", target: "../\(object)", caller) }
        expectError(EROFS) { try tree.rename(names, "x", to: names, "y", flags: 0) }
        expectError(EROFS) {
            _ = try tree.create(.classes, "X", mode: 0o644, flags: O_WRONLY, caller)
        }
        expectError(EROFS) {
            _ = try tree.setAttributes(
                .root, mode: 0o700, uid: nil, gid: nil, size: nil, caller)
        }
        let file = try tree.open(node, flags: O_RDONLY, caller)
        #expect(try file.all() == Array("5\n".utf8))
    }

    @Test("Links have no attributes, to list or to read.")
    func attributesOfLinks() throws {
        let object = try bank.new()
        try fixture.link("../\(object)", "names/n")
        for path in ["names/n", object + "/class", object + "/raw", object + "/heir"] {
            let node = try fixture.node(path)
            #expect(try fixture.tree.extendedAttributeNames(node).isEmpty)
            expectError(ENODATA) {
                _ = try fixture.tree.extendedAttribute(node, "user.rainbow.class")
            }
        }
    }

    @Test("A name of more than 255 bytes is ENAMETOOLONG, wherever it is looked for or made.")
    func longNames() throws {
        let object = try bank.new()
        let long = String(repeating: "n", count: 256)
        let (tree, caller) = (fixture.tree, fixture.caller)
        let parents = try [
            "", "classes", "names", "objects", object, object + "/history", "regions",
            "regions/transactional", "transactions", "snapshots", "nodes",
        ].map { try fixture.node($0) }
        for parent in parents {
            expectError(ENAMETOOLONG) { _ = try tree.lookup(parent, long, caller) }
            expectError(ENAMETOOLONG) {
                _ = try tree.makeDirectory(parent, long, mode: 0o755, caller)
            }
            expectError(ENAMETOOLONG) {
                _ = try tree.symlink(parent, long, target: "x", caller)
            }
            expectError(ENAMETOOLONG) {
                _ = try tree.create(parent, long, mode: 0o644, flags: O_RDWR, caller)
            }
            expectError(ENAMETOOLONG) {
                try tree.rename(parent, "n", to: parent, long, flags: 0)
            }
        }
    }

    @Test("A listing has the inode numbers that stat(2) gives.")
    func listedNumbers() throws {
        let object = try bank.new()
        try fixture.link("../\(object)", "names/n")
        try fixture.makeDirectory("transactions/t")
        try fixture.makeDirectory("snapshots/s")
        var paths = ["", "transactions", "transactions/t", "snapshots", "snapshots/s"]
        for top in ["", "snapshots/s/", "transactions/t/"] {
            paths += [
                "classes", "names", "objects", object, object + "/history", "regions",
                "regions/transactional", Bank.allocator,
            ].map { top + $0 }
        }
        for path in paths {
            let directory = try fixture.tree.openDirectory(fixture.node(path), fixture.caller)
            var listed: [(name: String, ino: UInt64)] = []
            try directory.entries(from: 0, plus: false) { name, _, item in
                if case .brief(_, let ino) = item { listed.append((name, ino)) }
                return true
            }
            #expect(listed.count > 2)
            for (name, ino) in listed where name != ".." {
                let full = name == "." ? path : path + "/" + name
                #expect(try fixture.attributes(full).ino == ino, "\(full)")
            }
        }
    }

    @Test("The attributes `user.rainbow.*` can be read and not be set.")
    func extendedAttributes() throws {
        let object = try bank.new("balance=5")
        let tree = fixture.tree
        for path in [object, bank.raw(object), object + "/balance"] {
            let node = try fixture.node(path)
            var values: [String: String] = [:]
            for name in try tree.extendedAttributeNames(node) {
                values[name] = String(
                    decoding: try tree.extendedAttribute(node, name), as: UTF8.self)
            }
            #expect(values["user.rainbow.address"] == Bank.address(object))
            #expect(values["user.rainbow.class"] == "Account")
            #expect(
                try values["user.rainbow.size"] == "\(fixture.attributes(bank.raw(object)).size)")
            #expect(values["user.rainbow.region"] == "transactional")
            #expect(values["user.rainbow.consistency"] == "transactional")
            #expect(UInt64(values["user.rainbow.version"] ?? "") ?? 0 > 0)
            #expect(values.count == 6)
            expectError(EPERM) { try tree.setExtendedAttribute(node, "user.rainbow.class") }
            expectError(EPERM) { try tree.setExtendedAttribute(node, "user.rainbow.new") }
            try tree.setExtendedAttribute(
                node, "user.rainbow.class", to: Array("Account".utf8), fixture.caller)
            try tree.setExtendedAttribute(node, "user.rainbow.version")
            expectError(ENOTSUP) { try tree.setExtendedAttribute(node, "user.mine") }
            expectError(EPERM) { try View.removeExtendedAttribute("user.rainbow.class") }
            expectError(ENODATA) { _ = try tree.extendedAttribute(node, "user.rainbow.no") }
            expectError(ENOTSUP) { _ = try tree.extendedAttribute(node, "security.selinux") }
        }
        let region = try fixture.node("regions/transactional")
        #expect(
            try tree.extendedAttribute(region, "user.rainbow.base")
                == Array("0x0000008000000000".utf8))
        #expect(
            try tree.extendedAttribute(region, "user.rainbow.consistency")
                == Array("transactional".utf8))
    }

    @Test("Reading a field gives its value and a line end; an array gives one value a line.")
    func reading() throws {
        let object = try bank.new("balance=-7 level=255 samples=1,-2,3,4 rate=0.1 open=true")
        #expect(try fixture.read(object + "/balance") == "-7\n")
        #expect(try fixture.read(object + "/level") == "255\n")
        #expect(try fixture.read(object + "/samples") == "1\n-2\n3\n4\n")
        #expect(try fixture.read(object + "/rate") == "0.1\n")
        #expect(try fixture.read(object + "/open") == "1\n")
    }

    @Test("Reading in pieces gives one version: that of the read at the start.")
    func pieces() throws {
        let object = try bank.new("samples=1000,2000,3000,4000")
        let file = try fixture.open(object + "/samples", O_RDONLY)
        let first = try file.piece(at: 0, 3)
        try fixture.write("1\n2\n3\n4\n", to: object + "/samples")
        let rest = try file.all(3, from: 3)
        #expect(String(decoding: first + rest, as: UTF8.self) == "1000\n2000\n3000\n4000\n")
        #expect(try file.all(3) == Array("1\n2\n3\n4\n".utf8))
    }

    @Test("Each write sets one value, with or without a line end, wherever the file stands.")
    func writing() throws {
        let object = try bank.new()
        let path = object + "/balance"
        for text in ["5", "5\n", " 5 \n", "0x5"] {
            try fixture.write("0", to: path)
            try fixture.write(text, to: path)
            #expect(try fixture.read(path) == "5\n")
        }
        let file = try fixture.open(path, O_RDWR)
        try file.put(Array("41\n".utf8), at: 0)
        try file.put(Array("42\n".utf8), at: 3)
        #expect(try file.all() == Array("42\n".utf8))
        try fixture.write("true", to: object + "/open")
        #expect(try fixture.read(object + "/open") == "1\n")
    }

    @Test("Appending to a field of one value sets it, as below /sys.")
    func appendingValue() throws {
        let object = try bank.new("balance=1")
        try fixture.write("17\n", to: object + "/balance", append: true)
        #expect(try fixture.read(object + "/balance") == "17\n")
    }

    @Test("Writing fewer values than an array has sets the first ones.")
    func firstElements() throws {
        let object = try bank.new("samples=1,2,3,4")
        try fixture.write("7 8\n", to: object + "/samples")
        #expect(try fixture.read(object + "/samples") == "7\n8\n3\n4\n")
        expectError(EINVAL) { try fixture.write("1 2 3 4 5", to: object + "/samples") }
        expectError(EINVAL) { try fixture.write("\n", to: object + "/samples") }
        #expect(try fixture.read(object + "/samples") == "7\n8\n3\n4\n")
    }

    @Test("A write that goes on where the last one ended sets the elements that follow.")
    func followingElements() throws {
        let object = try bank.new()
        let file = try fixture.open(object + "/samples", O_WRONLY | O_TRUNC)
        try file.put(Array("1\n".utf8), at: 0)
        try file.put(Array("2\n3".utf8), at: 2)
        #expect(try fixture.read(object + "/samples") == "1\n2\n3\n0\n")
        try file.put(Array("4\n5\n".utf8), at: 5)
        #expect(try fixture.read(object + "/samples") == "1\n2\n34\n5\n")
        expectError(EINVAL) { try file.put(Array("6\n".utf8), at: 9) }
        expectError(EINVAL) { try file.put(Array("6\n".utf8), at: 100) }
        #expect(try fixture.read(object + "/samples") == "1\n2\n34\n5\n")
    }

    @Test("Appending to an array fails with EPERM.")
    func appendingElements() throws {
        let object = try bank.new()
        expectError(EPERM) { try fixture.write("1\n", to: object + "/samples", append: true) }
    }

    @Test(
        "Text that is no value of the type fails with EINVAL, a value out of its range with ERANGE."
    )
    func badValues() throws {
        let object = try bank.new("balance=3 level=4")
        for text in ["", "abc", "1 2", "1.5", "0x", "--1", "1e3", "5,6", "\u{0}"] {
            expectError(EINVAL) { try fixture.write(text, to: object + "/balance") }
        }
        for text in ["9223372036854775808", "-9223372036854775809", "1" + zeros(40)] {
            expectError(ERANGE) { try fixture.write(text, to: object + "/balance") }
        }
        for text in ["256", "-1"] {
            expectError(ERANGE) { try fixture.write(text, to: object + "/level") }
        }
        expectError(EINVAL) { try fixture.write("maybe", to: object + "/open") }
        #expect(try fixture.read(object + "/balance") == "3\n")
        #expect(try fixture.read(object + "/level") == "4\n")
    }

    private func zeros(_ count: Int) -> String { String(repeating: "0", count: count) }

    @Test("They are read and written in place; what is not written stays.")
    func inPlace() throws {
        let object = try bank.new("data=abcdef")
        let file = try fixture.open(object + "/data", O_RDWR)
        try file.put(Array("XY".utf8), at: 2)
        #expect(try fixture.read(object + "/data") == "abXYef")
        #expect(try file.piece(at: 3, 2) == Array("Ye".utf8))
        #expect(try file.piece(at: 6, 2).isEmpty)
        try file.put(Array("0\n".utf8), at: 0)
        #expect(try fixture.read(object + "/data") == "0\nXYef")
    }

    @Test("Opened with O_TRUNC, the first write replaces the whole value and pads it with NUL.")
    func replacing() throws {
        let object = try bank.new("data=abcdef")
        try fixture.write("1\n", to: object + "/data")
        #expect(try fixture.bytes(object + "/data") == [49, 10, 0, 0, 0, 0])
        let copy = try fixture.bytes(object + "/data")
        let other = try bank.new()
        let file = try fixture.open(other + "/data", O_WRONLY | O_TRUNC)
        try file.put(copy, at: 0)
        #expect(try fixture.bytes(other + "/data") == copy)
        try file.put([50], at: 0)
        #expect(try fixture.bytes(other + "/data") == [50, 10, 0, 0, 0, 0])
    }

    @Test("Too long a value fails with ERANGE, a write past the end with EPERM.")
    func tooLong() throws {
        let object = try bank.new("data=abc")
        expectError(ERANGE) { try fixture.write("1234567", to: object + "/data") }
        let file = try fixture.open(object + "/data", O_WRONLY)
        expectError(EPERM) { try file.put(Array("12345".utf8), at: 4) }
        expectError(EPERM) { try file.put(Array("1".utf8), at: 6) }
        expectError(EPERM) { try file.put(Array("1".utf8), at: .max) }
        expectError(EPERM) { try fixture.write("x", to: object + "/data", append: true) }
        #expect(try fixture.read(object + "/data") == "abc\0\0\0")
    }
}
