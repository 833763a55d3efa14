import Glibc
import RainbowCore
import TestSupport
import Testing

@testable import RainbowFS

/// The lines of Docs/Semantics.md about lists of commands.
@Suite struct SemanticsListTests {
    let bank: Bank
    let fixture: TreeFixture

    init() throws {
        bank = try Bank()
        fixture = bank.fixture
    }

    private let allocatorFile = Bank.allocator + "/allocator"

    private func balances() throws -> [Int] {
        try fixture.list("objects").compactMap { name -> Int? in
            guard try fixture.list("objects/\(name)").contains("balance") else { return nil }
            return try Int(fixture.read("objects/\(name)/balance").dropLast())
        }.sorted()
    }

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test("A list of commands may have any length, and the writes may cut it anywhere.")
    func anyLength() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededGenerator(seed: seed)
        let numbers = (0..<3000).map { 10_000_001 + $0 }
        let list = bytes(
            numbers.map { "new Account balance=\($0) label=\"a\nb\" # ä\n" }.joined())
        let file = try fixture.open(allocatorFile, O_WRONLY)
        var offset = 0
        while offset < list.count {
            let count = min(Int.random(in: 4096...70_000, using: &random), list.count - offset)
            try file.put(Array(list[offset..<offset + count]), at: UInt64(offset))
            offset += count
        }
        #expect(!file.holdsBack)
        #expect(try balances() == numbers, "seed \(seed)")
        let line = "new Account label=" + String(repeating: "x", count: 70_000)
        expectError(EINVAL) { try file.put(bytes(line), at: 0) }
        expectError(EINVAL) { try file.put(bytes("new Account\n" + line), at: 0) }
        #expect(try balances() == numbers)
    }

    @Test("A line without an end waits if the write may have cut it; else it is a whole command.")
    func waiting() throws {
        let file = try fixture.open(allocatorFile, O_WRONLY)
        try file.put(bytes("new Account balance=1"), at: 0)
        #expect(try balances() == [1])
        expectError(EINVAL) { try file.put(bytes("new Account balance=x"), at: 0) }
        try file.put(bytes("new Account balance=2\nnew Account balance=3"), at: 0)
        #expect(try balances() == [1, 2] && file.holdsBack)
        let long = String(repeating: "#", count: 4095) + "\nnew Account balance=4"
        try file.put(bytes("4\n" + long), at: 0)
        #expect(try balances() == [1, 2, 34])
        // What a failing write was to complete goes with it.
        expectError(ERANGE) { try file.put(bytes("55555555555555555555\n"), at: 0) }
        #expect(!file.holdsBack)
        try file.flush()
        #expect(try balances() == [1, 2, 34])
    }

    @Test("The next write completes a line that waits; a read, fsync(2) or close(2) takes it.")
    func completing() throws {
        func begin(_ value: Int) throws -> OpenFile {
            let file = try fixture.open(allocatorFile, O_RDWR)
            file.noteWriter(1)
            try file.put(bytes("# list\nnew Account balance=\(value)"), at: 0)
            #expect(file.holdsBack)
            return file
        }
        try begin(1).put(bytes("2\n"), at: 30)
        #expect(try balances() == [12])
        let read = try begin(2).all()
        #expect(try balances() == [2, 12] && read.count == 27)
        let closed = try begin(3)
        try closed.flush(by: 2)
        #expect(try balances() == [2, 12], "another process closed its descriptor")
        try closed.flush(by: 1)
        #expect(try balances() == [2, 3, 12])
        try begin(4).finish()
        #expect(try balances() == [2, 3, 4, 12])
        let bad = try fixture.open(allocatorFile, O_RDWR)
        try bad.put(bytes("# list\nnew Account balance=x"), at: 0)
        expectError(EINVAL) { try bad.flush() }
        try bad.flush()
        let control = try fixture.open("control", O_WRONLY)
        try fixture.link("../" + bank.new("balance=5"), "names/five")
        try control.put(bytes("# list\nset names/five balance=6"), at: 0)
        try control.put(bytes("7\n"), at: 0)
        #expect(try balances() == [2, 3, 4, 12, 67])
    }

    @Test("A write whose commands are too much for one transaction is carried out in several.")
    func severalTransactions() throws {
        try fixture.write("bytes data[3000]\n", to: "classes/Large")
        _ = try fixture.command("capacity 1G\n", to: allocatorFile)
        let line = "new Large data=\(String(repeating: "x", count: 100))\n"
        let list = String(repeating: line, count: 4000)
        let file = try fixture.open(allocatorFile, O_WRONLY)
        try file.put(bytes(list), at: 0)
        #expect(try fixture.read(allocatorFile).contains("objects: 4000\n"))
        let failing = bytes(list + "new Nobody\n" + line)
        let done = try file.writeOnce(failing)
        #expect(done > 0 && done < failing.count && done % line.utf8.count == 0)
        expectError(EINVAL) { _ = try file.writeOnce(Array(failing[(4000 * line.utf8.count)...])) }
        let objects = 4000 + done / line.utf8.count
        #expect(try fixture.read(allocatorFile).contains("objects: \(objects)\n"))
    }

    @Test("Answers are read in the order of their commands, and wait until they are read.")
    func answers() throws {
        let file = try fixture.open(allocatorFile, O_RDWR)
        #expect(String(decoding: try file.all(), as: UTF8.self).hasPrefix("name: bank\n"))
        var position: UInt64 = 0
        var values: [Int] = []
        func make(_ value: Int) throws {
            let command = bytes("new Account balance=\(value)\n")
            try file.put(command, at: position)
            position += UInt64(command.count)
        }
        // As bash, which reads ahead and seeks back to the end of the line.
        func readLine() throws {
            let path = String(decoding: try file.piece(at: position, 128).prefix(26), as: UTF8.self)
            position += 27
            values.append(try #require(Int(fixture.read(path + "/balance").dropLast())))
        }
        try make(1)
        try make(2)
        try make(3)
        try readLine()
        try make(4)
        try readLine()
        try readLine()
        try readLine()
        #expect(values == [1, 2, 3, 4])
        #expect(try file.all(from: position).isEmpty)
        // With pread(2) at the start.
        for value in 5...6 {
            try make(value)
            let answer = String(decoding: try file.all(7), as: UTF8.self)
            #expect(answer == String(decoding: try file.all(), as: UTF8.self))
            #expect(try fixture.read(answer.dropLast() + "/balance") == "\(value)\n")
        }
        // A list whose objects are of two classes, not a run.
        try fixture.write("", to: "classes/Empty")
        let list = String(repeating: "new Account\nnew Empty\n", count: 1000)
        try file.put(bytes(list), at: 0)
        let lines = try file.all(100).split(separator: UInt8(ascii: "\n"))
        #expect(lines.count == 2000 && Set(lines).count == 2000)
    }
}

extension OpenFile {
    fileprivate func writeOnce(_ bytes: [UInt8]) throws -> Int {
        try unsafe bytes.withUnsafeBytes { unsafe try write(at: 0, $0, isAppend: false) }
    }
}
