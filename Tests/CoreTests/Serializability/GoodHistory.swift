import TestSupport

/// Random histories that have an order: transactions of several processes, each of which takes
/// effect at one time between its beginning and its end.
struct GoodHistory {
    var transactions: [RecordedTransaction] = []
    private var random: SeededGenerator
    private var values: [Int64]
    private var lastValue: Int64 = 0
    private var time: UInt64 = 0

    private struct Running {
        var place: Int
        var isDone = false
    }

    /// - Parameter blindWrites: how many of a hundred writes are of registers not read before.
    init(
        seed: UInt64, count: Int, processes: Int = 4, registers: Int = 5, blindWrites: Int = 30
    ) {
        random = SeededGenerator(seed: seed)
        values = Array(repeating: 0, count: registers)
        var running: [Running?] = Array(repeating: nil, count: processes)
        while transactions.count < count || running.contains(where: { $0 != nil }) {
            let process = Int.random(in: 0..<processes, using: &random)
            time += UInt64.random(in: 0...2, using: &random)
            guard let present = running[process] else {
                if transactions.count < count {
                    running[process] = Running(place: transactions.count)
                    transactions.append(RecordedTransaction("p\(process)", time, time, []))
                }
                continue
            }
            if present.isDone {
                time += 1
                transactions[present.place].ended = time
                running[process] = nil
            } else {
                run(present.place, blindWrites)
                running[process]?.isDone = true
            }
        }
    }

    private mutating func run(_ place: Int, _ blindWrites: Int) {
        let outcomes: [RecordedTransaction.Outcome] = [
            .committed, .committed, .committed, .committed, .committed, .aborted, .unknown,
        ]
        let outcome = outcomes.randomElement(using: &random)!
        let isApplied =
            outcome == .committed || (outcome == .unknown && Bool.random(using: &random))
        var operations: [RecordedTransaction.Operation] = []
        for register in values.indices where Int.random(in: 0..<3, using: &random) > 0 {
            let isBlind = Int.random(in: 0..<100, using: &random) < blindWrites
            if !isBlind { operations.append(.read(register, values[register])) }
            guard isBlind || Bool.random(using: &random) else { continue }
            lastValue += 1
            operations.append(.write(register, lastValue))
            if isApplied { values[register] = lastValue }
        }
        transactions[place].operations = operations
        transactions[place].outcome = outcome
    }
}

extension RecordedTransaction {
    /// What it read of a register first.
    func read(_ register: Int) -> Int64? {
        for case .read(register, let value) in operations { return value }
        return nil
    }

    /// What it wrote to a register at last.
    func write(_ register: Int) -> Int64? {
        for case .write(register, let value) in operations.reversed() { return value }
        return nil
    }

    mutating func replaceRead(_ register: Int, with value: Int64) {
        for (index, operation) in operations.enumerated() {
            if case .read(register, _) = operation { operations[index] = .read(register, value) }
        }
    }
}
