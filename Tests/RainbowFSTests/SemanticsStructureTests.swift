import Glibc
import RainbowCore
import TestSupport
import Testing

@testable import RainbowFS

/// The lines of Docs/Semantics.md about allocators, regions, classes and names.
@Suite struct SemanticsStructureTests {
    let bank: Bank
    let fixture: TreeFixture

    init() throws {
        bank = try Bank()
        fixture = bank.fixture
    }

    private let allocatorFile = Bank.allocator + "/allocator"

    private func change(_ path: String, mode: UInt32? = nil, uid: UInt32? = nil) throws {
        _ = try fixture.tree.setAttributes(
            fixture.node(path), mode: mode, uid: uid, gid: nil, size: nil, fixture.caller)
    }

    @Test("`mkdir` in a region makes an allocator, which belongs to the caller.")
    func allocators() throws {
        let caller = Caller(uid: 1234, gid: 567, thread: 1)
        let region = try fixture.node("regions/transactional")
        try change("regions/transactional", mode: 0o777)
        let entry = try fixture.tree.makeDirectory(region, "mine", mode: 0o750, caller)
        #expect(entry.attributes.mode == S_IFDIR | 0o750)
        #expect(entry.attributes.uid == 1234 && entry.attributes.gid == 567)
        #expect(try fixture.list("regions/transactional").contains("mine"))
        #expect(try fixture.list("regions/transactional/mine") == ["allocator"])
        let status = try fixture.read("regions/transactional/mine/allocator")
        #expect(status.contains("capacity: \(64 << 20)\n"))
        #expect(status.contains("objects: 0\n"))
        expectError(EEXIST) { try fixture.makeDirectory("regions/transactional/mine") }
        expectError(EEXIST) { try fixture.makeDirectory("regions/transactional/status") }
        expectError(ENAMETOOLONG) {
            try fixture.makeDirectory("regions/transactional/" + String(repeating: "x", count: 49))
        }
        expectError(EPERM) { try fixture.makeDirectory(Bank.allocator + "/inner") }
    }

    @Test("`rmdir` removes an allocator without objects; with objects it fails with ENOTEMPTY.")
    func removingAllocators() throws {
        try fixture.makeDirectory("regions/transactional/mine")
        try fixture.removeDirectory("regions/transactional/mine")
        #expect(!fixture.exists("regions/transactional/mine"))
        _ = try bank.new()
        expectError(ENOTEMPTY) { try fixture.removeDirectory(Bank.allocator) }
        expectError(ENOENT) { try fixture.removeDirectory("regions/transactional/mine") }
        expectError(EPERM) { try fixture.removeDirectory("regions/transactional/system") }
        expectError(ENOTDIR) { try fixture.removeDirectory("regions/transactional/status") }
    }

    @Test("Writing `new CLASS FIELD=VALUE ...` makes an object; reading on gives its path.")
    func new() throws {
        let command = """
            new Account balance=-5 samples=1,2 samples[3]=9 label="a \\"b" data='x y' open=true

            """
        let alice = String(try fixture.command(command, to: allocatorFile).dropLast())
        #expect(alice.hasPrefix("objects/0x") && alice.count == 26)
        #expect(try fixture.read(alice + "/balance") == "-5\n")
        #expect(try fixture.read(alice + "/samples") == "1\n2\n0\n9\n")
        #expect(try fixture.read(alice + "/label") == "a \"b\n")
        #expect(try fixture.read(alice + "/data") == "x y\0\0\0")
        try fixture.link("../" + alice, "names/alice")
        let two = try fixture.command(
            "new Account heir=names/alice\n# both at once\nnew Account history[1]=\(alice)",
            to: allocatorFile)
        let lines = two.split(separator: "\n").map(String.init)
        #expect(lines.count == 2)
        #expect(try fixture.readLink(lines[0] + "/heir") == "../" + Bank.address(alice))
        #expect(try fixture.readLink(lines[1] + "/history/1") == "../../" + Bank.address(alice))
        let file = try fixture.open(allocatorFile, O_RDWR)
        try file.put(Array("new Account\n".utf8), at: 0)
        #expect(try file.all(7).count == 27, "an answer can be read from the start as well")
    }

