import Glibc
import RainbowCore
import TestSupport
import Testing

@testable import RainbowFS

/// Texts and names that nobody would think of: they fail with an errno and a sentence, or do what
/// they say, and never anything else.
@Suite struct TreeFuzzTests {
    private static let pieces = [
        "new", "capacity", "set", "help", "clear", "messages", "Account", "*", "*3", "balance=1",
        "level=300", "samples=1,2", "samples[1]=2", "label=x", "heir=null", "heir=names/a", "=",
        "[", "]", "0x10", "\"", "'", "\\", "\n", "#", ",", "9999999999999999999", "-", "\u{0}",
        "\u{1F600}", "objects/", "..", "/", "int64", "ref<", ">", "string s[4]", "x[2]", "\t",
    ]

    private static func text(_ random: inout SeededGenerator) -> String {
        let count = Int.random(in: 0...8, using: &random)
        let blanks = ["", " ", " ", "\n"]
        return (0..<count).reduce(into: "") { text, _ in
            text += pieces.randomElement(using: &random)!
            text += blanks.randomElement(using: &random)!
        }
    }

    private static let errnos: Set<Int32> = [
        EINVAL, ERANGE, EPERM, ENOSPC, EBUSY, ENOENT, EEXIST, ENAMETOOLONG, EFBIG, EACCES,
        ENOTEMPTY, ENOTDIR, EISDIR, ELOOP, EXDEV, EROFS,
    ]

    private func attempt(_ text: String, _ body: () throws -> Void) {
        do {
            try body()
        } catch let error as TreeError {
            #expect(TreeFuzzTests.errnos.contains(error.errno), "\(text.debugDescription) \(error)")
            #expect(error.message.hasSuffix("."), "\(text.debugDescription) \(error.message)")
        } catch {
            Issue.record("\(error)")
        }
    }

    @Test func textOfCommandsClassesAndFields() throws {
        let seed = printedSeed("tree")
        var random = SeededGenerator(seed: seed)
        let bank = try Bank()
        let fixture = bank.fixture
        let object = try bank.new("balance=1")
        let files = [
            Bank.allocator + "/allocator", "control", "classes/Fuzz", "classes/Account",
            object + "/balance", object + "/samples", object + "/label", object + "/rate",
            object + "/open", bank.raw(object),
        ]
        for _ in 0..<1500 {
            let text = TreeFuzzTests.text(&random)
            let file = files.randomElement(using: &random)!
            attempt(text) { try fixture.write(text, to: file) }
        }
        try check(bank, object)
    }

    @Test func bytesAtRandomOffsets() throws {
        let seed = printedSeed("tree")
        var random = SeededGenerator(seed: seed)
        let bank = try Bank()
        let fixture = bank.fixture
        let object = try bank.new("balance=1")
        let names = ["balance", "samples", "label", "data", "rate", "open", "level"]
        let files = try (names.map { object + "/" + $0 } + [bank.raw(object), "classes/Account"])
            .map { try fixture.open($0, O_RDWR) }
        for _ in 0..<1500 {
            let file = files.randomElement(using: &random)!
            let offset = UInt64.random(in: 0...120, using: &random)
            let count = Int.random(in: 0...40, using: &random)
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            attempt("\(bytes) at \(offset)") {
                if Bool.random(using: &random) {
                    try file.put(
                        bytes, at: offset, isAppend: Int.random(in: 0..<9, using: &random) == 0)
                } else {
                    _ = try file.piece(at: offset, count)
                }
            }
        }
        try check(bank, object)
    }

    @Test func namesOfEntriesAndTargetsOfLinks() throws {
        let seed = printedSeed("tree")
        var random = SeededGenerator(seed: seed)
        let bank = try Bank()
        let fixture = bank.fixture
        let (tree, caller) = (fixture.tree, fixture.caller)
        let object = try bank.new("balance=1")
        let parents = try [
            "", "regions", "regions/transactional", Bank.allocator, "classes", "objects", "names",
            "system", "system/objects", "system/classes",
            "nodes", object, object + "/history",
        ].map { try fixture.node($0) }
        let others = [
            "status", "allocator", "0", "1", "heir", "balance", "class", "raw", "system", "Account",
            Bank.address(object), "0x8000001040", "transactional", "a.b", ".tmp", "Cu123456",
            String(repeating: "n", count: 255), String(repeating: "n", count: 300),
        ]
        for _ in 0..<3000 {
            let parent = parents.randomElement(using: &random)!
            let isOther = Bool.random(using: &random)
            let name =
                (isOther ? others.randomElement(using: &random)! : TreeFuzzTests.text(&random))
                .filter { $0 != "/" && $0 != "\0" }
            guard !name.isEmpty, name != ".", name != ".." else { continue }
            let target = "../" + (isOther ? object : TreeFuzzTests.text(&random))
            attempt(name + " " + target) {
                switch Int.random(in: 0..<7, using: &random) {
                case 0: _ = try tree.lookup(parent, name, caller)
                case 1: _ = try tree.makeDirectory(parent, name, mode: 0o755, caller)
                case 2: try tree.removeDirectory(parent, name)
                case 3: if name != "bank" { try tree.unlink(parent, name) }
                case 4: _ = try tree.symlink(parent, name, target: target, caller)
                case 5:
                    let to = parents.randomElement(using: &random)!
                    try tree.rename(parent, name, to: to, others[4], flags: 0)
                default:
                    let (_, file) = try tree.create(
                        parent, name, mode: 0o644, flags: O_RDWR, caller)
                    try file.flush()
                    try file.finish()
                    file.close()
                }
            }
        }
        try check(bank, object)
    }

    @Test func numbersThatNoTreeGaveOut() throws {
        let seed = printedSeed("tree")
        var random = SeededGenerator(seed: seed)
        let bank = try Bank()
        let tree = bank.fixture.tree
        let object = try #require(Address(text: Bank.address(try bank.new())))
        for _ in 0..<3000 {
            var number = UInt64.random(in: 0 ... .max, using: &random)
            if Bool.random(using: &random) {
                let place = object + Int.random(in: -64...64, using: &random)
                number = number & (31 << 59) | place.rawValue
            }
            let node = NodeID(rawValue: number)
            for attempt in [
                { _ = try tree.attributes(node) }, { _ = try tree.readLink(node) },
                { _ = try tree.lookup(node, "0", bank.fixture.caller) },
                { _ = try tree.open(node, flags: O_RDONLY, bank.fixture.caller) },
                { _ = try tree.extendedAttributeNames(node) },
                {
                    let folder = try tree.openDirectory(node, bank.fixture.caller)
                    let isPlus = number & 1 == 0
                    try folder.entries(from: number, plus: isPlus) { _, _, _ in true }
                },
            ] as [() throws -> Void] {
                do {
                    try attempt()
                } catch let error as TreeError {
                    #expect(error.errno != EIO, "\(number) \(error)")
                }
            }
        }
    }

    /// The space is whole, and the object still works.
    private func check(_ bank: Bank, _ object: String) throws {
        try bank.expectWhole()
        try bank.fixture.write("77", to: object + "/balance")
        #expect(try bank.fixture.read(object + "/balance") == "77\n")
    }
}
