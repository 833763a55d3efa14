import Glibc
import RainbowCore
import Testing

@testable import RainbowFS

/// The lines of Docs/Semantics.md about references and objects.
@Suite struct SemanticsReferenceTests {
    let bank: Bank
    let fixture: TreeFixture

    init() throws {
        bank = try Bank()
        fixture = bank.fixture
    }

    @Test("A reference is a link to `../0x...`, and to `null` where it refers to nothing.")
    func links() throws {
        let alice = try bank.new()
        let bob = try bank.new("heir=\(alice)")
        #expect(try fixture.readLink(alice + "/heir") == "null")
        #expect(try fixture.readLink(bob + "/heir") == "../" + Bank.address(alice))
        #expect(try fixture.attributes(bob + "/heir").isLink)
    }

    @Test("An array of references is a directory with one link an element.")
    func arrays() throws {
        let alice = try bank.new()
        let bob = try bank.new("history=\(alice),null,\(alice)")
        #expect(try fixture.attributes(bob + "/history").isDirectory)
        #expect(try fixture.list(bob + "/history") == ["0", "1", "2"])
        #expect(try fixture.readLink(bob + "/history/0") == "../../" + Bank.address(alice))
        #expect(try fixture.readLink(bob + "/history/1") == "null")
        for name in ["3", "-1", "01", "+1", "x", ""] {
            expectError(ENOENT) {
                _ = try fixture.tree.lookup(
                    fixture.node(bob + "/history"), name, fixture.caller)
            }
        }
    }

    @Test("`ln -sfn` replaces a reference in one step.")
    func replacing() throws {
        let alice = try bank.new()
        let bob = try bank.new()
        try fixture.replaceLink("../" + Bank.address(alice), bob + "/heir")
        #expect(try fixture.readLink(bob + "/heir") == "../" + Bank.address(alice))
        try fixture.replaceLink("../../" + Bank.address(bob), bob + "/history/2")
        #expect(try fixture.readLink(bob + "/history/2") == "../../" + Bank.address(bob))
        try fixture.replaceLink("null", bob + "/heir")
        #expect(try fixture.readLink(bob + "/heir") == "null")
        #expect(try !fixture.list(bob).contains { $0.hasPrefix("Cu") })
        try fixture.link("../" + Bank.address(alice), bob + "/.heir.x1")
        #expect(try fixture.readLink(bob + "/.heir.x1") == "../" + Bank.address(alice))
        expectError(EEXIST) { try fixture.link("null", bob + "/.heir.x1") }
        try fixture.remove(bob + "/.heir.x1")
        #expect(!fixture.exists(bob + "/.heir.x1"))
        for index in 0..<(2 * PendingLinks.countMax) {
            try fixture.link("null", bob + "/.left\(index)")
        }
        #expect(!fixture.exists(bob + "/.left0"))
    }

    @Test("`rm` sets a reference to null.")
    func removing() throws {
        let alice = try bank.new()
        let bob = try bank.new("heir=\(alice) history=\(alice),\(alice)")
        try fixture.remove(bob + "/heir")
        try fixture.remove(bob + "/history/1")
        #expect(try fixture.readLink(bob + "/heir") == "null")
        #expect(try fixture.readLink(bob + "/history/0") == "../../" + Bank.address(alice))
        #expect(try fixture.readLink(bob + "/history/1") == "null")
    }

    @Test("A reference takes null or a live object of its class; all else fails with EINVAL.")
    func checking() throws {
        try fixture.write("int64 x\n", to: "classes/Other")
        let alice = try bank.new()
        let other = try bank.new(class: "Other")
        expectError(EINVAL) {
            try fixture.replaceLink("../" + Bank.address(other), alice + "/heir")
        }
        expectError(EINVAL) { try fixture.replaceLink("../0x10", alice + "/heir") }
        expectError(EINVAL) { try fixture.replaceLink("../../classes", alice + "/heir") }
        expectError(EINVAL) { try fixture.replaceLink("../../names/nobody", alice + "/heir") }
        try fixture.replaceLink("../../" + Bank.address(other), alice + "/history/0")
        #expect(try fixture.readLink(alice + "/heir") == "null")
        let raw = try fixture.open(bank.raw(alice), O_RDWR)
        let address = try #require(Address(text: Bank.address(other))).rawValue
        func place(_ field: String) throws -> UInt64 { field == "heir" ? 24 : 16 }
        let bytes = unsafe withUnsafeBytes(of: address.littleEndian) { unsafe Array($0) }
        expectError(EINVAL) { try raw.put(bytes, at: try place("heir")) }
        try raw.put(bytes, at: try place("history"))
        #expect(try fixture.readLink(alice + "/history/0") == "../../" + Bank.address(other))
    }

