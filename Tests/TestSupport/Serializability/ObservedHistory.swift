/// A history reduced to what matters for its order: for each transaction whose values it read first
/// and which registers it left changed.
struct ObservedHistory {
    struct Read {
        var register: Int
        var value: Int64
        /// The node that wrote the value; `initialWriter` if it was there before all.
        var writer: Int
    }

    struct Write {
        var register: Int
        var value: Int64
    }

    struct Node {
        /// Its place in the history.
        var source: Int
        var began: UInt64
        var ended: UInt64
        var reads: [Read] = []
        /// Those that count: of a failed transaction none.
        var writes: [Write] = []
    }

    static let initialWriter = -1

    /// In the order in which they began. Registers are numbered from 0 without gaps.
    private(set) var nodes: [Node] = []
    private(set) var registerCount = 0
    private(set) var problems: [String] = []

    private struct Version: Hashable {
        var register: Int
        var value: Int64
    }

    private let history: [RecordedTransaction]
    private let initial: [Int: Int64]
    /// By place in the history.
    private var firstReads: [[Version]] = []
    private var lastWrites: [[Version]] = []
    private var writers: [Version: Int] = [:]
    /// Values that their own transaction overwrote.
    private var passing: [Version: Int] = [:]

    init(_ history: [RecordedTransaction], initial: [Int: Int64]) {
        self.history = history
        self.initial = initial
        for index in history.indices { replay(index) }
        for index in history.indices {
            for version in lastWrites[index] { addWriter(index, version) }
        }
        var ends = history.map { $0.outcome == .unknown ? nil : $0.ended }
        for index in history.indices {
            for version in firstReads[index] { addReader(index, version, &ends) }
        }
        if problems.isEmpty { makeNodes(ends) }
    }

    /// Follows a transaction's own reads and writes.
    private mutating func replay(_ index: Int) {
        var seen: [Int: Int64] = [:]
        var own: [Int: Int64] = [:]
        for operation in history[index].operations {
            switch operation {
            case .read(let register, let value):
                if let expected = own[register] ?? seen[register], expected != value {
                    problems.append(
                        "\(history[index]) reads \(value) where it has \(expected) already")
                }
                if own[register] == nil { seen[register] = value }
            case .write(let register, let value):
                if let old = own.updateValue(value, forKey: register) {
                    passing[Version(register: register, value: old)] = index
                }
            }
        }
        firstReads.append(seen.map { Version(register: $0, value: $1) })
        lastWrites.append(own.map { Version(register: $0, value: $1) })
    }

    private mutating func addWriter(_ index: Int, _ version: Version) {
        let other = writers.updateValue(index, forKey: version)
        if let other {
            problems.append("both write one value: \(history[other]) and \(history[index])")
        } else if isInitial(version) {
            problems.append("writes the value that was there at first: \(history[index])")
        }
    }

    private func isInitial(_ version: Version) -> Bool {
        initial[version.register, default: 0] == version.value
    }

    /// - Parameter ends: of those with an unknown outcome nil as long as nobody saw their values.
    private mutating func addReader(_ index: Int, _ version: Version, _ ends: inout [UInt64?]) {
        let reader = history[index]
        guard let writer = writers[version] else {
            if let writer = passing[version] {
                problems.append("\(reader) saw the middle of \(history[writer])")
            } else if !isInitial(version) {
                problems.append("nobody wrote \(version.register)=\(version.value): \(reader)")
            }
            return
        }
        switch history[writer].outcome {
        case .committed: break
        case .aborted: problems.append("\(reader) saw what failed: \(history[writer])")
        case .unknown: ends[writer] = min(ends[writer] ?? .max, reader.ended)
        }
        if history[writer].began > reader.ended {
            problems.append("\(reader) saw what had not begun: \(history[writer])")
        }
        if writer == index { problems.append("saw its own write before it was made: \(reader)") }
    }

    private mutating func makeNodes(_ ends: [UInt64?]) {
        var numbers: [Int: Int] = [:]
        func counts(_ index: Int) -> Bool {
            history[index].outcome != .aborted && ends[index] != nil
        }
        let sources = history.indices.filter { index in
            !firstReads[index].isEmpty || (counts(index) && !lastWrites[index].isEmpty)
        }.sorted { (history[$0].began, $0) < (history[$1].began, $1) }
        var places = Array(repeating: ObservedHistory.initialWriter, count: history.count)
        for (place, source) in sources.enumerated() { places[source] = place }
        func number(_ register: Int) -> Int {
            if let known = numbers[register] { return known }
            numbers[register] = numbers.count
            return numbers.count - 1
        }
        for source in sources {
            let entry = history[source]
            let end = ends[source] ?? entry.ended
            var node = Node(source: source, began: entry.began, ended: max(entry.began, end))
            node.reads = firstReads[source].map { version in
                Read(
                    register: number(version.register), value: version.value,
                    writer: writers[version].map { places[$0] } ?? Self.initialWriter)
            }
            if counts(source) {
                node.writes = lastWrites[source].map { version in
                    Write(register: number(version.register), value: version.value)
                }
            }
            nodes.append(node)
        }
        registerCount = numbers.count
        registers = Array(repeating: 0, count: registerCount)
        for (register, number) in numbers { registers[number] = register }
    }

    /// The registers as the history names them.
    private(set) var registers: [Int] = []
}
