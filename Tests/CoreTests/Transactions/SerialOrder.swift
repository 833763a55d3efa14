import TestSupport

/// Looks for an order of a history's transactions in which each saw what those before it wrote, and
/// in which one that ended before another began stands before it.
///
/// Each transaction must come behind the writers of what it read and before the next writers of it,
/// and behind all that ended before it began. Such an order exists if and only if these demands
/// make no circle. The ends of transactions, in their order in time, are nodes of the graph too, so
/// that time needs no edge for each pair.
struct SerialOrder {
    private var successors: [[Int32]]
    private var predecessorCounts: [Int]
    private(set) var problems: [String] = []

    init(_ history: [History.Entry]) {
        successors = Array(repeating: [], count: history.count * 2)
        predecessorCounts = Array(repeating: 0, count: history.count * 2)
        addCells(history)
        addTime(history)
        let ordered = orderedCount()
        if ordered < successors.count {
            problems.append("\(successors.count - ordered) transactions and moments form a circle")
        }
    }

    private mutating func add(_ first: Int, before second: Int) {
        guard first != second else { return }
        successors[first].append(Int32(second))
        predecessorCounts[second] += 1
    }

    private mutating func addCells(_ history: [History.Entry]) {
        struct Place: Hashable {
            var cell: Int
            var number: UInt64
        }
        // Who wrote the number behind the one that is the key.
        var nextWriters: [Place: Int] = [:]
        for (index, entry) in history.enumerated() {
            for read in entry.reads where entry.writes.contains(read.cell) {
                let other = nextWriters.updateValue(
                    index, forKey: Place(cell: read.cell, number: read.number))
                if let other, other != index {
                    problems.append("two wrote cell \(read.cell) over number \(read.number)")
                }
            }
        }
        for (index, entry) in history.enumerated() {
            for read in entry.reads {
                if let next = nextWriters[Place(cell: read.cell, number: read.number)] {
                    add(index, before: next)
                }
                guard read.number > 0 else { continue }
                let place = Place(cell: read.cell, number: read.number - 1)
                if let writer = nextWriters[place] {
                    add(writer, before: index)
                } else {
                    problems.append("nobody wrote number \(read.number) of cell \(read.cell)")
                }
            }
        }
    }

    private mutating func addTime(_ history: [History.Entry]) {
        let byEnd = history.indices.sorted { history[$0].ended < history[$1].ended }
        for (moment, index) in byEnd.enumerated() {
            add(index, before: history.count + moment)
            if moment > 0 { add(history.count + moment - 1, before: history.count + moment) }
        }
        let ends = byEnd.map { history[$0].ended }
        for (index, entry) in history.enumerated() {
            var low = 0
            var high = ends.count
            while low < high {
                let middle = (low + high) / 2
                if ends[middle] < entry.began { low = middle + 1 } else { high = middle }
            }
            if low > 0 { add(history.count + low - 1, before: index) }
        }
    }

    /// How many nodes have their place in an order; Kahn, CACM 5(11), 1962.
    private func orderedCount() -> Int {
        var counts = predecessorCounts
        var ready = counts.indices.filter { counts[$0] == 0 }
        var ordered = 0
        while let node = ready.popLast() {
            ordered += 1
            for next in successors[node] {
                counts[Int(next)] -= 1
                if counts[Int(next)] == 0 { ready.append(Int(next)) }
            }
        }
        return ordered
    }
}
