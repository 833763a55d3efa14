import Core
import Glibc
import TestSupport
import Testing

@testable import RainbowFS

/// The ends and beginnings of the transactions of a mount, also where several programs ask for them
/// at once.
@Suite struct TransactionLifeTests {
    let bank: Bank
    let fixture: TreeFixture
    let alice: String

    init() throws {
        bank = try Bank()
        fixture = bank.fixture
        alice = try bank.new("balance=100")
        try fixture.makeDirectory("transactions/t")
    }

    @Test("The size of `control` is that of its text", arguments: ["", "commit", "abort"])
    func controlSize(command: String) throws {
        let inner = "transactions/t/" + alice
        _ = try fixture.read(inner + "/balance")
        try fixture.write("7", to: inner + "/balance")
        if !command.isEmpty { _ = try fixture.command(command, to: "transactions/t/control") }
        let text = try fixture.read("transactions/t/control")
        #expect(try fixture.attributes("transactions/t/control").size == UInt64(text.utf8.count))
    }

    @Test("The size of `control` counts the object that it conflicted with")
    func controlSizeOfConflict() throws {
        let inner = "transactions/t/" + alice
        _ = try fixture.read(inner + "/balance")
        try fixture.write("7", to: inner + "/balance")
        try fixture.write("8", to: alice + "/balance")
        for word in ["would conflict: ", "conflict: "] {
            let text = try fixture.read("transactions/t/control")
            #expect(text.contains(word + "objects/"))
            let size = try fixture.attributes("transactions/t/control").size
            #expect(size == UInt64(text.utf8.count))
            _ = try? fixture.command("commit", to: "transactions/t/control")
        }
    }
}
