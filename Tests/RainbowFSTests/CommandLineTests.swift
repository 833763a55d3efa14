import Foundation
import Testing

@testable import RainbowCore
@testable import RainbowFS

@Suite struct CommandLineTests {
    @Test("Mounts are found in the kernel's table, with blanks in their names")
    func mountTable() {
        let table = """
            22 1 0:20 / /proc rw,nosuid - proc proc rw
            90 22 0:60 / /mnt/my\\040space rw,nosuid shared:5 master:1 - fuse.rainbowfs demo rw
            91 22 0:61 / /mnt/my\\040space/inner rw - fuse.rainbowfs other rw,user_id=0
            92 22 0:62 / /mnt/sshfs rw - fuse.sshfs host: rw
            """
        let mounts = MountTable.parse(table)
        let outer = MountedSpace(path: "/mnt/my space", space: "demo")
        let inner = MountedSpace(path: "/mnt/my space/inner", space: "other")
        #expect(MountedSpace.all(in: mounts) == [outer, inner])
        #expect(MountedSpace.containing("/mnt/my space", in: mounts) == outer)
        #expect(MountedSpace.containing("/mnt/my space/regions", in: mounts) == outer)
        #expect(MountedSpace.containing("/mnt/my space/inner/regions", in: mounts) == inner)
        #expect(MountedSpace.containing("/mnt/my spaces", in: mounts) == nil)
    }

    @Test("Of mounts at one path the one that covers the others counts, whatever it is")
    func coveredMounts() {
        let table = """
            90 22 0:60 / /mnt/a rw - fuse.rainbowfs covered rw
            91 22 0:61 / /mnt/a/b rw - tmpfs tmpfs rw
            92 90 0:62 / /mnt/a rw - fuse.rainbowfs top rw
            """
        let mounts = MountTable.parse(table)
        #expect(MountedSpace.containing("/mnt/a/names", in: mounts)?.space == "top")
        #expect(MountedSpace.containing("/mnt/a/b/names", in: mounts) == nil)
    }

    @Test(
        "The tree to work on is the one around the path: the mount's or that of a view",
        arguments: [
            ("/mnt/a", "/mnt/a"), ("/mnt/a/names/alice", "/mnt/a"),
            ("/mnt/a/transactions", "/mnt/a"), ("/mnt/a/transactions/t", "/mnt/a/transactions/t"),
            ("/mnt/a/transactions/t/objects/0x1/f", "/mnt/a/transactions/t"),
            ("/mnt/a/snapshots/s/names", "/mnt/a/snapshots/s"),
        ])
    func root(place: String, root: String) {
        let mount = MountedSpace(path: "/mnt/a", space: "demo").view(of: place)
        #expect(mount.path == root && mount.mountPoint == "/mnt/a")
        #expect(mount.resolve("names/x", isBelowMount: true) == root + "/names/x")
        #expect(mount.resolve("names/x", isBelowMount: false) == "names/x")
    }

