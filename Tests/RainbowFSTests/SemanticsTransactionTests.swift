import Glibc
import RainbowCore
import Synchronization
import TestSupport
import Testing

@testable import RainbowFS

/// The lines of Docs/Semantics.md about transactions.
@Suite struct SemanticsTransactionTests {
    let bank: Bank
    let fixture: TreeFixture
    /// An object with the balance 100, and the same one as the transaction `t` sees it.
    let alice: String
    let inner: String

    init() throws {
        bank = try Bank()
        fixture = bank.fixture
        alice = try bank.new("balance=100")
        inner = "transactions/t/" + alice
        try fixture.makeDirectory("transactions/t")
    }

    private func control(_ command: String, of name: String = "t") throws -> String {
        try fixture.command(command + "\n", to: "transactions/\(name)/control")
    }

    private func report(_ name: String = "t") throws -> [String] {
        try fixture.read("transactions/\(name)/control").split(separator: "\n").map(String.init)
    }

    private func account(_ path: String) -> String { "objects/\(Bank.address(path)) (Account)" }

    @Test(
        "`mkdir transactions/t` begins one; it reads the version of that time and its own writes."
    )
    func beginning() throws {
        try fixture.write("1", to: alice + "/balance")
        #expect(try fixture.read(inner + "/balance") == "100\n")
        try fixture.write("7", to: inner + "/balance")
        #expect(try fixture.read(inner + "/balance") == "7\n")
        #expect(try fixture.read(alice + "/balance") == "1\n")
        #expect(try fixture.list("transactions") == ["t"])
        #expect(
            try fixture.list("transactions/t") == [
                "regions", "classes", "objects", "names", "nodes", "metrics", "messages", "system",
                "control",
            ])
        expectError(EEXIST) { try fixture.makeDirectory("transactions/t") }
        expectError(ENOENT) { _ = try fixture.entry("transactions/u") }
        expectError(ENOENT) { try fixture.removeDirectory("transactions/u") }
        expectError(ENAMETOOLONG) {
            try fixture.makeDirectory("transactions/" + String(repeating: "n", count: 193))
        }
        for name in ["transactions", "transactions/t"] {
            expectError(EPERM) { try fixture.write("x", to: name + "/file") }
        }
        for target in ["../" + alice, "nowhere"] {
            expectError(EPERM) { try fixture.link(target, "transactions/link") }
        }
        expectError(EPERM) { try fixture.link(alice, "transactions/t/link") }
        expectError(EPERM) { try fixture.makeDirectory("transactions/t/directory") }
        expectError(EPERM) { try fixture.move("transactions/t", to: "transactions/u") }
    }

    /// Makes one of everything in the transaction.
    private func makeAll() throws -> String {
        let root = "transactions/t/"
        try fixture.write("int32 x\n", to: root + "classes/Point")
        try fixture.makeDirectory(root + "regions/new")
        try fixture.makeDirectory(root + "regions/new/points")
        let answer = try fixture.command(
            "new Point x=5", to: root + "regions/new/points/allocator")
        let point = String(answer.dropLast())
        try fixture.link("../" + point, root + "names/point")
        try fixture.replaceLink("../../" + Bank.address(point), inner + "/history/1")
        try fixture.write("-1", to: inner + "/balance")
        let raw = try fixture.open(root + bank.raw(alice), O_RDWR)
        let level = try fixture.attributes(bank.raw(alice)).size - 8
        try raw.put([9], at: level)
        return point
    }

    private func madeOnes(_ point: String) -> [String] {
        ["classes/Point", "regions/new", "regions/new/points", "names/point", point]
    }

    @Test(
        "Before the commit nobody else sees its values, objects, classes, names or allocators."
    )
    func isolation() throws {
        let before = try fixture.bytes(bank.raw(alice))
        let listing = try fixture.list("objects")
        let point = try makeAll()
        for path in madeOnes(point) {
            #expect(fixture.exists("transactions/t/" + path), "\(path)")
            #expect(!fixture.exists(path), "\(path)")
        }
        #expect(try fixture.read("transactions/t/\(point)/x") == "5\n")
        #expect(try fixture.bytes(bank.raw(alice)) == before)
        #expect(try fixture.list("objects") == listing)
        #expect(try fixture.list("classes").contains("Point") == false)
        #expect(try fixture.list("transactions/t/classes").contains("Point"))
        try bank.expectWhole()
    }

    @Test("Writing `commit` to `control` makes all of it visible at once; reading on, its version.")
    func commit() throws {
        let point = try makeAll()
        let answer = try control("commit")
        #expect(answer == "version: \(fixture.space.usage.version)\n")
        for path in madeOnes(point) { #expect(fixture.exists(path), "\(path)") }
        #expect(try fixture.read(alice + "/balance") == "-1\n")
        #expect(try fixture.readLink(alice + "/history/1") == "../../" + Bank.address(point))
        #expect(try report().first == "state: committed")
        #expect(try report().contains(answer.dropLast().description))
        try bank.expectWhole()
    }

    @Test("`rmdir` and `abort` leave nothing of a transaction.")
    func abort() throws {
        for ending in ["abort", "rmdir"] {
            let point = try makeAll()
            if ending == "abort" {
                #expect(try control("abort").isEmpty)
                #expect(try report().first == "state: aborted")
                expectError(ESTALE) { _ = try control("abort") }
            }
            try fixture.removeDirectory("transactions/t")
            for path in madeOnes(point) { #expect(!fixture.exists(path), "\(path)") }
            #expect(try fixture.read(alice + "/balance") == "100\n")
            #expect(try fixture.list("transactions").isEmpty)
            try fixture.makeDirectory("transactions/t")
            #expect(try !fixture.list("transactions/t/classes").contains("Point"))
        }
        try bank.expectWhole()
    }

    @Test(
        "A commit fails with ECANCELED if what was read has changed; `control` says by whom."
    )
    func conflict() throws {
        let other = try bank.new("balance=3", class: "Account")
        try restart()
        _ = try fixture.read(inner + "/balance")
        try fixture.write("7", to: "transactions/t/\(other)/balance")
        #expect(try !report().contains { $0.contains("conflict") })
        try fixture.write("1", to: alice + "/balance")
        let version = fixture.space.usage.version
        let sentence =
            "\(account(alice)) changed by node \(fixture.space.node) at version \(version)"
        #expect(try report().contains("would conflict: " + sentence))
        do {
            _ = try control("commit")
            Issue.record("the commit did not fail")
        } catch let error as TreeError {
            #expect(error.errno == ECANCELED && error.message.contains(sentence))
        }
        #expect(try report().first == "state: conflict")
        #expect(try report().contains("conflict: " + sentence))
        #expect(try fixture.read(other + "/balance") == "3\n")
        // Reading on after the commit that failed tells why, too.
        try restart()
        let file = try fixture.open("transactions/t/control", O_RDWR)
        defer { file.close() }
        _ = try fixture.read(inner + "/balance")
        try fixture.write("8", to: "transactions/t/\(other)/balance")
        try fixture.write("2", to: alice + "/balance")
        expectError(ECANCELED) { try file.put(Array("commit".utf8), at: 0) }
        let text = String(decoding: try file.all(), as: UTF8.self)
        #expect(text.hasPrefix("state: conflict\n"))
    }

    private func restart() throws {
        #expect(try control("restart") == "snapshot: \(fixture.space.usage.version)\n")
    }

    @Test("A transaction that only reads always commits.")
    func readOnly() throws {
        _ = try fixture.read(inner + "/balance")
        _ = try fixture.list("transactions/t/objects")
        try fixture.write("1", to: alice + "/balance")
        #expect(try fixture.read(inner + "/balance") == "100\n")
        #expect(try !report().contains { $0.contains("conflict") })
        #expect(try control("commit").hasPrefix("version: "))
    }

    @Test("Looking at attributes is no reason for a conflict; reading, listing and following are.")
    func attributes() throws {
        let other = "transactions/t/" + (try bank.new("balance=3"))
        try restart()
        let node = try fixture.node(inner + "/balance")
        try restart()
        try fixture.write("7", to: other + "/rate")
        _ = try fixture.tree.attributes(node)
        _ = try fixture.tree.extendedAttributeNames(node)
        try fixture.write("1", to: alice + "/balance")
        _ = try control("commit")
        let names = "transactions/t/names"
        for look in [
            { _ = try fixture.list(names) }, { _ = try? fixture.entry(names + "/bob") },
        ] as [() throws -> Void] {
            try restart()
            try fixture.write("8", to: other + "/rate")
            try look()
            try fixture.link("../" + alice, "names/bob")
            expectError(ECANCELED) { _ = try control("commit") }
            try fixture.remove("names/bob")
        }
    }

    @Test("`restart` forgets everything and begins again at the newest version.")
    func restarted() throws {
        let point = try makeAll()
        try fixture.write("1", to: alice + "/balance")
        let open = try fixture.open(inner + "/balance", O_RDONLY)
        let began = try report()[2]
        usleep(2_000)
        try restart()
        #expect(try report()[2] > began && began.hasPrefix("began: "))
        #expect(try open.all() == Array("1\n".utf8))
        #expect(try fixture.read(inner + "/balance") == "1\n")
        for path in madeOnes(point) { #expect(!fixture.exists("transactions/t/" + path)) }
        // Also after its end.
        for end in ["commit", "abort"] {
            _ = try control(end)
            expectError(ESTALE) { _ = try open.all() }
            try restart()
            #expect(try open.all() == Array("1\n".utf8))
        }
    }

    private final class Flag: Sendable {
        private let value = Atomic<Bool>(false)
        var isSet: Bool { value.load(ordering: .acquiring) }
        func set() { value.store(true, ordering: .releasing) }
    }

    @Test("After `restart serial` the next commit succeeds, whatever others do meanwhile.")
    func serial() throws {
        #expect(try control("restart serial").hasPrefix("snapshot: "))
        #expect(try report().contains("serial: yes"))
        let done = Flag()
        let writer = startThread { [fixture, alice] in
            try? fixture.write("1", to: alice + "/balance")
            done.set()
        }
        _ = try fixture.read(inner + "/balance")
        try fixture.write("7", to: inner + "/balance")
        usleep(50_000)
        #expect(!done.isSet)
        #expect(try control("commit").hasPrefix("version: "))
        pthread_join(writer, nil)
        #expect(try fixture.read(alice + "/balance") == "1\n")
        #expect(try report().contains("serial: no"))
    }

    @Test("Once it has ended, all below it except `control` fails with ESTALE, until `restart`.")
    func stale() throws {
        let file = try fixture.open(inner + "/balance", O_RDWR)
        let node = try fixture.node(inner)
        let directory = try fixture.tree.openDirectory(node, fixture.caller)
        _ = try control("commit")
        expectError(ESTALE) { _ = try file.all() }
        expectError(ESTALE) { try file.put(Array("5".utf8), at: 0) }
        expectError(ESTALE) { _ = try fixture.read(inner + "/balance") }
        expectError(ESTALE) { _ = try fixture.tree.attributes(node) }
        expectError(ESTALE) {
            try directory.entries(from: 3, plus: false) { _, _, _ in true }
        }
        expectError(ESTALE) { _ = try control("commit") }
        expectError(ESTALE) { _ = try control("set \(alice) balance=1") }
        #expect(try fixture.list("transactions/t") == ["control"])
        #expect(try fixture.attributes("transactions/t/control").size > 50)
        try restart()
        #expect(try fixture.read(inner + "/balance") == "100\n")
        try fixture.removeDirectory("transactions/t")
        try fixture.makeDirectory("transactions/t")
        expectError(ESTALE) { _ = try file.all() }
        expectError(ESTALE) { _ = try fixture.tree.attributes(node) }
    }

    @Test("`control` tells the objects that were read and written.")
    func listing() throws {
        let bob = try bank.new("balance=3")
        try restart()
        #expect(try report().contains("objects read: 0"))
        _ = try fixture.read(inner + "/balance")
        try fixture.write("1", to: "transactions/t/\(bob)/balance")
        let lines = try report()
        #expect(lines.first == "state: running")
        #expect(lines.contains("snapshot: \(fixture.space.usage.version)"))
        #expect(lines.contains("read: objects/\(Bank.address(alice)) Account"))
        #expect(lines.contains("written: objects/\(Bank.address(bob)) Account"))
        #expect(!lines.contains("written: objects/\(Bank.address(alice)) Account"))
        #expect(
            try fixture.attributes("transactions/t/control").size
                == fixture.read("transactions/t/control").utf8.count)
        _ = try control("commit")
        #expect(try report().contains("written: objects/\(Bank.address(bob)) Account"))
    }

    @Test("`control` takes one command a write; `set` as the `control` of the mount does.")
    func commands() throws {
        let help = try control("help")
        for word in ["commit", "abort", "restart serial", "hold", "set OBJECT"] {
            #expect(help.contains(word))
        }
        _ = try control("set \(alice) balance=5 level=2\nset \(alice) rate=1")
        #expect(try fixture.read(inner + "/level") == "2\n")
        #expect(try fixture.read(alice + "/level") == "0\n")
        for text in ["", "comit", "commit now", "abort\ncommit", "restart fast", "set"] {
            expectError(EINVAL) { _ = try control(text) }
        }
        #expect(try report().first == "state: running")
    }

    @Test("A change that fails leaves no trace in a transaction, which goes on.")
    func failure() throws {
        expectError(ERANGE) { _ = try control("set \(alice) balance=5 level=300") }
        #expect(try fixture.read(inner + "/balance") == "100\n")
        expectError(EINVAL) { try fixture.write("x", to: inner + "/balance") }
        _ = try control("commit")
        #expect(try fixture.read(alice + "/balance") == "100\n")
    }

    @Test(
        "A transaction writes 3.9 MiB at most, in lines of 64 bytes, and makes 1 MiB more: EFBIG."
    )
    func tooLarge() throws {
        try fixture.write("bytes data[65536]\n", to: "classes/Blob")
        try restart()
        let allocator = "transactions/t/\(Bank.allocator)/allocator"
        expectError(EFBIG) { _ = try fixture.command("new Blob *90", to: allocator) }
        #expect(try fixture.read(allocator).contains("objects: 1\n"))
        let made = try fixture.command("new Blob *70", to: allocator).split(separator: "\n")
        #expect(made.count == 70)
        _ = try control("commit")
        let bytes = [UInt8](repeating: 1, count: 65536)
        try restart()
        expectError(EFBIG) {
            for blob in made {
                try fixture.open("transactions/t/\(blob)/data", O_RDWR).put(bytes, at: 0)
            }
        }
    }

    @Test("`hold` lets a transaction live as long as the open file that it was written to.")
    func hold() throws {
        for end in ["", "commit", "abort"] {
            let file = try fixture.open("transactions/t/control", O_RDWR)
            try file.put(Array("hold\n".utf8), at: 0)
            #expect(try report().contains("held: yes"))
            try fixture.write("\(end.count)", to: inner + "/balance")
            if !end.isEmpty { try file.put(Array(end.utf8), at: 0) }
            file.close()
            expectError(ENOENT) { _ = try fixture.entry("transactions/t") }
            try fixture.makeDirectory("transactions/t")
        }
        #expect(try fixture.read(alice + "/balance") == "6\n")
    }

    @Test("New files and links replace fields and references there as outside.")
    func replacing() throws {
        let bob = try bank.new("balance=3")
        try restart()
        try fixture.replaceLink("../" + Bank.address(bob), inner + "/heir")
        #expect(try fixture.readLink(inner + "/heir") == "../" + Bank.address(bob))
        try fixture.write("55", to: inner + "/sedA1b2c3")
        #expect(!fixture.exists(alice + "/sedA1b2c3"))
        try fixture.move(inner + "/sedA1b2c3", to: inner + "/balance")
        #expect(try fixture.read(inner + "/balance") == "55\n")
        expectError(EXDEV) { try fixture.move(inner + "/balance", to: alice + "/balance") }
        #expect(try fixture.readLink(alice + "/heir") == "null")
        _ = try control("commit")
        #expect(try fixture.readLink(alice + "/heir") == "../" + Bank.address(bob))
        #expect(try fixture.read(alice + "/balance") == "55\n")
    }

    @Test("The target of a link there may be a path below the transaction, or below the mount.")
    func targets() throws {
        let points = [
            "../" + alice, "../objects/" + Bank.address(alice),
            "\(TreeFixture.mountPoint)/\(inner)", "\(TreeFixture.mountPoint)/\(alice)",
        ]
        for (index, target) in points.enumerated() {
            try fixture.link(target, "transactions/t/names/n\(index)")
            #expect(
                try fixture.readLink("transactions/t/names/n\(index)")
                    == "../objects/" + Bank.address(alice))
        }
        for target in ["../../../" + alice, "../transactions/t/\(alice)", "/tmp", "x"] {
            expectError(EINVAL) { try fixture.link(target, "transactions/t/names/x") }
        }
        // What only the transaction has, nobody else can refer to.
        let new = try fixture.command(
            "new Account", to: "transactions/t/\(Bank.allocator)/allocator")
        expectError(EINVAL) { try fixture.link("../transactions/t/\(new.dropLast())", "names/x") }
        expectError(EINVAL) { try fixture.link("../\(new.dropLast())", "names/x") }
    }

    @Test("A file has another inode number in each view.")
    func inodes() throws {
        try fixture.makeDirectory("transactions/u")
        for path in [alice, alice + "/balance", bank.raw(alice), "objects", "names"] {
            let numbers = try ["", "transactions/t/", "transactions/u/"].map {
                try fixture.attributes($0 + path).ino
            }
            #expect(Set(numbers).count == 3, "\(path)")
            let entry = try fixture.entry("transactions/t/" + path)
            #expect(entry.node.rawValue == entry.attributes.ino)
        }
    }

    @Test("The kernel keeps no name that the end of a transaction, or a new beginning, may change")
    func keptNames() throws {
        #expect(try fixture.entry("transactions/t").entrySeconds == 0)
        for name in try fixture.list("transactions/t") {
            #expect(try fixture.entry("transactions/t/" + name).entrySeconds == 0)
        }
        for name in ["", "/balance", "/heir", "/history", "/history/0"] {
            #expect(try fixture.entry(inner + name).entrySeconds > 0)
        }
        let new = try fixture.command(
            "new Account", to: "transactions/t/\(Bank.allocator)/allocator")
        let path = "transactions/t/\(new.dropLast())"
        for name in ["", "/balance", "/heir", "/history", "/history/0"] {
            #expect(try fixture.entry(path + name).entrySeconds == 0)
        }
        try restart()
        expectError(ENOENT) { _ = try fixture.entry(path) }
        #expect(try fixture.entry(inner + "/balance").entrySeconds > 0)
    }

    @Test("The number of a view comes again only after all others, and is told apart then.")
    func numbers() throws {
        var places: [UInt64: UInt64] = [:]
        for _ in 0..<NodeID.viewMax + 10 {
            let entry = try fixture.tree.makeDirectory(
                .transactions, "x", mode: 0, fixture.caller)
            let number = entry.node.rawValue
            #expect(places[number] != entry.generation)
            places[number] = entry.generation
            try fixture.tree.removeDirectory(.transactions, "x")
        }
        #expect(places.count == NodeID.viewMax - 1)
    }

    @Test("A mount runs 256 transactions; one more fails with EAGAIN. Those that ended make room.")
    func limit() throws {
        for index in 1..<256 { try fixture.makeDirectory("transactions/\(index)") }
        expectError(EAGAIN) { try fixture.makeDirectory("transactions/more") }
        _ = try fixture.command("abort", to: "transactions/9/control")
        try fixture.makeDirectory("transactions/instead")
        #expect(!fixture.exists("transactions/9"))
        expectError(EAGAIN) { try fixture.makeDirectory("transactions/more") }
        try fixture.removeDirectory("transactions/7")
        try fixture.makeDirectory("transactions/more")
        #expect(try fixture.list("transactions").count == 256)
    }

    @Test("One that uses more memory than `transaction_memory=` ends, and `control` says so.")
    func memory() throws {
        let small = fixture.tree { $0.transactions.bytesMax = 20_000 }
        defer { small.views.endAll() }
        _ = try fixture.command("new Account *500", to: Bank.allocator + "/allocator")
        let root = try small.makeDirectory(.transactions, "big", mode: 0, fixture.caller).node
        var objects = try small.lookup(root, "objects", fixture.caller).node
        for name in try fixture.list("objects") {
            do throws(TreeError) {
                let object = try small.lookup(objects, name, fixture.caller).node
                let rate = try small.lookup(object, "rate", fixture.caller).node
                let file = try small.open(rate, flags: O_WRONLY, fixture.caller)
                try file.put(Array("1".utf8), at: 0)
            } catch {
                #expect(error.errno == ESTALE || error.errno == EPERM || error.errno == ENOENT)
                if error.errno == ESTALE { break }
            }
        }
        expectError(ESTALE) { objects = try small.lookup(root, "objects", fixture.caller).node }
        let control = try small.lookup(root, "control", fixture.caller).node
        let text = String(
            decoding: try small.open(control, flags: O_RDONLY, fixture.caller).all(),
            as: UTF8.self)
        #expect(text.hasPrefix("state: ended\n") && text.contains("transaction_memory="))
        #expect(small.messages.text.contains("transaction_memory="))
    }

    @Test("A mount for reading only begins no transactions and takes no snapshots.")
    func readOnlyMount() throws {
        let mount = fixture.tree { $0.isReadOnly = true }
        for directory in [NodeID.transactions, .snapshots] {
            expectError(EROFS) {
                _ = try mount.makeDirectory(directory, "x", mode: 0, fixture.caller)
            }
        }
    }
}
