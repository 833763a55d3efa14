import Foundation
import Glibc
import RainbowCore
import Testing

@testable import RainbowFS

/// The lines of Docs/Semantics.md about the other files and about directories.
@Suite struct SemanticsOtherTests {
    let bank: Bank
    let fixture: TreeFixture

    init() throws {
        bank = try Bank()
        fixture = bank.fixture
    }

    @Test("`control` takes `set`, `clear messages` and `help`; all else fails with EINVAL.")
    func control() throws {
        let help = try fixture.read("control")
        #expect(help.contains("set OBJECT") && help.contains("clear messages"))
        #expect(try fixture.command("help\n", to: "control") == help)
        fixture.tree.record("Something went wrong.")
        #expect(try fixture.read("messages").hasSuffix("Z Something went wrong.\n"))
        #expect(try fixture.command("clear messages\n", to: "control").isEmpty)
        #expect(try fixture.read("messages").isEmpty)
        for text in [
            "", "gc", "checkpoint x", "clear", "clear all", "set", "set x", "help me", "\"",
        ] {
            expectError(EINVAL) { _ = try fixture.command(text, to: "control") }
        }
    }

    @Test("Only the owner of `messages` and root clear it.")
    func clearingMessages() throws {
        fixture.tree.record("Something went wrong.")
        let stranger = Caller(uid: 4321, gid: getgid(), thread: 1)
        let file = try fixture.tree.open(NodeID(.control), flags: O_RDWR, stranger)
        expectError(EPERM) { try file.put(Array("clear messages".utf8), at: 0) }
        #expect(try fixture.read("messages").hasSuffix("Something went wrong.\n"))
        let theirs = fixture.tree { $0.uid = 4321 }
        theirs.record("Here as well.")
        try theirs.open(NodeID(.control), flags: O_RDWR, stranger)
            .put(Array("clear messages".utf8), at: 0)
        #expect(theirs.messages.text.isEmpty)
    }

    @Test(
        "`set` changes fields of an object in one transaction, if the caller may write to it."
    )
    func set() throws {
        let alice = try bank.new("balance=1 level=2")
        try fixture.link("../" + alice, "names/alice")
        _ = try fixture.command("set names/alice balance=5 level=6 heir=\(alice)\n", to: "control")
        #expect(try fixture.read(alice + "/balance") == "5\n")
        #expect(try fixture.read(alice + "/level") == "6\n")
        #expect(try fixture.readLink(alice + "/heir") == "../" + Bank.address(alice))
        _ = try fixture.command("set \(Bank.address(alice)) heir=null samples[2]=4", to: "control")
        #expect(try fixture.readLink(alice + "/heir") == "null")
        #expect(try fixture.read(alice + "/samples") == "0\n0\n4\n0\n")
        for text in ["set null balance=1", "set names/bob balance=1", "set names/alice none=1"] {
            expectError(EINVAL) { _ = try fixture.command(text, to: "control") }
        }
        expectError(ERANGE) {
            _ = try fixture.command("set names/alice balance=9 level=256", to: "control")
        }
        #expect(try fixture.read(alice + "/balance") == "5\n")
        let stranger = Caller(uid: 4321, gid: 4321, thread: 1)
        let file = try fixture.tree.open(NodeID(.control), flags: O_RDWR, stranger)
        expectError(EACCES) { try file.put(Array("set names/alice balance=9".utf8), at: 0) }
        #expect(try fixture.read(alice + "/balance") == "5\n")
    }

    @Test("`metrics`, `messages` and `nodes/N` are made at open and can only be read.")
    func texts() throws {
        let node = try fixture.list("nodes")
        #expect(node.contains(String(fixture.space.node)))
        let text = try fixture.read("nodes/\(fixture.space.node)")
        for key in ["host", "pid", "slots", "mount point", "since", "commits", "aborts"] {
            #expect("\n\(text)".contains("\n\(key): "), "\(text)")
        }
        #expect(text.contains("pid: \(getpid())\n"))
        let metrics = try fixture.read("metrics")
        #expect(metrics.contains("rainbowfs_commits_total{node=\"\(fixture.space.node)\"}"))
        for path in ["metrics", "messages", "nodes/\(fixture.space.node)"] {
            expectError(EACCES) { _ = try fixture.open(path, O_WRONLY) }
        }
        expectError(EPERM) { try fixture.remove("nodes/\(fixture.space.node)") }
        expectError(ENOENT) { _ = try fixture.entry("nodes/2047") }
    }

    @Test(
        "At the end of an open `messages`, what was added since can be read: `tail -f` follows it."
    )
    func following() throws {
        fixture.tree.record("First.")
        let file = try fixture.open("messages", O_RDONLY)
        let first = try file.all()
        fixture.tree.record("Second.")
        let second = try file.all(from: UInt64(first.count))
        #expect(String(decoding: second, as: UTF8.self).hasSuffix("Z Second.\n"))
        for index in 0..<3000 { fixture.tree.record("Line \(index)\nof many.") }
        let newest = try fixture.read("messages")
        #expect(newest.hasSuffix("Line 2999 of many.\n") && !newest.contains("First."))
        #expect(try fixture.attributes("messages").size == UInt64(newest.utf8.count))
        // What came meanwhile is read on as far as it is kept; from the start, all that is kept.
        let rest = try file.all(from: UInt64(first.count + second.count))
        #expect(String(decoding: rest, as: UTF8.self) == newest)
        #expect(try file.all() == Array(newest.utf8))
    }

