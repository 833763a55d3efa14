import Foundation
import Glibc
import RainbowCore
import Synchronization
import TestSupport
import Testing

@testable import RainbowFS

private final class Counter: Sendable {
    let value = Atomic<UInt64>(0)
}

/// The lines of Docs/Semantics.md about `events` that hold without a mount.
@Suite struct SemanticsEventTests {
    let bank: Bank
    let fixture: TreeFixture
    let feed: CommitFeed
    private let position = Counter()

    init() throws {
        bank = try Bank()
        fixture = bank.fixture
        feed = fixture.space.commitFeed()
    }

    /// What the mount's follower does.
    private func follow() {
        while let event = feed.next() { fixture.tree.events.take(event) }
    }

    private func lines(_ text: [UInt8]) throws -> [[String: Any]] {
        try text.split(separator: UInt8(ascii: "\n")).map { line in
            try #require(
                try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
        }
    }

    private func news(_ file: OpenFile, _ bufferBytes: Int = 1 << 16) throws -> [[String: Any]] {
        follow()
        var text: [UInt8] = []
        // Further on than any reader was, so that nothing is read twice.
        let start = position.value.wrappingAdd(1 << 30, ordering: .relaxed).newValue
        while let piece = try? file.piece(at: start + UInt64(text.count), bufferBytes) {
            text += piece
        }
        return try lines(text)
    }

    private func addresses(_ line: [String: Any]) -> [String] {
        (line["objects"] as? [[String: String]])?.compactMap { $0["address"] } ?? []
    }

    @Test(
        "`events` has a line of JSON for each commit since it was opened: what, by whom and when."
    )
    func content() throws {
        let alice = try bank.new("balance=1")
        let events = try fixture.open("events", O_RDONLY)
        defer { events.close() }
        try fixture.write("5", to: alice + "/balance")
        let written = fixture.space.usage.version
        try fixture.link("../" + alice, "names/alice")
        let found = try news(events)
        try #require(found.count == 2)
        #expect(found[0]["version"] as? UInt64 == written)
        #expect(found[0]["node"] as? Int == fixture.space.node)
        #expect(found[0]["lines"] as? Int == 1)
        #expect(addresses(found[0]) == [Bank.address(alice)])
        #expect((found[0]["objects"] as? [[String: String]])?[0]["class"] == "Account")
        let time = try #require(found[0]["time"] as? String)
        #expect(time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil)
        let classes = (found[1]["objects"] as? [[String: String]])?.compactMap { $0["class"] }
        #expect(Set(classes ?? []).isSuperset(of: ["Name", "Table"]))
        expectError(EAGAIN) { _ = try events.piece(at: 1 << 60, 100) }
        let later = try fixture.open("events", O_RDONLY)
        defer { later.close() }
        follow()
        expectError(EAGAIN) { _ = try later.piece(at: 0, 100) }
    }

    @Test("Objects that share a line of 64 bytes with what was written are named, too.")
    func neighbours() throws {
        try fixture.write("int8 x\n", to: "classes/Small")
        let (one, two) = (try bank.new(class: "Small"), try bank.new(class: "Small"))
        let events = try fixture.open("events", O_RDONLY)
        defer { events.close() }
        try fixture.write("5", to: one + "/x")
        #expect(addresses(try news(events)[0]) == [one, two].map(Bank.address))
    }

    @Test("A line names 1000 objects at most, and says `truncated` if there are more.")
    func truncation() throws {
        let events = try fixture.open("events", O_RDONLY)
        defer { events.close() }
        let allocatorFile = Bank.allocator + "/allocator"
        for (count, isWhole) in [(900, true), (1200, false)] {
            _ = try fixture.command("new Account *\(count)", to: allocatorFile)
            let line = try #require(try news(events).last)
            #expect((line["truncated"] as? Bool) == (isWhole ? nil : true))
            #expect(isWhole ? addresses(line).count >= count : addresses(line).count == 1000)
            #expect(Set(addresses(line)).count == addresses(line).count)
        }
    }

    @Test(
        "A read gives whole lines; only a line longer than the buffer comes in parts."
    )
    func wholeLines() throws {
        let alice = try bank.new("balance=1")
        let events = try fixture.open("events", O_RDONLY)
        defer { events.close() }
        for value in 0..<20 { try fixture.write("\(value)", to: alice + "/balance") }
        follow()
        var text: [UInt8] = []
        while let piece = try? events.piece(at: UInt64(text.count), 500) {
            #expect(piece.last == UInt8(ascii: "\n") && piece.count > 250)
            text += piece
        }
        #expect(try lines(text).count == 20)
        for value in 0..<3 { try fixture.write("\(value)", to: alice + "/balance") }
        follow()
        var parts: [UInt8] = []
        while let piece = try? events.piece(at: UInt64(text.count + parts.count), 100) {
            parts += piece
        }
        #expect(try lines(parts).count == 3)
        // bash reads 128 bytes, and goes back to the end of the line.
        let tail = UInt64(text.count + parts.count - 50)
        #expect(try events.piece(at: tail, 20) == Array(parts.suffix(50).prefix(20)))
        #expect(try events.piece(at: tail + 20, 100) == Array(parts.suffix(30)))
        expectError(EAGAIN) { _ = try events.piece(at: tail + 50, 100) }
    }

