import TestSupport

/// The definition of strict serializability, tried out: all orders of a few transactions.
enum AllOrders {
    /// A history of a few transactions that read any values; many have no order.
    static func randomHistory(_ random: inout SeededGenerator) -> [RecordedTransaction] {
        var values: [[Int64]] = [[0], [0]]
        let count = Int.random(in: 2...5, using: &random)
        var history = (0..<count).map { index in
            let began = UInt64.random(in: 0..<12, using: &random)
            let length = UInt64.random(in: 0..<12, using: &random)
            let outcomes: [RecordedTransaction.Outcome] = [
                .committed, .committed, .committed, .aborted, .unknown,
            ]
            return RecordedTransaction(
                "t\(index)", began, began + length, [], outcomes.randomElement(using: &random)!)
        }
        for index in history.indices {
            for register in 0..<2 where Bool.random(using: &random) {
                values[register].append(Int64(index + 1))
                history[index].operations.append(.write(register, Int64(index + 1)))
            }
        }
        for index in history.indices {
            for register in 0..<2 where Bool.random(using: &random) {
                let value = values[register].randomElement(using: &random)!
                history[index].operations.insert(.read(register, value), at: 0)
            }
        }
        return history
    }

    static func haveOne(_ history: [RecordedTransaction]) -> Bool {
        var counting = history
        for index in history.indices {
            let readers = (0..<2).flatMap { register -> [RecordedTransaction] in
                guard let written = history[index].write(register) else { return [] }
                return history.filter { $0.read(register) == written }
            }
            if readers.contains(where: { $0.ended < history[index].began }) { return false }
            if history[index].outcome == .committed { continue }
            if history[index].outcome == .unknown, !readers.isEmpty {
                // What was seen was committed by then, though its client may have died before.
                counting[index].ended = readers.map(\.ended).min()!
            } else {
                counting[index].operations.removeAll { operation in
                    if case .write = operation { true } else { false }
                }
            }
        }
        return canBeCompleted([], counting)
    }

    private static func canBeCompleted(_ order: [Int], _ history: [RecordedTransaction]) -> Bool {
        if order.count == history.count { return true }
        return history.indices.contains { next in
            let isFirst = history.indices.allSatisfy { other in
                order.contains(other) || history[other].ended >= history[next].began
            }
            let isRight = (0..<2).allSatisfy { register in
                guard let value = history[next].read(register) else { return true }
                return value == order.reversed().lazy.compactMap { history[$0].write(register) }
                    .first ?? 0
            }
            return !order.contains(next) && isFirst && isRight
                && canBeCompleted(order + [next], history)
        }
    }
}