    @Test("To those who follow `messages` it goes on growing when old lines are dropped.")
    func followingLong() throws {
        fixture.tree.record("First.")
        let file = try fixture.open("messages", O_RDONLY)
        var text = try file.all()
        #expect(file.seekEnd() == UInt64(text.count))
        for index in 0..<5000 {
            fixture.tree.record("Line \(index)")
            if index == 2500 { _ = try fixture.command("clear messages", to: "control") }
            guard index % 100 == 0 else { continue }
            // tail(1) takes a file that is smaller than what it has read for a new one, ...
            let size = try #require(file.followedSize)
            #expect(size >= UInt64(text.count))
            let more = try file.all(from: UInt64(text.count))
            text += more
            #expect(index == 2500 ? more.isEmpty : !more.isEmpty)
            // ... and reads as far as the size.
            #expect(size >= UInt64(text.count))
        }
        let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
        #expect(lines.count == 4902 - 100 && lines.last?.hasSuffix("Line 4900") == true)
        #expect(lines.contains { $0.hasSuffix("Line 2501") })
        // For others it is as long as it is.
        let kept = try fixture.read("messages")
        #expect(try fixture.attributes("messages").size == UInt64(kept.utf8.count))
        let other = try fixture.open("messages", O_RDONLY)
        #expect(other.seekEnd() == UInt64(kept.utf8.count))
        #expect(try other.all() == Array(kept.utf8))
        other.close()
        file.close()
    }

    @Test(
        "A directory lists what is there all the time exactly once, whatever comes and goes.",
        arguments: [false, true])
    func listing(plus: Bool) throws {
        let allocatorFile = Bank.allocator + "/allocator"
        let answer = try fixture.command("new Account *3000", to: allocatorFile)
        let objects = Set(answer.split(separator: "\n").map { Bank.address(String($0)) })
        for index in 0..<500 {
            try fixture.link("../" + (try bank.new()), "names/name\(index)")
        }
        for path in ["objects", Bank.allocator, "names"] {
            let directory = try fixture.tree.openDirectory(fixture.node(path), fixture.caller)
            var seen: [String] = []
            var offset: UInt64 = 0
            var round = 0
            while true {
                var taken = 0
                var isFull = false
                try directory.entries(from: offset, plus: plus) { name, next, item in
                    guard taken < 37 else {
                        isFull = true
                        return false
                    }
                    #expect(next > offset && next < 1 << 63)
                    if case .entry(let entry) = item { #expect(entry.attributes.ino > 0) }
                    seen.append(name)
                    offset = next
                    taken += 1
                    return true
                }
                guard isFull else { break }
                round += 1
                let made = try bank.new()
                try fixture.link("../" + made, "names/new\(path.count)-\(round)\(plus)")
                if round > 3 { try? fixture.remove("names/new\(path.count)-\(round - 3)\(plus)") }
            }
            #expect(seen.prefix(2) == [".", ".."])
            #expect(Set(seen).count == seen.count, "\(path) lists something twice")
            switch path {
            case "objects": #expect(objects.isSubset(of: seen))
            case "names": #expect(Set(seen).isSuperset(of: (0..<500).map { "name\($0)" }))
            default: #expect(Set(seen).isSuperset(of: objects.map { $0 + ".Account" }))
            }
        }
    }

    @Test("Nothing can be made, moved or removed at the top of the tree.")
    func top() throws {
        let entries = [
            "regions", "classes", "objects", "names", "nodes", "events", "metrics", "messages",
            "control", "transactions", "snapshots", "system",
        ]
        #expect(try fixture.list("") == entries)
        #expect(try fixture.list("", plus: true) == entries)
        expectError(EPERM) { try fixture.write("x", to: "file") }
        expectError(EPERM) { try fixture.makeDirectory("directory") }
        expectError(EPERM) { try fixture.removeDirectory("regions") }
        expectError(EPERM) { try fixture.remove("control") }
        expectError(EPERM) { try fixture.move("regions", to: "regions2") }
        let alice = try bank.new()
        expectError(EPERM) { try fixture.link(alice, "alice") }
    }

    /// Every promise of the page has a test of that name, here or in the tests of the mount.
    @Test func everyLineOfTheDocumentIsATest() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let document = try String(
            contentsOf: root.appending(path: "Docs/Semantics.md"), encoding: .utf8)
        var tests = ""
        for folder in ["RainbowFSTests", "MountTests"] {
            let path = root.appending(path: "Tests/" + folder).path
            for file in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
            where file.hasSuffix(".swift") {
                tests += try String(contentsOfFile: path + "/" + file, encoding: .utf8)
            }
        }
        let promises = document.split(separator: "\n").filter { $0.hasPrefix("- ") }
        #expect(promises.count > 50)
        for promise in promises {
            let name = promise.dropFirst(2)
            #expect(tests.contains("\"\(name)\""), "\(name) has no test")
        }
    }
}
