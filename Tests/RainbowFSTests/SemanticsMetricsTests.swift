import Foundation
import Glibc
import TestSupport
import Testing

@testable import RainbowCore
@testable import RainbowFS

/// The lines of Docs/Semantics.md about `metrics`.
@Suite struct SemanticsMetricsTests {
    let bank: Bank
    let fixture: TreeFixture

    init() throws {
        bank = try Bank()
        fixture = bank.fixture
    }

    private func metrics() throws -> MetricsFormat { try MetricsFormat(fixture.read("metrics")) }

    private func field(_ object: String, offset: Int = 8) throws -> Address {
        let digits = try #require(object.split(separator: "/").last).dropFirst(2)
        return Address(try #require(UInt64(digits, radix: 16))) + offset
    }

    /// A long transaction that reads one place, writes another, and finds the first one changed.
    private func lose(reading place: Address, writing other: Address) throws {
        let transaction = try fixture.space.begin(name: "loser")
        try transaction.perform { tx in
            try tx.store(try tx.load(place, as: Int64.self), at: other)
        }
        try fixture.space.transact { tx in
            try tx.store(try tx.load(place, as: Int64.self) + 1, at: place)
        }
        #expect(throws: TransactionError.conflict) { try transaction.commit() }
    }

    @Test("`metrics` has the text format of Prometheus, whatever things are called.")
    func format() throws {
        let names = ["a \"quoted\" \\ name", "back\\slash\\", "ümläut, {a=\"b\"} 7", "nl\\n"]
        let snapshots = try names.map { try fixture.space.takeSnapshot(named: $0) }
        defer { for snapshot in snapshots { snapshot.end() } }
        let twins = try (0..<2).map { _ in try fixture.space.begin(name: "twin") }
        defer { for twin in twins { twin.abort() } }
        let metrics = try metrics()
        #expect(metrics["snapshot_age_seconds"].compactMap { $0.labels["snapshot"] } == names)
        #expect(metrics["transactions"][0].value == 2)
        #expect(metrics["transaction_age_seconds"].count == 1)
        #expect(metrics["space_info"][0].labels["space"] == fixture.space.name)
        let own = try #require(metrics["node_info"].first)
        #expect(own.labels["pid"] == "\(getpid())")
        #expect(metrics["version"][0].value == Double(fixture.space.usage.version))
        #expect(metrics.families.values.allSatisfy { !$0.type.isEmpty })
    }

    @Test(
        "The reader of the tests refuses what a scraper may refuse",
        arguments: [
            "a 1\n", "# HELP a x\n# TYPE a gauge\na 1", "# HELP a x\n# TYPE b gauge\n",
            "# HELP a x\n# TYPE a counter\na 1\n", "# HELP a x\n# TYPE a gauge\na 1\na 2\n",
            "# HELP a x\n# TYPE a gauge\na{b=\"c\" 1\n", "# HELP a x\n# TYPE a gauge\na{b=c} 1\n",
            "# HELP a x\n# TYPE a gauge\na{b=\"\"\"} 1\n", "# HELP a x\n# TYPE a gauge\nb 1\n",
            "# HELP a x\n# TYPE a gauge\na{b=\"\\x\"} 1\n", "# HELP a x\n# TYPE a gauge\na one\n",
            "# HELP a x\n# TYPE a gauge\n# HELP a x\n# TYPE a gauge\n",
        ])
    func refusals(text: String) {
        #expect(throws: MetricsFormat.Refusal.self) { try MetricsFormat(text) }
    }

    @Test(
        "`metrics` tells true conflicts from those that comparing lines and not pages avoided.")
    func kinds() throws {
        let objects = try (0..<8).map { _ in try field(bank.new()) }
        try lose(reading: objects[0], writing: objects[7])
        let transaction = try fixture.space.begin(name: "winner")
        try transaction.perform { tx in
            try tx.store(try tx.load(objects[0], as: Int64.self), at: objects[0])
        }
        try fixture.space.transact { tx in try tx.store(7 as Int64, at: objects[7]) }
        try transaction.commit()
        let metrics = try metrics()
        func value(_ name: String, _ kind: String? = nil) -> Double? {
            metrics[name].first {
                $0.labels["node"] == "\(fixture.space.node)" && $0.labels["kind"] == kind
            }?.value
        }
        #expect(value("conflicts_total", "true") == 1)
        // The others of this space are short: one in 64 of them is looked at, and none shared.
        #expect(value("conflicts_total", "false_sharing_avoided") == 1)
        #expect(value("aborts_total") == 1 && value("restarts_total") == 0)
        #expect(try #require(value("commits_total")) > 3)
    }

    @Test("`metrics` names the ten objects and pages with the most conflicts of the last minute.")
    func places() throws {
        // Objects of more than a line: none shares one with the next but one.
        let paths = try (0..<24).map { _ in try bank.new() }
        try fixture.link("../" + paths[0], "names/alice")
        let fields = try paths.map { try field($0) }
        for index in stride(from: 0, to: 24, by: 2) {
            for _ in 0..<(index == 0 ? 3 : 1) {
                try lose(reading: fields[index], writing: fields[index])
            }
        }
        let metrics = try metrics()
        let objects = metrics["object_conflicts"]
        #expect(objects.count == 10)
        let alice = try #require(objects.first { $0.labels["name"] == "alice" })
        #expect(alice.labels["object"] == Bank.address(paths[0]) && alice.value == 3)
        #expect(objects.allSatisfy { $0.value <= 3 && $0.labels["class"] == "Account" })
        let pages = metrics["page_conflicts"]
        #expect(pages.map(\.value).reduce(0, +) == 14)
        #expect(pages.allSatisfy { $0.labels["region"] == "transactional" })
        let all = HotSpots(of: fixture.space, now: SystemClock.bootMilliseconds)
        #expect(all.objects.count == 10)
        let later = HotSpots(of: fixture.space, now: SystemClock.bootMilliseconds + 90_000)
        #expect(later.objects.isEmpty && later.pages.isEmpty)
    }

    @Test("`metrics` shows each running transaction and snapshot with its age and its memory.")
    func views() throws {
        let object = try field(bank.new())
        let snapshot = try fixture.space.takeSnapshot(named: "kept")
        let transaction = try fixture.space.begin(name: "running")
        try transaction.perform { tx in
            try tx.store(try tx.load(object, as: Int64.self) + 1, at: object)
        }
        try fixture.space.transact { tx in try tx.store(5 as Int64, at: object) }
        usleep(20_000)
        // As if the clock had been set since: ages do not follow it.
        for index in 0..<SpaceLayout.snapshotCountMax {
            let entry = fixture.space.snapshotTable[index]
            if entry.info?.kind == .named { entry.milliseconds.store(.max) }
        }
        let metrics = try metrics()
        let age = try #require(metrics["transaction_age_seconds"].first)
        #expect(age.labels["transaction"] == "running" && age.labels["mode"] == "optimistic")
        #expect(age.labels["node"] == "\(fixture.space.node)")
        #expect((0.01..<600).contains(age.value))
        let bytes = metrics["transaction_bytes"]
        #expect(bytes.map { $0.labels["kind"] } == ["read", "written"])
        #expect(bytes.allSatisfy { $0.value > 0 })
        let kept = try #require(metrics["snapshot_age_seconds"].first)
        #expect(kept.labels["snapshot"] == "kept" && kept.labels["state"] == "open")
        #expect(kept.value >= age.value)
        #expect(metrics["snapshots"][0].value == 1 && metrics["transactions"][0].value == 1)
        let (used, limit) = (
            metrics["snapshot_memory_bytes"][0].value,
            metrics["snapshot_memory_limit_bytes"][0].value
        )
        #expect(0 < used && used < limit)
        transaction.abort()
        snapshot.end()
        #expect(try self.metrics()["transaction_age_seconds"].isEmpty)
    }
}