    @Test(
        "The target of a link may be spelled in any way that leads to an object inside the mount.")
    func spellings() throws {
        let alice = try bank.new()
        try fixture.link("../" + alice, "names/alice")
        let bob = try bank.new("heir=names/alice")
        let digits = String(Bank.address(alice).drop { $0 == "0" || $0 == "x" })
        let spellings = [
            "../objects/" + Bank.address(alice), "../objects/0x" + digits,
            "../objects/0X00" + digits.uppercased(), "../" + bank.raw(alice),
            "..//objects/./../objects/\(Bank.address(alice))/", "alice", "../names/alice",
            "../\(bob)/heir", "../\(alice)/raw", TreeFixture.mountPoint + "/" + alice,
            TreeFixture.mountPoint + "/names/alice", "//mnt//rainbow/\(alice)",
        ]
        for (index, target) in spellings.enumerated() {
            try fixture.link(target, "names/spelling\(index)")
            let link = try fixture.readLink("names/spelling\(index)")
            #expect(link == "../" + alice, "\(target)")
        }
        let wrong = [
            "../../etc/passwd", "/etc/passwd", "/mnt/rainbow2/\(alice)", "../classes/Account",
            "..", "null", "nobody", "../objects/0x17", "loop", "../\(bob)/balance",
        ]
        for target in wrong {
            expectError(EINVAL) { try fixture.link(target, "names/wrong") }
        }
    }

    @Test("An object's directory has its fields, `class` and `raw`.")
    func directory() throws {
        let alice = try bank.new()
        let fields = [
            "balance", "heir", "history", "level", "samples", "rate", "open", "label", "data",
        ]
        #expect(try fixture.list(alice) == fields + ["class", "raw"])
        #expect(try fixture.list(alice, plus: true) == fields + ["class", "raw"])
        #expect(try fixture.readLink(alice + "/class") == "../../classes/Account")
        #expect(try fixture.readLink(alice + "/raw") == "../../" + bank.raw(alice))
        #expect(try fixture.attributes(alice).isDirectory)
        let address = try #require(Address(text: Bank.address(alice)))
        #expect(try fixture.attributes(alice).ino == address.rawValue)
        #expect(try fixture.attributes(bank.raw(alice)).ino == address.rawValue)
        expectError(ENOENT) { _ = try fixture.entry(alice + "/nothing") }
    }

    @Test(
        "Any other spelling of an address, or an address inside an object, is a link to it."
    )
    func aliases() throws {
        let alice = try bank.new()
        let address = try #require(Address(text: Bank.address(alice)))
        let digits = String(address.rawValue, radix: 16)
        let others = [
            "0x" + digits, "0x" + digits.uppercased() + "", "0X" + digits, "0x000" + digits,
            (address + 8).description, (address + 9).description, (address - 8).description,
        ]
        for name in others where name != address.description {
            #expect(try fixture.readLink("objects/" + name) == address.description, "\(name)")
            #expect(try fixture.attributes("objects/" + name).isLink)
        }
        for name in ["0x0", "0x17", "17", "0xffffffffffffffff", "0x", "alice", digits] {
            expectError(ENOENT) { _ = try fixture.entry("objects/" + name) }
        }
    }

    @Test("The raw file is the object's memory, lowest address first.")
    func rawFile() throws {
        let alice = try bank.new("balance=258 heir=null")
        let bytes = try fixture.bytes(bank.raw(alice))
        #expect(bytes.count == 8 * 4 + 8 + 48)
        #expect(bytes[32] & 1 == 1, "the header")
        #expect(Array(bytes[40..<48]) == [2, 1, 0, 0, 0, 0, 0, 0])
        let file = try fixture.open(bank.raw(alice), O_RDWR)
        try file.put([9], at: 41)
        #expect(try fixture.read(alice + "/balance") == "\(2 + 9 * 256)\n")
        #expect(try file.piece(at: 40, 3) == [2, 9, 0])
        #expect(try file.piece(at: 4096, 3).isEmpty)
        expectError(EPERM) { try file.put([1], at: UInt64(bytes.count)) }
        expectError(EPERM) { try file.put([1], at: .max) }
        expectError(EPERM) { try file.put([1], at: 0, isAppend: true) }
    }