    @Test("Writing `new CLASS *COUNT` makes many; each has a line in the answer.")
    func newMany() throws {
        let count = 20_000
        let answer = try fixture.command("new Account *\(count) balance=3\n", to: allocatorFile)
        let objects = answer.split(separator: "\n").map(String.init)
        #expect(Set(objects).count == count)
        for object in [objects[0], objects[count / 2], objects[count - 1]] {
            #expect(try fixture.read(object + "/balance") == "3\n")
        }
        let listed = try fixture.list(Bank.allocator)
        #expect(listed.count == count + 1)
        #expect(try fixture.read(allocatorFile).contains("objects: \(count)\n"))
    }

    @Test("Writing `capacity SIZE` sets how much the allocator may hold.")
    func capacity() throws {
        _ = try fixture.command("capacity 1G\n", to: allocatorFile)
        #expect(try fixture.read(allocatorFile).contains("capacity: \(1 << 30)\n"))
        for text in ["capacity", "capacity x", "capacity -1", "capacity 1 2", "capacity 99999999T"]
        {
            expectError(EINVAL) { _ = try fixture.command(text, to: allocatorFile) }
        }
        #expect(try fixture.read(allocatorFile).contains("capacity: \(1 << 30)\n"))
    }

    @Test("A full allocator fails with ENOSPC, and says how to go on.")
    func full() throws {
        _ = try fixture.command("capacity 64K\n", to: allocatorFile)
        expectError(ENOSPC) { _ = try fixture.command("new Account *1000000", to: allocatorFile) }
        #expect(try fixture.list(Bank.allocator) == ["allocator"])
        var made = 0
        expectError(ENOSPC) {
            while made < 100_000 {
                _ = try bank.new()
                made += 1
            }
        }
        #expect(made > 500)
        #expect(try fixture.list(Bank.allocator).count == made + 1)
        _ = try fixture.command("capacity 1M\n", to: allocatorFile)
        _ = try bank.new()
    }

    @Test(
        "When the memory of the space is full, what needs more fails with ENOSPC; all else works."
    )
    func fullMemory() throws {
        let bank = try Bank(sizeBytesMax: 4 << 20)
        let object = try bank.new("balance=1")
        expectError(ENOSPC) {
            _ = try bank.fixture.command("new Account *100000", to: allocatorFile)
        }
        expectError(ENOSPC) {
            for index in 0..<100_000 {
                try bank.fixture.link("../" + object, "names/name\(index)")
            }
        }
        try bank.fixture.write("2", to: object + "/balance")
        #expect(try bank.fixture.read(object + "/balance") == "2\n")
        let statistics = try bank.fixture.tree.statistics()
        #expect(statistics.free * statistics.blockSize < 64 << 10)
        try bank.fixture.remove("names/name0")
        try bank.fixture.link("../" + object, "names/name0")
    }

    @Test("What is no command of an allocator fails with EINVAL and changes nothing.")
    func badCommands() throws {
        let bad = [
            "", "\n", "# nothing", "clear", "new", "new Nobody", "new Account *0", "new Account *x",
            "new Account *-1", "new Account balance", "new Account balance=", "new Account none=1",
            "new Account balance=x", "new Account balance[0]=1", "new Account samples[4]=1",
            "new Account samples[-1]=1", "new Account samples=1,2,3,4,5", "new Account heir=0x10",
            "new Account samples[3]=1,2", "new Account heir=names/nobody", "new Account label=\"x",
            "new Account heir=classes/Account", "new Account \\", "new Account\nnew Nobody\n",
            "new Account samples[x]=1", "new Account history=null,null,null,null",
        ]
        for text in bad {
            expectError(EINVAL) { _ = try fixture.command(text, to: allocatorFile) }
        }
        expectError(ERANGE) { _ = try fixture.command("new Account level=256", to: allocatorFile) }
        expectError(ERANGE) {
            _ = try fixture.command("new Account label=123456789", to: allocatorFile)
        }
        #expect(try fixture.list(Bank.allocator) == ["allocator"])
        let file = try fixture.open(allocatorFile, O_RDWR)
        expectError(EINVAL) { try file.put([0xff, 0xff], at: 0) }
    }

