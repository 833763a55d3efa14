import Glibc
import RainbowCore
import TestSupport
import Testing

@testable import RainbowFS

/// The tree against a plain model of it, with random operations, right and wrong ones: on the
/// present, in several transactions that are open at once, and beside snapshots.
@Suite struct TreeModelTests {
    @Test("The present alone does what the model does", arguments: 0..<4)
    func present(round: Int) throws {
        var run = try ModelRun(seed: printedSeed("tree"))
        for step in 0..<600 {
            try run.stepInPresent()
            if step % 100 == 99 { try run.comparePresent() }
        }
        try run.bank.expectWhole()
    }

    @Test("Transactions and snapshots show a copy; commits happen whole, and where they may")
    func views() throws {
        var total = ModelRun.Counts()
        for _ in 0..<6 {
            var run = try ModelRun(seed: printedSeed("tree with views"))
            for step in 0..<500 {
                try run.step()
                if step % 50 == 49 { try run.comparePresent() }
            }
            try run.endAll()
            try run.comparePresent()
            try run.bank.expectWhole()
            total.add(run.counts)
        }
        print(
            "\(total.commits) commits, \(total.conflicts) conflicts, \(total.aborts) aborted,"
                + " \(total.snapshots) snapshots")
        #expect(total.commits > 20 && total.conflicts > 20 && total.aborts > 20)
        #expect(total.snapshots > 20)
    }
}

/// A tree and its model, side by side.
struct ModelRun {
    struct Counts {
        var (commits, conflicts, aborts, snapshots) = (0, 0, 0, 0)

        mutating func add(_ other: Counts) {
            commits += other.commits
            conflicts += other.conflicts
            aborts += other.aborts
            snapshots += other.snapshots
        }
    }

    /// A transaction: the state when it began with its own changes, and how it came to that.
    private struct Open {
        let name: String
        var model: TreeModel
        var done: [(plan: ModelPlan, outcome: ModelOutcome)] = []

        var root: String { "transactions/\(name)/" }
    }

    let bank: Bank
    private let seed: UInt64
    private var random: SeededGenerator
    private var model = TreeModel()
    private var transactions: [Open] = []
    private var snapshots: [(name: String, model: TreeModel)] = []
    private var number = 0
    private var trace: [String] = []
    private(set) var counts = Counts()

    private var fixture: TreeFixture { bank.fixture }

    init(seed: UInt64) throws {
        bank = try Bank()
        self.seed = seed
        random = SeededGenerator(seed: seed)
    }

    private var place: String { "seed \(seed), after \(trace.suffix(12))" }

    private mutating func plan(_ model: TreeModel) -> ModelPlan {
        var plans = TreeModelPlans(model: model, random: random)
        defer { random = plans.random }
        return plans.next()
    }

    /// Does one thing to tree and model below a root, and compares the outcome.
    private mutating func take(
        _ plan: ModelPlan, _ root: String, _ model: inout TreeModel
    ) throws -> ModelOutcome {
        trace.append(root + plan.name)
        let outcome = try plan.outcome(fixture, root)
        #expect(outcome == plan.change(&model, outcome.output), "\(place)")
        return outcome
    }

    mutating func stepInPresent() throws {
        var changed = model
        _ = try take(plan(model), "", &changed)
        model = changed
    }

    func comparePresent() throws { try fixture.expect(model, below: "", place) }
}

extension ModelRun {
    /// One thing in the present, in a transaction or with a snapshot.
    mutating func step() throws {
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<5: try stepInPresent()
        case 5, 6: try begin()
        case 7: try snapshot()
        case 8:
            guard let index = snapshots.indices.randomElement(using: &random) else { return }
            let (name, model) = snapshots[index]
            try fixture.expect(model, below: "snapshots/\(name)/", "\(place), in \(name)")
        case 9, 10:
            guard let index = transactions.indices.randomElement(using: &random) else { return }
            try end(index)
        default:
            guard let index = transactions.indices.randomElement(using: &random) else { return }
            var open = transactions[index]
            let plan = plan(open.model)
            let outcome = try take(plan, open.root, &open.model)
            open.done.append((plan, outcome))
            transactions[index] = open
        }
    }

    private mutating func begin() throws {
        guard transactions.count < 3 else { return }
        number += 1
        let open = Open(name: "t\(number)", model: model)
        trace.append("mkdir \(open.root)")
        try fixture.makeDirectory("transactions/\(open.name)")
        transactions.append(open)
    }

    /// Takes a snapshot; of three the oldest goes.
    private mutating func snapshot() throws {
        number += 1
        let name = "s\(number)"
        trace.append("mkdir snapshots/\(name)")
        try fixture.makeDirectory("snapshots/\(name)")
        snapshots.append((name, model))
        counts.snapshots += 1
        if snapshots.count > 2 {
            try fixture.removeDirectory("snapshots/\(snapshots.removeFirst().name)")
        }
        expectError(EROFS) { try fixture.makeDirectory("snapshots/\(name)/regions/other") }
    }

    /// Commits a transaction, aborts it or lets it begin again.
    private mutating func end(_ index: Int) throws {
        var open = transactions[index]
        switch Int.random(in: 0..<8, using: &random) {
        case 0:
            // All of it, before it leaves no trace.
            try fixture.expect(open.model, below: open.root, "\(place), in \(open.name)")
            trace.append("rmdir \(open.root)")
            counts.aborts += 1
        case 1:
            trace.append("restart \(open.root)")
            _ = try fixture.command("restart", to: open.root + "control")
            open = Open(name: open.name, model: model)
            transactions[index] = open
            counts.aborts += 1
            return
        default:
            trace.append("commit \(open.root)")
            try commit(open)
            expectError(ESTALE) { _ = try fixture.list(open.root + "names") }
        }
        try fixture.removeDirectory("transactions/\(open.name)")
        transactions.remove(at: index)
    }

    /// What is committed must have the same outcomes if it is done now, unless it has written
    /// nothing: then it is as if it had been done when it began. What conflicts must have read
    /// something that has changed.
    private mutating func commit(_ open: Open) throws {
        let transaction = try #require(fixture.tree.views.transaction(open.name))
        let snapshot = transaction.version
        let hasWritten = !transaction.lines.written.isEmpty
        do {
            _ = try fixture.command("commit", to: open.root + "control")
            counts.commits += 1
        } catch {
            #expect(error.errno == ECANCELED, "\(place): \(error.message)")
            guard case .conflict(let conflict) = transaction.phase else {
                Issue.record("\(place): the state is \(transaction.phase.name)")
                return
            }
            #expect(
                transaction.lines.read.contains { $0.contains(conflict.line) }, "\(place)")
            let version = try fixture.space.transact { tx in
                try tx.version(of: conflict.line, count: 8)
            }
            #expect(version > snapshot && conflict.version > snapshot, "\(place)")
            #expect(conflict.version <= version && conflict.node == fixture.space.node, "\(place)")
            #expect(hasWritten, "\(place): it only read")
            counts.conflicts += 1
            return
        }
        for (plan, outcome) in open.done where hasWritten {
            #expect(plan.change(&model, outcome.output) == outcome, "\(place): \(plan.name)")
        }
    }

    mutating func endAll() throws {
        while !transactions.isEmpty { try end(0) }
        for (name, model) in snapshots {
            try fixture.expect(model, below: "snapshots/\(name)/", "\(place), in \(name)")
            try fixture.removeDirectory("snapshots/\(name)")
        }
        #expect(fixture.space.snapshots.isEmpty)
        #expect(fixture.space.snapshotMemory.bytesUsed == 0)
    }
}