    @Test(
        "A value that is not one word is quoted for the tree",
        arguments: [
            ("balance=100", "balance=100"), ("a=#1", ##"a="#1""##), ("a=b=c", "a=b=c"),
            ("label=two words", #"label="two words""#),
            ("a[12]=1", "a[12]=1"), (#"label=a"b\"#, #"label="a\"b\\""#),
            ("label=a\nb", #"label="a\nb""#),
        ])
    func assignments(argument: String, word: String) {
        #expect(AssignmentArgument(argument: argument)?.commandWord == word)
    }

    @Test(
        "An assignment needs a field, or an element of one, and an equals sign",
        arguments: [
            "", "balance", "=5", "x\nset names/b y=2", "a b=1", "a\"=1", "a#=1", "a[=1", "a[]=1",
            "a[x]=1", "a[0]b=1", "[0]=1", "1a=1",
        ])
    func badAssignments(argument: String) {
        #expect(AssignmentArgument(argument: argument) == nil)
    }

    @Test("JSON keeps order, escapes text and loses no digit")
    func json() {
        let value = JSON.object([
            ("b", .integer(UInt64.max)), ("a", .array([.null, .bool(true), .real(0.5)])),
            ("text", .string("\"\\\n\u{1}ü")), ("nan", .real(.nan)),
        ])
        #expect(
            value.description == #"{"b": 18446744073709551615, "a": [null, true, 0.5], "#
                + #""text": "\"\\\n\u0001ü", "nan": "nan"}"#)
    }

    @Test("Sizes read as people write them")
    func sizes() {
        #expect(ByteText.describe(0) == "0 B")
        #expect(ByteText.describe(1023) == "1023 B")
        #expect(ByteText.describe(1536) == "1.5 KiB")
        #expect(ByteText.describe(1 << 39) == "512.0 GiB")
    }

    @Test("The benchmark's generator reaches every account about equally often")
    func random() {
        var random = CheapRandom(seed: 1)
        var hits = [Int](repeating: 0, count: 16)
        for _ in 0..<16_000 { hits[random.below(16)] += 1 }
        #expect(hits.allSatisfy { (800...1200).contains($0) })
    }

    @Test(
        "Values are shown as text and as JSON of their type",
        arguments: [
            ("int64 a", "-5\n", "-5", "-5"), ("uint8 a[3]", "1\n2\n3\n", "1,2,3", "[1, 2, 3]"),
            ("string a[8]", "a \"b\"\n", "a \"b\"", #""a \"b\"""#),
            ("bytes a[3]", "\u{1}z\0", "017a00", #""017a00""#), ("bool a", "1\n", "1", "true"),
            ("float32 a[2]", "0.5\ninf\n", "0.5,inf", #"[0.5, "inf"]"#),
        ])
    func values(declaration: String, file: String, text: String, json: String) throws {
        let field = try #require(try ClassText.parse(declaration).fields.first)
        let value = ShownValue.decode(field, Array(file.utf8))
        #expect(value.text == text)
        #expect(value.json(field).description == json)
    }

    @Test("A table has columns and no blanks at the end of a line")
    func table() {
        let left = TextTable.lines(head: ["SPACE", "NODES", ""], rows: [["a", "10", ""]])
        #expect(left == ["SPACE  NODES", "a      10"])
        let right = TextTable.lines(
            head: ["A", "B"], rows: [["", "1"], ["c", "23"]], numbers: [1])
        #expect(right == ["A   B", "    1", "c  23"])
    }

    @Test("A node or region that left while they are listed is left out")
    func leftEntries() throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "rainbowfs-status-\(UUID())").path()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for entry in ["nodes", "regions/here", "regions/left"] {
            try FileManager.default.createDirectory(
                atPath: "\(folder)/\(entry)", withIntermediateDirectories: true)
        }
        for file in ["nodes/0", "regions/here/status"] {
            try Data("number: 1\n".utf8).write(to: URL(filePath: "\(folder)/\(file)"))
        }
        try FileManager.default.createSymbolicLink(
            atPath: folder + "/nodes/1", withDestinationPath: "left")
        let status = try MountStatus(MountedSpace(path: folder, space: "demo"))
        #expect(status.nodes.map(\.name) == ["0"] && status.regions.map(\.name) == ["here"])
    }

    @Test("Facts of a status text are keys and values")
    func facts() {
        let facts = MountStatus.facts("mount point: /a b: c\npid: 17\nempty:\n")
        #expect(facts.map(\.key) == ["mount point", "pid", "empty"])
        #expect(facts.map(\.value) == ["/a b: c", "17", ""])
    }

    @Test("Facts have one JSON type each, whatever they hold")
    func factTypes() {
        let json = MountStatus.facts("host: 17\nname: 5\npid: 17\nslots: 3\n").map(MountStatus.json)
        #expect(json.map(\.description) == ["\"17\"", "\"5\"", "17", "[3]"])
        let slots = MountStatus.facts("slots: 0 2\nslots: \n").map(MountStatus.json)
        #expect(slots.map(\.description) == ["[0, 2]", "[]"])
    }

    @Test("Every command has help with an example")
    func help() {
        for command in RainbowFS.configuration.subcommands where command.configuration.shouldDisplay
        {
            #expect(!command.configuration.abstract.isEmpty)
            #expect(command.configuration.discussion.contains("Example: rainbowfs "))
        }
    }

    @Test("A line of events is read as the tree writes it")
    func eventLines() {
        let objects = [Address(0x80_0000_1028), Address(0x90_0000_0008)]
        let news = CommitNews(version: 12, node: 3, pages: [(1, 5), (2, 1)])
        for isTruncated in [false, true] {
            let text = EventText.commit(
                news, milliseconds: 1, lines: 1,
                objects.map { .init(address: $0, className: "lost") },
                isTruncated: isTruncated)
            let line = EventLine(String(decoding: text, as: UTF8.self))
            #expect(line?.version == 12 && line?.node == 3 && line?.objects == objects)
            #expect(line?.isComplete == !isTruncated)
        }
        let lost = EventLine(String(decoding: EventText.lost(upTo: 7), as: UTF8.self))
        #expect(lost?.version == 7 && lost?.node == nil && lost?.isComplete == false)
        let numbers = ["1", "1, \"node\": 18446744073709551615", "x, \"node\": 1"]
        for text in ["", "{}"] + numbers.map({ "{\"version\": \($0)}" }) {
            #expect(EventLine(text) == nil)
        }
    }
}