    @Test("`mkdir NAME` and `mkdir NAME.MODEL` make a region; `rmdir` removes an empty one.")
    func regions() throws {
        try fixture.makeDirectory("regions/one")
        try fixture.makeDirectory("regions/two.transactional")
        let regions = try fixture.list("regions")
        #expect(regions.contains("one") && regions.contains("two"))
        #expect(try fixture.node("regions/two") == fixture.node("regions/two.transactional"))
        expectError(EEXIST) { try fixture.makeDirectory("regions/one") }
        expectError(EINVAL) { try fixture.makeDirectory("regions/three.relaxed") }
        expectError(EINVAL) { try fixture.makeDirectory("regions/three.nonsense") }
        try fixture.makeDirectory("regions/one/bank")
        let alice = try fixture.command("new Account balance=1", to: "regions/one/bank/allocator")
            .split(separator: "\n").map(String.init)
        #expect(try fixture.read(alice[0] + "/balance") == "1\n")
        expectError(ENOTEMPTY) { try fixture.removeDirectory("regions/one") }
        try fixture.removeDirectory("regions/two")
        #expect(!fixture.exists("regions/two"))
        expectError(EPERM) { try fixture.write("x", to: "regions/file") }
        expectError(ENOENT) { try fixture.removeDirectory("regions/two") }
    }

    @Test("A region's `status` says its number, base and model, and what it holds.")
    func regionStatus() throws {
        _ = try bank.new()
        let status = try fixture.read("regions/transactional/status")
        for line in ["number: 1", "base: 0x0000008000000000", "model: transactional"] {
            #expect(status.contains(line + "\n"), "\(status)")
        }
        for key in ["resident pages", "page-table bytes", "allocators", "objects"] {
            #expect(status.contains("\n\(key): "), "\(status)")
        }
        expectError(EACCES) { _ = try fixture.open("regions/transactional/status", O_WRONLY) }
    }

    @Test("`chmod`, `chown` and `chgrp` work on regions, allocators, `names` and `classes`.")
    func permissions() throws {
        for path in ["regions/transactional", Bank.allocator, "names", "classes"] {
            try change(path, mode: 0o1710, uid: 77)
            let attributes = try fixture.attributes(path)
            #expect(attributes.mode == S_IFDIR | 0o1710 && attributes.uid == 77)
        }
        try change("", mode: 0o711)
        #expect(try fixture.attributes("regions").mode == S_IFDIR | 0o711)
        #expect(try fixture.attributes("names").mode == S_IFDIR | 0o1710)
        expectError(EPERM) { try change("system/classes", mode: 0o777) }
        expectError(EPERM) { try change("objects", mode: 0o777) }
        let shown = fixture.tree { ($0.uid, $0.gid, $0.umask) = (5, 6, 0o022) }
        let attributes = try shown.attributes(fixture.node(Bank.allocator)).0
        #expect(attributes.uid == 5 && attributes.gid == 6 && attributes.mode & 0o777 == 0o755)
    }

    @Test("Names and classes have the owner and the mode of their directory.")
    func ownersOfEntries() throws {
        try fixture.link("../" + (try bank.new()), "names/alice")
        try change("names", mode: 0o777, uid: 77)
        try change("classes", mode: 0o775, uid: 78)
        #expect(try fixture.attributes("names/alice").uid == 77)
        let account = try fixture.attributes("classes/Account")
        #expect(account.uid == 78 && account.mode == S_IFREG | 0o664)
        #expect(try fixture.attributes("system/classes/Name").mode == S_IFREG | 0o444)
        expectError(EPERM) { try change("classes/Account", mode: 0o600) }
        try change("classes/Account", mode: 0o664)
    }

    @Test("What they are set to is the space's: of each mount, in snapshots and transactions.")
    func ownersInViews() throws {
        for path in ["names", "classes"] {
            try change(path, mode: 0o750)
            try fixture.makeDirectory("snapshots/" + path)
            try fixture.makeDirectory("transactions/" + path)
            let (kept, own) = ("snapshots/\(path)/\(path)", "transactions/\(path)/\(path)")
            try change(own, mode: 0o777)
            #expect(try fixture.attributes(own).mode == S_IFDIR | 0o777)
            #expect(try fixture.attributes(path).mode == S_IFDIR | 0o750)
            _ = try fixture.command("commit", to: "transactions/\(path)/control")
            #expect(try fixture.attributes(path).mode == S_IFDIR | 0o777)
            let other = fixture.tree { _ in }
            #expect(try other.attributes(fixture.node(path)).0.mode == S_IFDIR | 0o777)
            #expect(try fixture.attributes(kept).mode == S_IFDIR | 0o750)
            expectError(EROFS) { try change(kept, mode: 0o700) }
        }
    }

