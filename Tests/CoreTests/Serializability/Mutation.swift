import TestSupport

/// Ways to make a good history one that cannot be, each as a bug of a transaction system would.
enum Mutation: CaseIterable {
    case lostUpdate, writeSkew, staleRead, tornRead, failedRead, passingRead, thinAir, future
    case changingRead

    /// Changes a history at a random one of the places where this can be done.
    /// - Returns: false if there is no such place.
    func apply(to history: inout [RecordedTransaction], _ random: inout SeededGenerator) -> Bool {
        if self == .writeSkew {
            Mutation.addWriteSkew(to: &history)
            return true
        }
        let readers = history.indices.filter { history[$0].outcome == .committed }
        for reader in readers.shuffled(using: &random) {
            for case .read(let register, let value) in history[reader].operations {
                if change(&history, reader, register, value) { return true }
            }
        }
        return false
    }

    /// Changes what a transaction read from a register, if that is a place for this mutation.
    private func change(
        _ history: inout [RecordedTransaction], _ reader: Int, _ register: Int, _ value: Int64
    ) -> Bool {
        let fresh: Int64 = 1 << 40
        if self == .thinAir {
            history[reader].replaceRead(register, with: fresh)
            return true
        }
        if self == .changingRead {
            history[reader].operations.append(.read(register, fresh))
            return true
        }
        if self == .failedRead {
            let failed = history.first { $0.outcome == .aborted && $0.write(register) != nil }
            guard let seen = failed?.write(register) else { return false }
            history[reader].replaceRead(register, with: seen)
            return true
        }
        let writer = history.firstIndex { $0.outcome != .aborted && $0.write(register) == value }
        guard let writer else { return false }
        // What the writer is known to have written over.
        let old = history[writer].read(register)
        switch self {
        case .lostUpdate:
            guard history[writer].outcome == .committed, let old,
                history[reader].write(register) != nil
            else { return false }
            history[reader].replaceRead(register, with: old)
        case .staleRead:
            guard history[writer].outcome == .committed, let old,
                history[writer].ended < history[reader].began
            else { return false }
            history[reader].replaceRead(register, with: old)
        case .tornRead:
            let other = history[reader].operations.contains { operation in
                guard case .read(let other, let seen) = operation else { return false }
                return other != register && history[writer].write(other) == seen
            }
            guard other, let old else { return false }
            history[reader].replaceRead(register, with: old)
        case .passingRead:
            history[writer].operations.insert(.write(register, fresh), at: 0)
            if let old { history[writer].operations.insert(.read(register, old), at: 0) }
            history[writer].operations.removeAll { $0 == .read(register, old ?? fresh) }
            history[reader].replaceRead(register, with: fresh)
        case .future:
            history[writer].began = history[reader].ended + 1
            history[writer].ended = max(history[writer].ended, history[writer].began + 1)
        case .writeSkew, .failedRead, .thinAir, .changingRead: return false
        }
        return true
    }

    /// Two transactions at the end that read two registers, of which each writes one.
    private static func addWriteSkew(to history: inout [RecordedTransaction]) {
        let end = history.map(\.ended).max() ?? 0
        let fresh: Int64 = 1 << 41
        let first: [RecordedTransaction.Operation] = [.write(0, fresh), .write(1, fresh)]
        history.append(RecordedTransaction("before", end + 1, end + 2, first))
        let both: [RecordedTransaction.Operation] = [.read(0, fresh), .read(1, fresh)]
        for register in 0..<2 {
            let write = RecordedTransaction.Operation.write(register, fresh + 1)
            history.append(
                RecordedTransaction("skew \(register)", end + 3, end + 9, both + [write]))
        }
    }
}