    @Test(
        "Writing to the header of an object fails with EPERM, to part of a reference with EINVAL.")
    func protectedParts() throws {
        let alice = try bank.new("balance=1")
        let file = try fixture.open(bank.raw(alice), O_RDWR)
        let before = try fixture.bytes(bank.raw(alice))
        expectError(EPERM) { try file.put([1, 2, 3, 4, 5, 6, 7, 8], at: 32) }
        expectError(EINVAL) { try file.put([1], at: 0) }
        expectError(EINVAL) { try file.put([0, 0, 0, 0, 0, 0, 0, 0], at: 4) }
        #expect(try fixture.bytes(bank.raw(alice)) == before)
    }

    @Test("Objects and fields are not made, removed or renamed as files: EPERM.")
    func fixedEntries() throws {
        let alice = try bank.new("balance=1")
        let bob = try bank.new("balance=2")
        expectError(EPERM) { try fixture.write("x", to: alice + "/history/3") }
        expectError(EPERM) { try fixture.write("x", to: "objects/file") }
        expectError(EPERM) { try fixture.write("x", to: Bank.allocator + "/file") }
        expectError(EPERM) { try fixture.makeDirectory("objects/0x1") }
        expectError(EEXIST) { try fixture.makeDirectory(alice) }
        expectError(EPERM) { try fixture.makeDirectory(alice + "/more") }
        expectError(EPERM) { try fixture.removeDirectory(alice) }
        expectError(EPERM) { try fixture.remove(alice) }
        expectError(EPERM) { try fixture.remove(alice + "/balance") }
        expectError(EPERM) { try fixture.remove(alice + "/class") }
        expectError(EPERM) { try fixture.remove(alice + "/raw") }
        expectError(EPERM) { try fixture.remove(bank.raw(alice)) }
        expectError(EPERM) { try fixture.remove(Bank.allocator + "/allocator") }
        expectError(EPERM) { try fixture.removeDirectory(alice + "/history") }
        expectError(EPERM) { try fixture.move(alice + "/balance", to: alice + "/level") }
        expectError(EPERM) { try fixture.move(alice + "/heir", to: alice + "/heir2") }
        expectError(EXDEV) { try fixture.move(alice + "/heir", to: bob + "/heir") }
        expectError(EPERM) { try fixture.link("../" + Bank.address(bob), alice + "/friend") }
        try fixture.replaceLink("../" + Bank.address(bob), alice + "/heir")
        expectError(EEXIST) { try fixture.link("../" + Bank.address(bob), alice + "/heir") }
        expectError(ENOENT) { try fixture.remove(alice + "/nothing") }
        expectError(EISDIR) { _ = try fixture.open(alice, O_RDONLY) }
        expectError(ELOOP) { _ = try fixture.open(alice + "/heir", O_RDONLY) }
        expectError(ENOTDIR) { _ = try fixture.list(alice + "/balance") }
        #expect(try fixture.read(alice + "/balance") == "1\n")
    }

    @Test("An object has the owner and the mode of its allocator.")
    func ownership() throws {
        let alice = try bank.new()
        let node = try fixture.node(Bank.allocator)
        _ = try fixture.tree.setAttributes(
            node, mode: 0o640, uid: 12, gid: 34, size: nil, fixture.caller)
        for path in [alice + "/balance", bank.raw(alice)] {
            let attributes = try fixture.attributes(path)
            #expect(attributes.mode == S_IFREG | 0o640)
            #expect(attributes.uid == 12 && attributes.gid == 34)
        }
        #expect(try fixture.attributes(alice).mode == S_IFDIR | 0o750)
        #expect(try fixture.attributes(alice + "/history").mode == S_IFDIR | 0o750)
        #expect(try fixture.attributes(alice + "/heir").mode == S_IFLNK | 0o777)
        func change(_ path: String, mode: UInt32) throws {
            _ = try fixture.tree.setAttributes(
                fixture.node(path), mode: mode, uid: nil, gid: nil, size: nil, fixture.caller)
        }
        try change(alice + "/balance", mode: 0o640)
        expectError(EPERM) { try change(alice + "/balance", mode: 0o644) }
        expectError(EPERM) { try change(bank.raw(alice), mode: 0o600) }
    }