    @Test("Writing a new file defines a class; reading it gives its text.")
    func classes() throws {
        try fixture.write(
            "# comment\n\nint64   x\nref<Account>  owner\nref<Point>  next # same class\n",
            to: "classes/Point")
        let text = try fixture.read("classes/Point")
        #expect(text == "int64 x\nref<Account> owner\nref<Point> next\n")
        #expect(try fixture.list("classes").contains("Point"))
        try fixture.write("int8 y\n", to: "classes/Point", append: true)
        #expect(try fixture.read("classes/Point") == text + "int8 y\n")
        expectError(EPERM) { try fixture.write("int8 y\n", to: "classes/4913") }
        expectError(EPERM) { try fixture.write("int8 y\n", to: "classes/.Point.swp") }
        expectError(ENAMETOOLONG) {
            try fixture.write("int8 y\n", to: "classes/" + String(repeating: "x", count: 49))
        }
        expectError(EPERM) { try fixture.write("int8 y\n", to: "classes/Class") }
    }

    @Test("`align 64` gives each object of a class lines of 64 bytes of its own.")
    func alignment() throws {
        try fixture.write("int64 count\nalign 64 # no neighbours\n", to: "classes/Counter")
        #expect(try fixture.read("classes/Counter") == "align 64\nint64 count\n")
        expectError(EINVAL) { try fixture.write("align 32\nint64 x\n", to: "classes/Bad") }
        _ = try bank.new()
        let answer = try fixture.command("new Counter *2", to: Bank.allocator + "/allocator")
        let counters = answer.split(separator: "\n").map(String.init)
        let after = try bank.new()
        let lines = try (counters + [after]).map { path in
            try #require(Address(text: Bank.address(path))).line
        }
        #expect(lines[1] == lines[0] + 1 && lines[2] > lines[1])
        #expect(try fixture.attributes(bank.raw(counters[0], class: "Counter")).size == 16)
        // Two transactions that change neighbours both commit.
        for name in ["a", "b"] { try fixture.makeDirectory("transactions/" + name) }
        for (name, counter) in zip(["a", "b"], counters) {
            try fixture.write("7", to: "transactions/\(name)/\(counter)/count")
        }
        for name in ["a", "b"] {
            _ = try fixture.command("commit", to: "transactions/\(name)/control")
        }
        #expect(try counters.map { try fixture.read($0 + "/count") } == ["7\n", "7\n"])
    }

    @Test("A class comes whole: it is there when its writer has closed it or called fsync(2).")
    func comingWhole() throws {
        let file = try fixture.open("classes/Point", O_WRONLY | O_CREAT | O_EXCL)
        // As bash does it, which moves the descriptor first; and a child that ends in between.
        try file.flush(by: 1)
        file.noteWriter(1)
        try file.put(Array("int64 x\n".utf8), at: 0)
        try file.flush(by: 2)
        #expect(!fixture.exists("classes/Point"))
        try file.put(Array("int64 y\n".utf8), at: 8)
        try file.flush(by: 1)
        #expect(try fixture.read("classes/Point") == "int64 x\nint64 y\n")
        #expect(!file.hasWorkAtEnd)
        file.close()
        let other = try fixture.open("classes/Other", O_WRONLY | O_CREAT | O_EXCL)
        try other.put(Array("int64 x\n".utf8), at: 0)
        #expect(other.hasWorkAtEnd)
        try other.finish()
        other.close()
        #expect(try fixture.read("classes/Other") == "int64 x\n")
    }

