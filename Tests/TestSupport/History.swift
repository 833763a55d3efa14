import Core

/// Transactions on a few cells, with a record of what each of them saw and when.
///
/// A cell holds the number of times it was written: so what a transaction read tells between which
/// two writers of the cell it stands, and a history can be checked without looking at the space.
public enum History {
    /// One committed transaction.
    public struct Entry: Sendable {
        /// Nanoseconds of the monotonic clock before the transaction began and after it ended.
        public var began: UInt64
        public var ended: UInt64
        /// Cells and the numbers read from them.
        public var reads: [(cell: Int, number: UInt64)] = []
        /// Cells that were given the number behind the one read.
        public var writes: [Int] = []

        public init(began: UInt64, ended: UInt64) {
            self.began = began
            self.ended = ended
        }
    }

    public static let cellCount = 12
    private static let wordsPerWorker = 1 << 17
    private static func firstWord(_ worker: Int) -> Int { 4096 + worker * wordsPerWorker }

    /// Three cells share a line, others share a page.
    static func cell(_ index: Int) -> Address {
        Address(region: 1, offset: 0x8000 + UInt64(index / 3) * 1088 + UInt64(index % 3) * 8)
    }

    /// Runs transactions and leaves their record on the scoreboard, as far as there is room.
    public static func run(
        _ space: Space, worker: Int, seed: UInt64, count: Int, _ board: Scoreboard
    ) throws {
        var generator = SeededGenerator(seed: seed)
        let first = firstWord(worker)
        var place = first + 1
        for _ in 0..<count where place + 32 < first + wordsPerWorker {
            let cells = (0..<Int.random(in: 1...5, using: &generator)).map { _ in
                Int.random(in: 0..<cellCount, using: &generator)
            }
            let writeCount = max(0, Int.random(in: -1...cells.count, using: &generator))
            let written = Set(cells.prefix(writeCount)).sorted()
            var entry = Entry(began: monotonicNanoseconds(), ended: 0)
            entry.reads = try space.transact { tx throws(TransactionError) in
                var reads: [(cell: Int, number: UInt64)] = []
                for index in cells { reads.append((index, try tx.load(cell(index)))) }
                for index in written {
                    try tx.store(try tx.load(cell(index), as: UInt64.self) + 1, at: cell(index))
                }
                return reads
            }
            entry.ended = monotonicNanoseconds()
            entry.writes = written
            place = record(entry, at: place, board)
            board[first] = UInt64(place)
        }
    }

    private static func record(_ entry: Entry, at place: Int, _ board: Scoreboard) -> Int {
        board[place] = entry.began
        board[place + 1] = entry.ended
        board[place + 2] = UInt64(entry.reads.count)
        for (index, read) in entry.reads.enumerated() {
            let isWritten = entry.writes.contains(read.cell)
            board[place + 3 + index] =
                read.number << 8 | UInt64(read.cell) << 1 | (isWritten ? 1 : 0)
        }
        return place + 3 + entry.reads.count
    }

    /// What a worker left on the scoreboard.
    public static func entries(_ worker: Int, _ board: Scoreboard) -> [Entry] {
        let first = firstWord(worker)
        var entries: [Entry] = []
        var place = first + 1
        while place < Int(board[first]) {
            var entry = Entry(began: board[place], ended: board[place + 1])
            let count = Int(board[place + 2])
            for index in place + 3..<place + 3 + count {
                let cell = Int(board[index] >> 1 & 0x7f)
                entry.reads.append((cell, board[index] >> 8))
                if board[index] & 1 != 0, !entry.writes.contains(cell) { entry.writes.append(cell) }
            }
            entries.append(entry)
            place += 3 + count
        }
        return entries
    }
}
