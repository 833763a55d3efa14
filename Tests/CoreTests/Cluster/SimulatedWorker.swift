import TestSupport

@testable import RainbowCore

/// Something that a machine of a simulation does wrong, to show that the simulation notices.
enum Mistake: CaseIterable {
    case acknowledgesWhatIsAppended
    case proposesAgainWithoutJoin
    case readsNotComparedAgain
    case appliesOverNewerLines
    case pagesReadBeforeCheckpoint
    case windowNotMeldedAgain
    case readsBetweenPages
    case strictReadsNotStrict
    case trimsWindow
    case verdictsOfCheckpointIgnored
    case nextSentBeforeVerdicts
    case checkpointNewerThanPages
}

/// A thread of a machine: it runs transactions over its machine's lines, one after another.
struct SimulatedWorker {
    enum Phase { case idle, running, proposed, sent }

    var phase = Phase.idle
    var sequence: UInt64 = 0
    var began: UInt64 = 0
    /// Registers that it reads, what it read there, and the position at which it did.
    var reads: [(register: Int, value: UInt64)] = []
    var readPosition: UInt64 = 0
    var writes: [(register: Int, value: UInt64)] = []
    var fill: (line: Int, header: UInt64)?
    var hasRange = false
    var inParts = false
    var lossCount = 0
    var wantsLongClaim = false
    /// The record that has its proposal, and where in it.
    var record: (member: Member, number: UInt64, ordinal: Int)?

    var linesRead: Set<Int> { Set(reads.map { $0.register / 2 }) }
    var linesWritten: Set<Int> {
        var lines = Set(writes.map { $0.register / 2 })
        if let fill { lines.insert(fill.line) }
        return lines
    }

    /// What it did, for the history.
    var operations: [RecordedTransaction.Operation] {
        var written: [Int: UInt64] = [:]
        if let fill { for index in 0..<2 { written[fill.line * 2 + index] = fill.header } }
        for write in writes { written[write.register] = write.value }
        return reads.map { .read($0.register, Int64($0.value)) }
            + written.sorted { $0.key < $1.key }.map { .write($0.key, Int64($0.value)) }
    }
}