    @Test("What is written to the same open file later defines the class with the whole text.")
    func definingInPieces() throws {
        let file = try fixture.open("classes/Point", O_WRONLY | O_CREAT | O_TRUNC)
        try file.put(Array("int64 x\n".utf8), at: 0)
        try file.flush()
        #expect(try fixture.read("classes/Point") == "int64 x\n")
        try file.put(Array("int64 y\n".utf8), at: 8)
        #expect(try fixture.read("classes/Point") == "int64 x\n")
        try file.flush()
        #expect(try fixture.read("classes/Point") == "int64 x\nint64 y\n")
        file.close()
        try fixture.write("int8 z\n", to: "classes/Point")
        #expect(try fixture.read("classes/Point") == "int8 z\n")
        let lines = (0..<250).map { "int64 longFieldNumber\($0)\n" }.joined()
        let long = try fixture.open("classes/Long", O_WRONLY | O_CREAT)
        try long.put(Array(lines.utf8.prefix(4100)), at: 0)
        try long.put(Array(lines.utf8.dropFirst(4100)), at: 4100)
        try long.flush()
        #expect(try fixture.read("classes/Long") == lines)
    }

    @Test("Each write is checked with the text so far: what can become no class fails there.")
    func checkedInPieces() throws {
        let text = """
            # a comment, ä
            int64 x
            \tref<Object> there
            string  label [ 8 ]
            float64 samples[10]  # and another

            """
        let file = try fixture.open("classes/Byte", O_WRONLY | O_CREAT | O_EXCL)
        for (index, byte) in text.utf8.enumerated() { try file.put([byte], at: UInt64(index)) }
        try file.flush()
        #expect(try fixture.read("classes/Byte").contains("float64 samples[10]\n"))
        let bad = [
            "q", "bogus x", "int9", "int64 1", "int64 x y", "int64 x[0]", "string x\n", "x\n",
            "int64 x\nint64 x\n", "ref<Nobody> ", "ref<1", "int64 x[a", "ref<Object> x >",
        ]
        for text in bad {
            let file = try fixture.open("classes/Bad", O_WRONLY | O_CREAT | O_EXCL)
            expectError(EINVAL) { try file.put(Array(text.utf8), at: 0) }
            // The lines after it would make another class than was meant.
            expectError(EINVAL) { try file.put(Array("int64 z\n".utf8), at: 0) }
            try file.flush()
            #expect(!file.hasWorkAtEnd)
            try file.finish()
            file.close()
            #expect(!fixture.exists("classes/Bad"), "\(text)")
        }
    }

    @Test("A definition that fails leaves no class.")
    func failingDefinition() throws {
        let bad = [
            "int65 x", "int64", "int64 x\nint64 x", "ref<Nobody> x", "int64 x[0]", "string x",
            "int64 x y", "ref<Account x", "int64 1x", "\u{0}", "int64 class", "int64 raw",
        ]
        for text in bad {
            expectError(EINVAL) { try fixture.write(text, to: "classes/Bad") }
            #expect(!fixture.exists("classes/Bad"), "\(text)")
        }
        let file = try fixture.open("classes/Bad", O_WRONLY | O_CREAT)
        try file.put(Array("int64 x\n".utf8), at: 0)
        try file.flush()
        #expect(fixture.exists("classes/Bad"))
        expectError(EINVAL) { try file.put(Array("nonsense y\n".utf8), at: 8) }
        #expect(!fixture.exists("classes/Bad"))
        expectError(EINVAL) { try file.put(Array("int64 z\n".utf8), at: 19) }
        #expect(!fixture.exists("classes/Bad"))
    }

    @Test("A new file that is closed without a text is a class without fields.")
    func emptyClass() throws {
        let file = try fixture.open("classes/Empty", O_WRONLY | O_CREAT)
        try file.flush(by: 1)
        #expect(!fixture.exists("classes/Empty"))
        try file.finish()
        file.close()
        #expect(try fixture.read("classes/Empty") == "")
        let object = try bank.new(class: "Empty")
        #expect(try fixture.list(object) == ["class", "raw"])
        #expect(try fixture.bytes(bank.raw(object, class: "Empty")).count == 8)
    }

    @Test("A class without fields is found by the next command of a script.")
    func emptyClassAtOnce() throws {
        let file = try fixture.open("classes/Empty", O_WRONLY | O_CREAT)
        try file.flush(by: 1)
        let closing = startThread {
            usleep(20_000)
            try? file.finish()
            file.close()
        }
        _ = try bank.new(class: "Empty")
        pthread_join(closing, nil)
        // A shell that keeps it open holds nobody up for long.
        let held = try fixture.open("classes/Held", O_WRONLY | O_CREAT)
        try held.flush(by: 1)
        #expect(!fixture.exists("classes/Held"))
        held.close()
    }

