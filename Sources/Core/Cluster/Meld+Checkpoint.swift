/// The rule's whole state as bytes, least significant byte first.
///
///     0    format 4, window 4, claim length 8
///     16   index 8, position 8, hash 8, milliseconds 8, ordinal 8
///     56   claims 4 (0 or 1), each: machine 4, epoch 8, slot 4, position 8, long 4
///          machines 4, each: machine 4, count of verdicts 4, epoch 8, number 8, epoch and number
///          of its newest record with transactions 16, first position 8, a bit for each verdict
///          what was before the first record: index 8, position 8, hash 8
///          records 4, each: index 8, (its transactions << 1 | whether it counts) 4, a bit for each
///
/// The lines of the window are not in it. `init(checkpoint:)` leaves them out, and `needed` tells
/// which records have to be melded again first, with the verdicts that are known.
extension Meld {
    private static let format: UInt32 = 1

    /// Records after this index have to stay in the log for a machine that begins with this state.
    public var needed: LogIndex { self[neededOrdinal - 1].index }

    /// The first record of the window, or of parts that belong to a record of the window.
    private var neededOrdinal: UInt64 {
        let windowFirst = ordinal >= windowSize ? ordinal - windowSize + 1 : 1
        var first = windowFirst
        for ordinal in stride(from: windowFirst, through: ordinal, by: 1) {
            first = min(first, self[ordinal].firstOrdinal)
        }
        return first
    }

    /// Whether records up to the checkpoint that this began with have to be melded again.
    public var isMeldingAgain: Bool { !known.isEmpty }

    /// The state, to begin with elsewhere or later.
    public var checkpoint: [UInt8] {
        precondition(!isMeldingAgain)
        var writer = ByteWriter()
        writer.write(Meld.format)
        writer.write(UInt32(windowSize))
        for number in [claimLength, index.rawValue, position, hash, milliseconds, ordinal] {
            writer.write(number)
        }
        writer.writeCount(claim == nil ? 0 : 1)
        if let claim {
            writer.write(claim.holder.machine)
            writer.write(claim.holder.epoch)
            writer.write(claim.slot)
            writer.write(claim.position)
            writer.write(UInt32(claim.isLong ? 1 : 0))
        }
        writer.writeCount(senders.count)
        for (machine, sender) in senders.sorted(by: { $0.key < $1.key }) {
            writer.write(machine)
            writer.writeCount(sender.commits.count)
            for number in [
                sender.epoch, sender.number, sender.decidedEpoch, sender.decidedNumber,
                sender.firstPosition,
            ] { writer.write(number) }
            writer.writeBits(sender.commits)
        }
        let first = neededOrdinal
        let start = self[first - 1]
        for number in [start.index.rawValue, start.position, start.hash] { writer.write(number) }
        writer.writeCount(Int(ordinal + 1 - first))
        for ordinal in stride(from: first, through: ordinal, by: 1) {
            let record = self[ordinal]
            writer.write(record.index.rawValue)
            writer.writeCount(record.commits.count << 1 | (record.counts ? 1 : 0))
            writer.writeBits(record.commits)
        }
        return writer.bytes
    }

    /// The state of a checkpoint. Before anything else come the records after `index` again, up to
    /// where the checkpoint was made, while `isMeldingAgain`.
    public init(checkpoint: [UInt8]) throws(RecordError) {
        var reader = ByteReader(checkpoint)
        guard try reader.read() == Meld.format else { throw .unknownFormat }
        let windowSize: UInt32 = try reader.read()
        let claimLength: UInt64 = try reader.read()
        try reader.check(windowSize > 0 && windowSize <= 1 << 20 && claimLength <= 1 << 20)
        self.init(windowSize: Int(windowSize), claimLength: Int(claimLength))
        let end: UInt64 = try reader.read()
        let (position, hash): (UInt64, UInt64) = (try reader.read(), try reader.read())
        milliseconds = try reader.read()
        let ordinal: UInt64 = try reader.read()
        try reader.check(position < 1 << 62 && ordinal < 1 << 62)
        claim = try Meld.readClaim(&reader, position)
        senders = try Meld.readSenders(&reader)
        before.index = LogIndex(try reader.read())
        before.position = try reader.read()
        before.hash = try reader.read()
        try reader.check(before.position <= position)
        try readKnown(&reader, ordinal)
        try reader.check((known.first?.index ?? before.index).rawValue == end)
        try reader.check((known.first?.position ?? before.position) == position)
        try reader.check((known.first?.hash ?? before.hash) == hash)
        try reader.finish()
        (self.index, self.position, self.hash) = (before.index, before.position, before.hash)
    }

    private static func readClaim(
        _ reader: inout ByteReader, _ position: UInt64
    ) throws(RecordError) -> Claim? {
        let count: UInt32 = try reader.read()
        try reader.check(count <= 1)
        guard count == 1 else { return nil }
        let holder = Member(machine: try reader.read(), epoch: try reader.read())
        let slot: UInt32 = try reader.read()
        let begin: UInt64 = try reader.read()
        let isLong: UInt32 = try reader.read()
        try reader.check(begin <= position && isLong <= 1)
        return Claim(holder: holder, slot: slot, position: begin, isLong: isLong == 1)
    }

    private static func readSenders(
        _ reader: inout ByteReader
    ) throws(RecordError) -> [UInt32: Sender] {
        var senders: [UInt32: Sender] = [:]
        for _ in 0..<(try reader.readCount(ofSize: 48)) {
            let machine: UInt32 = try reader.read()
            let count = Int(try reader.read(UInt32.self))
            var sender = Sender()
            sender.epoch = try reader.read()
            sender.number = try reader.read()
            sender.decidedEpoch = try reader.read()
            sender.decidedNumber = try reader.read()
            sender.firstPosition = try reader.read()
            sender.commits = try reader.readBits(count: count)
            try reader.check(senders.updateValue(sender, forKey: machine) == nil)
        }
        return senders
    }

    /// Reads what became of the records that are melded again, and computes the hashes.
    private mutating func readKnown(
        _ reader: inout ByteReader, _ ordinal: UInt64
    ) throws(RecordError) {
        var last = before
        let count = try reader.readCount(ofSize: 12)
        try reader.check(UInt64(count) <= min(ordinal, windowSize * 2))
        for _ in 0..<count {
            let index = LogIndex(try reader.read())
            let word: UInt32 = try reader.read()
            try reader.check(index > last.index && (word & 1 == 1 || word == 0))
            last = Melded(
                index: index, counts: word & 1 == 1,
                commits: try reader.readBits(count: Int(word >> 1)), position: last.position,
                hash: last.hash, firstOrdinal: 0)
            for commits in last.commits {
                last.position += 1
                last.hash = Meld.hash(last.hash, last.position, commits)
            }
            known.append(last)
        }
        known.reverse()
        self.ordinal = ordinal - UInt64(count)
        firstMelded = self.ordinal + 1
    }
}
