import Foundation
import TestSupport
import Testing

/// Shells on two mounts and programs beside them, at once and being killed, leave a history; it has
/// an order in which each transaction saw what those before it wrote.
@Suite("Recorded histories", .serialized)
struct HistoryTests {
    static let seconds = environmentNumber("RAINBOWFS_HISTORY_SECONDS", default: 6)

    @Test("What many clients of two mounts saw is strictly serializable, also if some are killed")
    func manyClients() throws {
        let scene = try HistoryScene(seed: printedSeed("history of clients"))
        try scene.start([
            .shell(mount: 0), .shell(mount: 0), .shell(mount: 1), .shell(mount: 1), .program,
            .program,
        ])
        try scene.run(
            seconds: Double(Self.seconds), secondsMax: Double(Self.seconds) + 300,
            until: Self.isEnough)
        let (history, errors) = try withDeadline(seconds: 300, "clients that are to stop") {
            try scene.stop()
        }
        #expect(errors == [])
        let problems = SerialOrder(history).problems
        #expect(problems.prefix(3) == [])
        if !problems.isEmpty { Self.keep(history) }
        func count(_ outcome: RecordedTransaction.Outcome) -> Int {
            history.count { $0.outcome == outcome }
        }
        print(
            "\(count(.committed)) committed, \(count(.aborted)) failed, \(count(.unknown)) unknown;"
                + " killed \(scene.clientKills) clients, \(scene.mountKills) mounts,"
                + " \(scene.atomicKills) times atomic")
        for (name, list) in [
            ("in directories", Self.long(history)), ("by atomic", Self.atomic(history)),
        ] {
            print("\(name): \(list.count { $0.outcome == .committed }) of \(list.count) committed")
        }
        #expect(Self.isEnough(history))
        #expect(scene.clientKills > 0 && scene.mountKills > 0)
    }

    /// Transactions that shells made as directories.
    private static func long(_ history: [RecordedTransaction]) -> [RecordedTransaction] {
        history.filter { transaction in
            let name = transaction.name
            return name.hasPrefix("shell") && !name.contains("atomic") && transaction.isLong
        }
    }

    private static func atomic(_ history: [RecordedTransaction]) -> [RecordedTransaction] {
        history.filter { $0.name.contains("atomic") }
    }

    /// Whether there is some of everything.
    private static func isEnough(_ history: [RecordedTransaction]) -> Bool {
        history.count { $0.outcome == .committed } > 500
            && [long(history), atomic(history)].allSatisfy { list in
                list.contains { $0.outcome == .committed }
            }
    }

    /// Leaves a history that is not as it should be in the file that the environment names.
    private static func keep(_ history: [RecordedTransaction]) {
        guard let path = ProcessInfo.processInfo.environment["RAINBOWFS_HISTORY_FILE"] else {
            return
        }
        let lines = history.sorted { $0.began < $1.began }.map { "\($0)\n" }
        try? lines.joined().write(toFile: path, atomically: true, encoding: .utf8)
    }
}

extension RecordedTransaction {
    /// Whether it reads and writes: what a shell does so is no single operation.
    fileprivate var isLong: Bool {
        var (reads, writes) = (false, false)
        for operation in operations {
            switch operation {
            case .read: reads = true
            case .write: writes = true
            }
        }
        return reads && writes
    }
}
