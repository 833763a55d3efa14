import Glibc
import RainbowCore
import Synchronization
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

    private final class Flag: Sendable {
        private let value = Atomic<Bool>(false)
        var isSet: Bool { value.load(ordering: .acquiring) }
        func set() { value.store(true, ordering: .releasing) }
    }

    /// Whether a change of the present is done within five seconds.
    private func isPresentWritable() -> Bool {
        let done = Flag()
        let writer = startThread { [fixture, alice] in
            try? fixture.write("5", to: alice + "/balance")
            done.set()
        }
        for _ in 0..<5000 where !done.isSet { usleep(1000) }
        let isDone = done.isSet
        // Whatever keeps the writer waiting ends here.
        if !isDone { fixture.tree.views.endAll() }
        pthread_join(writer, nil)
        return isDone
    }

    @Test("One that was removed does not begin again", arguments: ["restart", "restart serial"])
    func removed(command: String) throws {
        let control = try fixture.open("transactions/t/control", O_RDWR)
        defer { control.close() }
        try fixture.removeDirectory("transactions/t")
        expectError(ESTALE) { try control.put(Array(command.utf8), at: 0) }
        #expect(isPresentWritable())
        #expect(fixture.space.snapshots.isEmpty)
    }

    @Test(
        "Ended and begun again at once, it is in serial mode only if it says so",
        arguments: ["abort", "commit", "rmdir"])
    func endedAndBegunAtOnce(end: String) throws {
        for round in 0..<300 {
            let transaction = try #require(fixture.tree.views.transaction("t"))
            let control = try fixture.open("transactions/t/control", O_RDWR)
            let restarter = startThread {
                try? control.put(Array("restart serial".utf8), at: 0)
            }
            let ender = startThread { [fixture] in
                if end == "rmdir" {
                    try? fixture.removeDirectory("transactions/t")
                } else {
                    _ = try? fixture.command(end, to: "transactions/t/control")
                }
            }
            pthread_join(restarter, nil)
            pthread_join(ender, nil)
            let isSerial = transaction.isSerial
            #expect(transaction.open.isSerial == isSerial, "round \(round)")
            if !isSerial {
                try #require(isPresentWritable(), "round \(round)")
            }
            if end == "rmdir" {
                control.close()
                try fixture.makeDirectory("transactions/t")
            } else {
                _ = try? fixture.command("abort", to: "transactions/t/control")
                control.close()
                _ = try fixture.command("restart", to: "transactions/t/control")
            }
        }
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