    @Test(
        "A reader with 1 MiB unread gets a `lost` line for what it missed; writers never wait."
    )
    func slowReader() throws {
        let alice = try bank.new("balance=1")
        let slow = try fixture.open("events", O_RDONLY)
        let quick = try fixture.open("events", O_RDONLY)
        defer {
            slow.close()
            quick.close()
        }
        var quickCount = 0
        for value in 0..<20_000 {
            try fixture.write("\(value)", to: alice + "/balance")
            if value % 1000 == 999 { quickCount += try news(quick).count }
        }
        #expect(quickCount == 20_000)
        let end = fixture.space.usage.version
        let found = try news(slow)
        #expect(found.count > 1000 && found.count < (1 << 20) / 100)
        let last = try #require(found.last)
        #expect(last["lost"] as? Bool == true && last["version"] as? UInt64 == end)
        let versions = found.dropLast().compactMap { $0["version"] as? UInt64 }
        #expect(versions == Array(end - 19_999..<end - 19_999 + UInt64(versions.count)))
        try fixture.write("7", to: alice + "/balance")
        #expect(try news(slow).map { $0["version"] as? UInt64 } == [end + 1])
        #expect(try lost(by: "reader") == 20_000 - versions.count)
        #expect(try lost(by: "mount") == 0)
    }

    @Test("A follower that the commits overtake says so with a `lost` line, once.")
    func overtaken() throws {
        let events = try fixture.open("events", O_RDONLY)
        defer { events.close() }
        for value in 0..<20_000 {
            try fixture.space.transact { tx throws(TransactionError) in
                try tx.store(value, at: Address(region: 1, offset: 0x2000_0000))
            }
        }
        try fixture.makeDirectory("transactions/t")
        let found = try news(events)
        #expect(found.count == 1 && found[0]["lost"] as? Bool == true)
        #expect(found[0]["version"] as? UInt64 == fixture.space.usage.version)
        #expect(try lost(by: "mount") == 20_000)
        #expect(try lost(by: "mount", in: "transactions/t/metrics") == 20_000)
        #expect(try lost(by: "reader") == 0)
    }

    @Test(
        "`metrics` counts the commits that readers of `events` missed, and says who was too slow.")
    func lostCounts() throws {
        let place = Address(region: 1, offset: 0x2000_0000)
        func commit(_ count: Int) throws {
            for value in 0..<count {
                try fixture.space.transact { tx throws(TransactionError) in
                    try tx.store(value, at: place)
                }
            }
        }
        // Nobody reads, so nobody misses anything.
        try commit(20_000)
        follow()
        #expect(try lost(by: "mount") == 0)
        let readers = try (0..<2).map { _ in try fixture.open("events", O_RDONLY) }
        defer { for reader in readers { reader.close() } }
        try commit(100)
        follow()
        try commit(20_000)
        follow()
        // What the mount missed is a line among the others, and keeps none of them out.
        try commit(1)
        #expect(try news(readers[0]).count == 102)
        #expect(try lost(by: "mount") == 40_000)
        #expect(try lost(by: "reader") == 0)
    }

    private func lost(by slow: String, in path: String = "metrics") throws -> Int? {
        let samples = try MetricsFormat(fixture.read(path))["events_lost_total"]
        return samples.first { $0.labels["behind"] == slow }.map { Int($0.value) }
    }

    @Test("Paths of objects written to an open `events` restrict it to commits that touch them.")
    func restriction() throws {
        let paths = try (0..<4).map { _ in try wide() }
        try fixture.link("../" + paths[1], "names/bob")
        let events = try fixture.open("events", O_RDWR)
        defer { events.close() }
        try fixture.write("5", to: paths[0] + "/value")
        try events.put(Array("\(Bank.address(paths[0]))\nnames/bob\n".utf8), at: 0)
        #expect(try news(events).isEmpty)
        for path in paths { try fixture.write("6", to: path + "/value") }
        #expect(try news(events).map(addresses) == paths.prefix(2).map { [Bank.address($0)] })
        try events.put(Array(paths[3].utf8), at: 0)
        _ = try fixture.command("set \(paths[2]) value=3", to: "control")
        _ = try fixture.command(
            "set \(paths[3]) value=2\nset \(paths[0]) value=2\nset \(paths[2]) value=2",
            to: "control")
        #expect(try news(events).map(addresses) == [[paths[0], paths[3]].map(Bank.address)])
        // A long list in one write, whose last line has no end.
        let list = [String](repeating: "names/bob\n", count: 500).joined() + paths[2]
        #expect(list.utf8.count > 5000 && list.utf8.count < 8192)
        try events.put(Array(list.utf8), at: 0)
        try fixture.write("9", to: paths[2] + "/value")
        #expect(try news(events).map(addresses) == [[Bank.address(paths[2])]])
        for text in ["", "\n", "names/none", "null", "0x1234", "metrics", "\u{0}"] {
            expectError(EINVAL) { try events.put(Array(text.utf8), at: 0) }
        }
        expectError(EINVAL) { try events.put([0xff], at: 0) }
        let all = [String](repeating: "names/bob\n", count: EventStream.watchedMax)
        expectError(ENOSPC) { try events.put(Array(all.joined().utf8), at: 0) }
        try fixture.write("7", to: paths[3] + "/value")
        #expect(try news(events).map(addresses) == [[Bank.address(paths[3])]])
    }

