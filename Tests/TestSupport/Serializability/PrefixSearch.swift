/// Puts the transactions of a history one after the other, and takes back what leads nowhere.
///
/// What can come next depends only on which transactions are placed already, not on their order: a
/// register is written only when all readers of its present value are placed. So a set that led
/// nowhere once need not be tried again.
struct PrefixSearch {
    static let deadEndsMax = 1_000_000

    private let observed: ObservedHistory
    private let graph: PrecedenceGraph
    private let width: Int
    /// How many of each chain are placed.
    private var placed: [Int32]
    /// Of each register: how many readers of its present value are not placed.
    private var readersLeft: [Int]
    /// For each node, beside its writes: how many read them.
    private var readerCounts: [[Int]]
    private var stack: [Step] = []
    private var deadEnds: Set<[Int32]> = []
    private var longest: [Int32] = []

    private struct Step {
        var node: Int
        /// `readersLeft` of the registers it wrote, as they were before.
        var readersBefore: [Int]
    }

    init(_ observed: ObservedHistory, _ graph: PrecedenceGraph) {
        self.observed = observed
        self.graph = graph
        width = graph.chains.count
        placed = Array(repeating: 0, count: width)
        readersLeft = Array(repeating: 0, count: observed.registerCount)
        readerCounts = observed.nodes.map { Array(repeating: 0, count: $0.writes.count) }
        for node in observed.nodes {
            for read in node.reads {
                guard read.writer != ObservedHistory.initialWriter else {
                    readersLeft[read.register] += 1
                    continue
                }
                let writes = observed.nodes[read.writer].writes
                guard let index = writes.firstIndex(where: { $0.register == read.register })
                else { continue }
                readerCounts[read.writer][index] += 1
            }
        }
    }

    /// Looks for an order.
    /// - Returns: why there is none, or nil.
    mutating func problem(_ history: [RecordedTransaction]) -> String? {
        var firstChain = 0
        while stack.count < observed.nodes.count {
            if stack.count > longest.reduce(0, { $0 + Int($1) }) { longest = placed }
            if let number = next(from: firstChain), !deadEnds.contains(placed) {
                place(graph.chains[number][Int(placed[number])])
                firstChain = 0
                continue
            }
            deadEnds.insert(placed)
            guard deadEnds.count <= Self.deadEndsMax else {
                return "not decided: there are more than \(Self.deadEndsMax) dead ends"
            }
            guard let step = stack.popLast() else { return explanation(history) }
            takeBack(step)
            // One that only reads is in nobody's way: without it things are no better.
            let isForced = observed.nodes[step.node].writes.isEmpty
            firstChain = isForced ? width : graph.chain[step.node] + 1
        }
        return nil
    }

    private func next(from first: Int) -> Int? {
        guard first < width else { return nil }
        return (first..<width).first { number in
            let chain = graph.chains[number]
            return placed[number] < chain.count && canCome(chain[Int(placed[number])])
        }
    }

    private func canCome(_ node: Int) -> Bool {
        for number in 0..<width where number != graph.chain[node] {
            guard graph.before[node * width + number] < placed[number] else { return false }
        }
        let reads = observed.nodes[node].reads
        return observed.nodes[node].writes.allSatisfy { write in
            let own = reads.contains { $0.register == write.register } ? 1 : 0
            return readersLeft[write.register] == own
        }
    }

    private mutating func place(_ node: Int) {
        placed[graph.chain[node]] += 1
        for read in observed.nodes[node].reads { readersLeft[read.register] -= 1 }
        var step = Step(node: node, readersBefore: [])
        for (index, write) in observed.nodes[node].writes.enumerated() {
            step.readersBefore.append(readersLeft[write.register])
            readersLeft[write.register] = readerCounts[node][index]
        }
        stack.append(step)
    }

    private mutating func takeBack(_ step: Step) {
        for (index, write) in observed.nodes[step.node].writes.enumerated() {
            readersLeft[write.register] = step.readersBefore[index]
        }
        for read in observed.nodes[step.node].reads { readersLeft[read.register] += 1 }
        placed[graph.chain[step.node]] -= 1
    }

    private func explanation(_ history: [RecordedTransaction]) -> String {
        var lines = ["however the others are ordered, at last none of these can come next:"]
        for (number, chain) in graph.chains.enumerated() where Int(longest[number]) < chain.count {
            lines.append("  \(history[observed.nodes[chain[Int(longest[number])]].source])")
        }
        return lines.joined(separator: "\n")
    }
}