    @Test("The objects of the system can be read; writing to them fails with EPERM.")
    func system() throws {
        let alice = try bank.new()
        try fixture.link("../" + alice, "names/alice")
        let system = "regions/transactional/system"
        let names = try fixture.list(system)
        let name = try #require(names.first { $0.hasSuffix(".Name") })
        let object = "system/objects/" + name.prefix { $0 != "." }
        #expect(try fixture.readLink(object + "/target") == "../../../" + alice)
        #expect(try fixture.read(object + "/name") == "alice\n")
        #expect(try fixture.attributes(object + "/name").mode & 0o222 == 0)
        expectError(EPERM) { _ = try fixture.open(object + "/name", O_WRONLY) }
        expectError(EPERM) { _ = try fixture.open(system + "/" + name, O_RDWR) }
        expectError(EPERM) { try fixture.remove(object + "/target") }
        expectError(EPERM) { try fixture.replaceLink("null", object + "/target") }
        expectError(EPERM) { _ = try fixture.command("set \(object) name=x", to: "control") }
        for command in ["new Account", "new Name", "capacity 1G"] {
            expectError(EPERM) { _ = try fixture.command(command, to: system + "/allocator") }
        }
        expectError(EPERM) {
            _ = try fixture.command("new Name", to: Bank.allocator + "/allocator")
        }
        for folder in ["objects/", "system/objects/"] {
            for object in try fixture.list(folder) {
                #expect(try fixture.list(folder + object).contains("class"))
            }
        }
    }

    @Test("`objects` and `classes` list what users made; the space's own is below `system`.")
    func parts() throws {
        let alice = try bank.new()
        #expect(try fixture.list("objects") == [Bank.address(alice)])
        #expect(try fixture.list("classes") == ["Account"])
        #expect(try fixture.list("system") == ["classes", "objects"])
        let builtIn = [
            "Allocator", "Backpack", "Class", "Field", "Name", "Region", "System", "Table", "Text",
        ]
        #expect(try fixture.list("system/classes").sorted() == builtIn)
        let own = try fixture.list("system/objects")
        #expect(own.first == "0x0000008000001028")
        let raw = try fixture.list("regions/transactional/system").dropFirst()
        #expect(own == raw.map { String($0.prefix { $0 != "." }) })
        #expect(!fixture.exists("classes/Class") && !fixture.exists("system/classes/Account"))
        for path in ["system", "system/classes", "system/objects"] {
            #expect(try fixture.attributes(path).mode & 0o777 == 0o555)
            expectError(EPERM) { try fixture.makeDirectory(path + "/new") }
            expectError(EPERM) { try fixture.write("int8 x\n", to: path + "/New") }
        }
        expectError(EPERM) { try fixture.write("int8 x\n", to: "system/classes/Class") }
        expectError(EPERM) { try fixture.remove("system/classes/Class") }
        expectError(EPERM) { try fixture.remove("system/objects/0x0000008000001028") }
        try fixture.makeDirectory("snapshots/s")
        try fixture.makeDirectory("transactions/t")
        for view in ["snapshots/s/", "transactions/t/"] {
            #expect(try fixture.list(view + "objects") == [Bank.address(alice)])
            #expect(try fixture.list(view + "system/objects").count > 10)
            #expect(try fixture.list(view + "system/classes").sorted() == builtIn)
        }
    }

    @Test("A link leads to an object, a class or a raw file where it is shown.")
    func linksOfParts() throws {
        let alice = try bank.new()
        let system = "system/objects/0x0000008000001028"
        let address = String(system.suffix(18))
        // Reached by the folder that does not show it, an object is a link into the other one.
        #expect(try fixture.readLink("objects/" + address) == "../" + system)
        #expect(try fixture.readLink("objects/0x8000001029") == "../" + system)
        #expect(try fixture.readLink("system/objects/0x8000001029") == address)
        #expect(
            try fixture.readLink("system/objects/" + Bank.address(alice)) == "../../" + alice)
        // References and names of the one part to the other.
        try fixture.replaceLink("../../" + address, alice + "/history/1")
        #expect(try fixture.readLink(alice + "/history/1") == "../../../" + system)
        try fixture.link("../" + system, "names/root")
        #expect(try fixture.readLink("names/root") == "../" + system)
        try fixture.replaceLink("../../../names/root", alice + "/history/2")
        #expect(try fixture.readLink(alice + "/history/2") == "../../../" + system)
        #expect(try fixture.readLink(system + "/allocator").hasPrefix("../0x00000080"))
        // The class and the raw file of each.
        #expect(try fixture.readLink(system + "/class") == "../../classes/System")
        #expect(try fixture.read("system/classes/System").hasPrefix("align 64\nref<Table> names\n"))
        #expect(
            try fixture.readLink(system + "/raw")
                == "../../../regions/transactional/system/\(address).System")
        #expect(try fixture.command("set \(alice) history[0]=\(system)", to: "control") == "")
        #expect(try fixture.readLink(alice + "/history/0") == "../../../" + system)
    }
}
