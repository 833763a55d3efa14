/// Who must stand before whom in a serial order.
///
/// Edges come from time (one ended before the other began) and from values (one wrote what the
/// other read). From these follow more, until nothing new does: let a transaction R read a
/// register's value of W, and let V write the register, too. If V stands before R, it stands
/// before W; if it stands after W, it stands after R.
///
/// The nodes are spread over chains in which each begins after the one before it ended; as many as
/// transactions overlap in time. So "all that stand before X" is one place in each chain.
struct PrecedenceGraph {
    enum Reason {
        case time
        /// The second read what the first wrote.
        case read(register: Int)
        /// The second wrote over what the first read.
        case overwrite(register: Int)
        /// The first wrote over before the second wrote what a third one, after the first, read.
        case version(register: Int, reader: Int)
    }

    struct Edge {
        var other: Int32
        var reason: Reason
    }

    let observed: ObservedHistory
    var nodes: [ObservedHistory.Node] { observed.nodes }
    /// The nodes of each chain, and each node's chain and place in it.
    private(set) var chains: [[Int]] = []
    private(set) var chain: [Int] = []
    private(set) var place: [Int] = []
    private(set) var predecessors: [[Edge]]
    /// For each node and chain the last place that stands before the node, -1 for none; its own
    /// place counts as before it.
    private(set) var before: [Int32] = []
    /// Likewise the first place that stands after it.
    private var after: [Int32] = []
    /// For each register and chain the places of writers, ascending.
    private var writerPlaces: [[Int32]] = []

    init(_ observed: ObservedHistory) {
        self.observed = observed
        predecessors = Array(repeating: [], count: observed.nodes.count)
        makeChains()
        addTime()
        addReads()
        writerPlaces = Array(repeating: [], count: observed.registerCount * chains.count)
        for (index, node) in nodes.enumerated() {
            for write in node.writes {
                writerPlaces[write.register * chains.count + chain[index]].append(
                    Int32(place[index]))
            }
        }
    }

    private mutating func makeChains() {
        for (index, node) in nodes.enumerated() {
            let free = chains.firstIndex { nodes[$0[$0.count - 1]].ended < node.began }
            if free == nil { chains.append([]) }
            let number = free ?? chains.count - 1
            chain.append(number)
            place.append(chains[number].count)
            chains[number].append(index)
        }
    }

    private mutating func addTime() {
        var ended = Array(repeating: -1, count: chains.count)
        var known = Array(repeating: -1, count: chains.count * chains.count)
        for (index, node) in nodes.enumerated() {
            let own = chain[index] * chains.count
            for number in chains.indices {
                while ended[number] + 1 < chains[number].count,
                    case let next = chains[number][ended[number] + 1],
                    nodes[next].ended < node.began
                {
                    ended[number] += 1
                }
                // What stood before the one before it in its chain needs no edge.
                guard ended[number] > known[own + number] else { continue }
                known[own + number] = ended[number]
                let other = Int32(chains[number][ended[number]])
                predecessors[index].append(Edge(other: other, reason: .time))
            }
        }
    }

    private mutating func addReads() {
        for (index, node) in nodes.enumerated() {
            for read in node.reads where read.writer != ObservedHistory.initialWriter {
                predecessors[index].append(
                    Edge(other: Int32(read.writer), reason: .read(register: read.register)))
            }
        }
    }
}

extension PrecedenceGraph {
    /// Adds all edges that follow.
    /// - Returns: a short cycle, if there is one: each node with the edge that leads to it.
    mutating func saturate() -> [(node: Int, reason: Reason)]? {
        repeat {
            let order = self.order()
            guard order.count == nodes.count else { return cycle(without: order) }
            findBefore(order)
            findAfter(order)
        } while addConsequences()
        return nil
    }

    /// The nodes that have a place in an order, in that order; Kahn, CACM 5(11), 1962.
    private func order() -> [Int] {
        var successors = Array(repeating: [Int32](), count: nodes.count)
        var counts = predecessors.map(\.count)
        for index in nodes.indices {
            for edge in predecessors[index] { successors[Int(edge.other)].append(Int32(index)) }
        }
        var order = nodes.indices.filter { counts[$0] == 0 }
        var next = 0
        while next < order.count {
            for successor in successors[order[next]] {
                counts[Int(successor)] -= 1
                if counts[Int(successor)] == 0 { order.append(Int(successor)) }
            }
            next += 1
        }
        return order
    }

    private mutating func findBefore(_ order: [Int]) {
        let width = chains.count
        before = Array(repeating: -1, count: nodes.count * width)
        for index in order {
            let own = index * width
            before[own + chain[index]] = Int32(place[index])
            for edge in predecessors[index] {
                let other = Int(edge.other) * width
                for number in 0..<width where before[other + number] > before[own + number] {
                    before[own + number] = before[other + number]
                }
            }
        }
    }

    private mutating func findAfter(_ order: [Int]) {
        let width = chains.count
        after = Array(repeating: .max, count: nodes.count * width)
        for index in order.reversed() {
            let own = index * width
            after[own + chain[index]] = Int32(place[index])
            for edge in predecessors[index] {
                let other = Int(edge.other) * width
                for number in 0..<width where after[own + number] < after[other + number] {
                    after[other + number] = after[own + number]
                }
            }
        }
    }

    private mutating func addConsequences() -> Bool {
        var isChanged = false
        for reader in nodes.indices {
            for read in nodes[reader].reads {
                for number in chains.indices {
                    if addEarlier(number, reader, read) { isChanged = true }
                    if addLater(number, reader, read) { isChanged = true }
                }
            }
        }
        return isChanged
    }

    /// The last writer of a chain that stands before the reader stands before what it read.
    private mutating func addEarlier(
        _ number: Int, _ reader: Int, _ read: ObservedHistory.Read
    ) -> Bool {
        guard read.writer != ObservedHistory.initialWriter else { return false }
        let width = chains.count
        let writers = writerPlaces[read.register * width + number]
        var index = writers.firstPlace(from: before[reader * width + number] + 1) - 1
        if index >= 0, chains[number][Int(writers[index])] == reader { index -= 1 }
        guard index >= 0, writers[index] > before[read.writer * width + number] else {
            return false
        }
        let writer = chains[number][Int(writers[index])]
        predecessors[read.writer].append(
            Edge(
                other: Int32(writer), reason: .version(register: read.register, reader: reader)))
        return true
    }

    /// The first writer of a chain that stands after the writer of what was read stands after
    /// the reader.
    private mutating func addLater(
        _ number: Int, _ reader: Int, _ read: ObservedHistory.Read
    ) -> Bool {
        let width = chains.count
        let writers = writerPlaces[read.register * width + number]
        let isInitial = read.writer == ObservedHistory.initialWriter
        let start = isInitial ? 0 : after[read.writer * width + number]
        guard start < .max else { return false }
        var index = writers.firstPlace(from: start)
        while index < writers.count, case let writer = chains[number][Int(writers[index])],
            writer == reader || writer == read.writer
        {
            index += 1
        }
        guard index < writers.count, writers[index] < after[reader * width + number] else {
            return false
        }
        predecessors[chains[number][Int(writers[index])]].append(
            Edge(other: Int32(reader), reason: .overwrite(register: read.register)))
        return true
    }
}

extension [Int32] {
    /// The index of the first element of an ascending array that is not below the value.
    fileprivate func firstPlace(from value: Int32) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < value { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
