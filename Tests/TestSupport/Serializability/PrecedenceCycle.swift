extension PrecedenceGraph {
    /// Nodes from which the shortest cycle is looked for; there may be very many.
    private static let startCountMax = 200

    /// A short cycle among the nodes that have no place in an order.
    func cycle(without order: [Int]) -> [(node: Int, reason: Reason)] {
        var isLeft = Array(repeating: true, count: nodes.count)
        for index in order { isLeft[index] = false }
        var shortest: [(node: Int, reason: Reason)] = []
        for start in nodes.indices.filter({ isLeft[$0] }).prefix(Self.startCountMax) {
            let found = cycle(through: start, isLeft)
            if !found.isEmpty, shortest.isEmpty || found.count < shortest.count {
                shortest = found
            }
        }
        return shortest
    }

    /// The shortest one through a node, found backwards; empty if there is none.
    private func cycle(through start: Int, _ isLeft: [Bool]) -> [(node: Int, reason: Reason)] {
        // For each node that was met the one after it, and the edge to that one.
        var next: [Int: (node: Int, reason: Reason)] = [:]
        var queue = [start]
        var position = 0
        while position < queue.count {
            let node = queue[position]
            position += 1
            for edge in predecessors[node] where isLeft[Int(edge.other)] {
                let other = Int(edge.other)
                guard next[other] == nil else { continue }
                next[other] = (node, edge.reason)
                if other == start { return path(from: start, next) }
                queue.append(other)
            }
        }
        return []
    }

    private func path(
        from start: Int, _ next: [Int: (node: Int, reason: Reason)]
    ) -> [(node: Int, reason: Reason)] {
        var path: [(node: Int, reason: Reason)] = []
        var node = start
        repeat {
            guard let step = next[node] else { return [] }
            path.append(step)
            node = step.node
        } while node != start
        return path
    }

    /// A cycle in words: its transactions, and why each stands before the next one.
    func explain(
        _ cycle: [(node: Int, reason: Reason)], _ history: [RecordedTransaction]
    ) -> String {
        func name(_ node: Int) -> String { history[nodes[node].source].name }
        var lines = ["these transactions have no order:"]
        lines += cycle.map { "  \(history[nodes[$0.node].source])" }
        var previous = cycle[cycle.count - 1].node
        for (node, reason) in cycle {
            lines.append("  \(name(previous)) before \(name(node)): \(text(reason, node, name))")
            previous = node
        }
        return lines.joined(separator: "\n")
    }

    private func text(_ reason: Reason, _ node: Int, _ name: (Int) -> String) -> String {
        switch reason {
        case .time: return "it ended before \(name(node)) began"
        case .read(let register):
            return "\(name(node)) read the \(observed.registers[register]) that it wrote"
        case .overwrite(let register):
            return "it read the \(observed.registers[register]) that \(name(node)) wrote over"
        case .version(let register, let reader):
            return "\(name(reader)), after it, read the \(observed.registers[register])"
                + " of \(name(node))"
        }
    }
}
