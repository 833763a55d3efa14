import RainbowCore

/// Transactions on a few cells, with a record of what each of them saw and when.
///
/// A cell holds the number of times it was written: so what a transaction read tells between which
/// two writers of the cell it stands, and a history can be checked without looking at the space.
public enum History {
    public static let cellCount = 12
    private static let wordsPerWorker = 1 << 17
    private static func firstWord(_ worker: Int) -> Int { 4096 + worker * wordsPerWorker }

    /// Three cells share a line, others share a page.
    static func cell(_ index: Int) -> Address {
        Address(region: 1, offset: 0x8000 + UInt64(index / 3) * 1088 + UInt64(index % 3) * 8)
    }

    /// How a transaction is run.
    public enum Kind: Sendable {
        case short
        /// One operation at a time, by an `OpenTransaction`.
        case open
        /// Reads only, of a snapshot, which shows the version at which it was taken.
        case snapshot
    }

    private struct Plan {
        var kind: Kind
        var cells: [Int]
        var written: [Int]
    }

    /// Runs transactions and leaves their record on the scoreboard, as far as there is room.
    public static func run(
        _ space: Space, worker: Int, seed: UInt64, count: Int, kinds: [Kind] = [.short],
        _ board: Scoreboard
    ) throws {
        var generator = SeededGenerator(seed: seed)
        let first = firstWord(worker)
        var place = first + 1
        for _ in 0..<count where place + 32 < first + wordsPerWorker {
            let cells = (0..<Int.random(in: 1...5, using: &generator)).map { _ in
                Int.random(in: 0..<cellCount, using: &generator)
            }
            let writeCount = max(0, Int.random(in: -1...cells.count, using: &generator))
            var plan = Plan(
                kind: kinds.count == 1 ? kinds[0] : kinds.randomElement(using: &generator)!,
                cells: cells, written: Set(cells.prefix(writeCount)).sorted())
            if plan.kind == .snapshot { plan.written = [] }
            let began = monotonicNanoseconds()
            let (numbers, ended) = try carryOut(plan, space)
            board[place] = began
            board[place + 1] = ended
            board[place + 2] = UInt64(cells.count)
            for (index, cell) in cells.enumerated() {
                let isWritten = plan.written.contains(cell)
                board[place + 3 + index] =
                    numbers[index] << 8 | UInt64(cell) << 1 | (isWritten ? 1 : 0)
            }
            place += 3 + cells.count
            board[first] = UInt64(place)
        }
    }

    /// - Returns: what was read, and a time after it took place.
    private static func carryOut(
        _ plan: Plan, _ space: Space
    ) throws -> (numbers: [UInt64], ended: UInt64) {
        switch plan.kind {
        case .short:
            let numbers = try space.transact { tx throws(TransactionError) in
                var numbers: [UInt64] = []
                for index in plan.cells { numbers.append(try tx.load(cell(index))) }
                try countUp(plan.written, &tx)
                return numbers
            }
            return (numbers, monotonicNanoseconds())
        case .open:
            return (try carryOutOpen(plan, space), monotonicNanoseconds())
        case .snapshot:
            let name = "history \(monotonicNanoseconds()) \(plan.cells)"
            let snapshot = try space.takeSnapshot(named: name)
            defer { snapshot.end() }
            let ended = monotonicNanoseconds()
            let numbers = try plan.cells.map { index in
                try space.read(at: snapshot) { tx in try tx.load(cell(index), as: UInt64.self) }
            }
            return (numbers, ended)
        }
    }

    private static func carryOutOpen(_ plan: Plan, _ space: Space) throws -> [UInt64] {
        let transaction = try space.begin(name: "history")
        var lossCount = 0
        while true {
            let numbers = try plan.cells.map { index in
                try transaction.perform { tx in try tx.load(cell(index), as: UInt64.self) }
            }
            try transaction.perform { tx in try countUp(plan.written, &tx) }
            do {
                try transaction.commit()
                return numbers
            } catch TransactionError.conflict {
                lossCount += 1
                try transaction.restart(isSerial: lossCount > 2)
            }
        }
    }

    private static func countUp(
        _ cells: [Int], _ tx: inout Transaction
    ) throws(TransactionError) {
        for index in cells {
            try tx.store(try tx.load(cell(index), as: UInt64.self) + 1, at: cell(index))
        }
    }

    /// What a worker left on the scoreboard: all that it committed.
    public static func entries(_ worker: Int, _ board: Scoreboard) -> [RecordedTransaction] {
        let first = firstWord(worker)
        var entries: [RecordedTransaction] = []
        var place = first + 1
        while place < Int(board[first]) {
            let words = (place + 3..<place + 3 + Int(board[place + 2])).map { board[$0] }
            let reads = words.map { (cell: Int($0 >> 1 & 0x7f), number: Int64($0 >> 8)) }
            var operations = reads.map { RecordedTransaction.Operation.read($0.cell, $0.number) }
            for (word, read) in zip(words, reads) where word & 1 != 0 {
                let write = RecordedTransaction.Operation.write(read.cell, read.number + 1)
                if !operations.contains(write) { operations.append(write) }
            }
            entries.append(
                RecordedTransaction(
                    "worker \(worker)", board[place], board[place + 1], operations))
            place += 3 + words.count
        }
        return entries
    }
}