    /// An object whose `value` shares no line with another object.
    private func wide() throws -> String {
        if !fixture.exists("classes/Wide") {
            try fixture.write(
                "bytes before[64]\nint64 value\nbytes after[64]\n", to: "classes/Wide")
        }
        return try bank.new(class: "Wide")
    }

    @Test("Of the paths that several write to one open `events` at once none is lost")
    func severalWriters() throws {
        let objects = try (0..<40).map { try bank.new("balance=\($0)") }
        let events = try fixture.open("events", O_RDWR)
        defer { events.close() }
        // Paths of which the last one is cut at the end of a block, and its rest.
        let block = String(repeating: "\(objects[0])\n", count: 500).prefix(4096)
        onThreads(4) { thread in
            for index in stride(from: thread + 1, to: 40, by: 4) {
                try? events.put(Array("\(objects[index])\n".utf8), at: 0)
            }
        }
        try events.put(Array(block.utf8), at: 0)
        let rest = String(repeating: "\(objects[0])\n", count: 500).dropFirst(4096)
        try events.put(Array(rest.utf8), at: 0)
        for object in objects {
            try fixture.write("7", to: "\(object)/balance")
            let found = Set(try news(events).flatMap { addresses($0) })
            #expect(found.contains { object.hasSuffix($0) }, "\(object)")
        }
    }

    @Test("A list of objects that is longer than a buffer may be cut between two writes anywhere")
    func longList() throws {
        _ = try wide()
        let answer = try fixture.command("new Wide *400", to: Bank.allocator + "/allocator")
        let events = try fixture.open("events", O_RDWR)
        defer { events.close() }
        let bytes = Array(answer.utf8)
        for start in stride(from: 0, to: bytes.count, by: 4096) {
            try events.put(Array(bytes[start..<min(start + 4096, bytes.count)]), at: 0)
        }
        let objects = answer.split(separator: "\n")
        for index in [0, 151, 152, 153, 399] {
            try fixture.write("7", to: "\(objects[index])/value")
            #expect(
                try news(events).map(addresses) == [[Bank.address(String(objects[index]))]])
        }
    }

    @Test("`events` cannot be opened for writing only.")
    func writeOnly() throws {
        expectError(EINVAL) { _ = try fixture.open("events", O_WRONLY) }
        let events = try fixture.open("events", O_RDWR | O_APPEND)
        events.close()
        #expect(try fixture.attributes("events").mode == S_IFREG | 0o666)
    }

    @Test("A reader that closes `events` is told nothing more, and nothing of it stays")
    func closing() throws {
        #expect(fixture.tree.events.isEmpty)
        let files = try (0..<3).map { _ in try fixture.open("events", O_RDONLY) }
        #expect(!fixture.tree.events.isEmpty)
        for file in files { file.close() }
        #expect(fixture.tree.events.isEmpty)
    }

    @Test("POLLPRI tells of a commit since the last read or the opening.")
    func urgent() throws {
        let object = try wide()
        // The next one may share a line with it.
        let other = try [wide(), wide()][1]
        let file = try fixture.open(object + "/value", O_RDONLY)
        defer { file.close() }
        #expect(try file.readiness() == [.readable, .writable])
        try fixture.write("5", to: other + "/value")
        #expect(try file.readiness() == [.readable, .writable])
        try fixture.write("5", to: object + "/value")
        #expect(try file.readiness() == [.readable, .urgent, .writable])
        _ = try file.all()
        #expect(try file.readiness() == [.readable, .writable])
        let raw = try fixture.open(bank.raw(object, class: "Wide"), O_RDWR)
        defer { raw.close() }
        _ = try raw.piece(at: 0, 8)
        try raw.put([1], at: 8)
        #expect(try file.readiness() == [.readable, .urgent, .writable])
        #expect(try raw.readiness() == [.readable, .urgent, .writable])
    }

    @Test("All other files can be read and written at any time, and so can those of other views.")
    func otherFiles() throws {
        let object = try wide()
        try fixture.makeDirectory("transactions/t")
        try fixture.makeDirectory("snapshots/s")
        let paths = [
            "metrics", "messages", "control", "classes/Wide", Bank.allocator + "/allocator",
            "transactions/t/\(object)/value", "snapshots/s/\(object)/value",
        ]
        for path in paths {
            let file = try fixture.open(path, O_RDONLY)
            defer { file.close() }
            _ = try file.all()
            #expect(try file.readiness() == [.readable, .writable])
            #expect(file.watchedMemory == nil)
        }
        let events = try fixture.open("events", O_RDONLY)
        defer { events.close() }
        #expect(try events.readiness() == .writable)
        try fixture.write("5", to: object + "/value")
        follow()
        #expect(try events.readiness() == [.readable, .writable])
    }
}