    @Test("A class that has objects cannot be written or removed: EBUSY.")
    func usedClass() throws {
        _ = try bank.new()
        expectError(EBUSY) { try fixture.write("int64 x\n", to: "classes/Account") }
        expectError(EBUSY) { try fixture.remove("classes/Account") }
        try fixture.write("ref<Empty2> x\n", to: "classes/Empty2")
        try fixture.write("ref<Empty2> x\n", to: "classes/User")
        expectError(EBUSY) { try fixture.remove("classes/Empty2") }
        try fixture.write(Bank.classText, to: "classes/Account")
        #expect(try fixture.read("classes/Account") == Bank.classText)
    }

    @Test("`rm` removes a class that nothing uses; a class keeps its name.")
    func removingClasses() throws {
        expectError(EPERM) { try fixture.move("classes/Account", to: "classes/Konto") }
        try fixture.remove("classes/Account")
        #expect(!fixture.exists("classes/Account"))
        expectError(ENOENT) { try fixture.remove("classes/Account") }
        expectError(ENOENT) { try fixture.remove("classes/Class") }
        expectError(EPERM) { try fixture.remove("system/classes/Class") }
        expectError(EPERM) { try fixture.makeDirectory("classes/Directory") }
    }

    @Test("`ln -s` binds a name, `rm` unbinds it, `mv` renames it and replaces what was there.")
    func names() throws {
        let alice = try bank.new("balance=1")
        let bob = try bank.new("balance=2")
        try fixture.link("../" + alice, "names/alice")
        try fixture.link("../" + bob, "names/b\u{f6}b")
        #expect(try fixture.readLink("names/alice") == "../" + alice)
        #expect(try Set(fixture.list("names")) == ["alice", "b\u{f6}b"])
        expectError(EEXIST) { try fixture.link("../" + bob, "names/alice") }
        try fixture.replaceLink("../" + bob, "names/alice")
        #expect(try fixture.readLink("names/alice") == "../" + bob)
        try fixture.move("names/alice", to: "names/carol")
        #expect(!fixture.exists("names/alice"))
        try fixture.link("../" + alice, "names/alice")
        try fixture.move("names/alice", to: "names/carol")
        #expect(try fixture.readLink("names/carol") == "../" + alice)
        try fixture.remove("names/carol")
        expectError(ENOENT) { try fixture.remove("names/carol") }
        expectError(ENOENT) { try fixture.move("names/carol", to: "names/dora") }
        #expect(try fixture.list("names") == ["b\u{f6}b"])
        let long = String(repeating: "n", count: 255)
        try fixture.link("../" + alice, "names/" + long)
        #expect(try fixture.readLink("names/" + long) == "../" + alice)
        expectError(ENAMETOOLONG) { try fixture.link("../" + alice, "names/" + long + "n") }
    }

    @Test("renameat2(2) can refuse to replace a name, or exchange two.")
    func renameFlags() throws {
        let alice = try bank.new()
        let bob = try bank.new()
        try fixture.link("../" + alice, "names/alice")
        try fixture.link("../" + bob, "names/bob")
        expectError(EEXIST) { try fixture.move("names/alice", to: "names/bob", flags: 1) }
        try fixture.move("names/alice", to: "names/bob", flags: 2)
        #expect(try fixture.readLink("names/alice") == "../" + bob)
        #expect(try fixture.readLink("names/bob") == "../" + alice)
        expectError(ENOENT) { try fixture.move("names/alice", to: "names/no", flags: 2) }
        expectError(EINVAL) { try fixture.move("names/alice", to: "names/no", flags: 4) }
        try fixture.move("names/alice", to: "names/no", flags: 1)
        #expect(try Set(fixture.list("names")) == ["bob", "no"])
        expectError(EXDEV) { try fixture.move("names/bob", to: alice + "/heir") }
    }

    @Test("A name is bound to an object only; any other target fails with EINVAL.")
    func nameTargets() throws {
        for target in ["../classes/Account", "../" + Bank.allocator, "null", "/", "x", "."] {
            expectError(EINVAL) { try fixture.link(target, "names/x") }
        }
        expectError(EPERM) { try fixture.write("x", to: "names/file") }
        expectError(EPERM) { try fixture.makeDirectory("names/directory") }
        #expect(try fixture.list("names").isEmpty)
    }
}
