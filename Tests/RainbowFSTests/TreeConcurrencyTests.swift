import Glibc
import RainbowCore
import Synchronization
import TestSupport
import Testing

@testable import RainbowFS

/// Several threads and several mounts at once.
@Suite struct TreeConcurrencyTests {
    @Test func twoMountsNeverShowStaleData() throws {
        let bank = try Bank()
        let object = try bank.new("balance=0")
        let node = try bank.fixture.node(object + "/balance")
        let other = bank.fixture.tree { _ in }
        let caller = bank.fixture.caller
        let reader = try other.open(node, flags: O_RDONLY, caller)
        for value in 0..<500 {
            try bank.fixture.write("\(value)\n", to: object + "/balance")
            #expect(try reader.all() == Array("\(value)\n".utf8))
            #expect(try other.attributes(node).0.size == UInt64("\(value)\n".utf8.count))
            try bank.fixture.replaceLink("../" + object, "names/name\(value % 3)")
            let name = try other.lookup(.names, "name\(value % 3)", caller)
            #expect(try other.readLink(name.node) == "../" + object)
            try bank.fixture.remove("names/name\(value % 3)")
            #expect(throws: TreeError.self) {
                try other.lookup(.names, "name\(value % 3)", caller)
            }
        }
    }

    @Test func threadsMakeNameAndListAtOnce() throws {
        let bank = try Bank()
        let fixture = bank.fixture
        let rounds = 100
        let failures = Failures()
        onThreads(4) { thread in
            do {
                try fixture.makeDirectory("regions/transactional/own\(thread)")
                for round in 0..<rounds {
                    let answer = try fixture.command(
                        "new Account balance=\(round)\n",
                        to: "regions/transactional/own\(thread)/allocator")
                    let object = String(answer.dropLast())
                    try fixture.replaceLink("../" + object, "names/\(thread).\(round)")
                    try fixture.replaceLink("../" + object, "names/shared")
                    try fixture.write("\(round * 2)", to: object + "/balance")
                    if round % 10 == 0 { _ = try fixture.list("objects", plus: true) }
                    if round % 2 == 1 { try fixture.remove("names/\(thread).\(round)") }
                }
            } catch {
                failures.list.withLock { $0.append("\(error)") }
            }
        }
        #expect(failures.list.withLock { $0 } == [])
        for thread in 0..<4 {
            let own = try fixture.list("regions/transactional/own\(thread)")
            #expect(own.count == rounds + 1)
        }
        let names = try fixture.list("names")
        #expect(names.count == 4 * rounds / 2 + 1)
        #expect(Set(names).count == names.count)
        try bank.expectWhole()
    }
}

private final class Failures: Sendable {
    let list = Mutex<[String]>([])
}
