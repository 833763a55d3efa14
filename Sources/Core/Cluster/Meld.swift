/// The rule by which all machines of a cluster decide alike: it takes the records of the log in
/// their order, and says of each transaction in them whether it commits.
///
/// *Positions.* Each transaction gets the next number, also one that loses. It is the version of
/// the lines that the transaction writes.
///
/// *Conflicts.* A transaction says at which position, its stamp, all that it read was unchanged. It
/// commits if none of these lines was written after its stamp. To tell that, the rule keeps the
/// lines written by the newest `windowSize` records. A stamp older than these loses.
///
/// *Serial mode.* A slot that lost too often claims the space. While the claim holds, all others
/// lose. It ends with the next transaction of its slot, a release, a fence, or, unless it is a long
/// one, after `claimLength` positions. A claim made while another holds has no effect.
///
/// *Epochs.* A join begins an epoch of its machine and ends the one before; a fence ends one.
/// Records of an epoch that is over, and those whose number is not higher than the member's newest,
/// count for nothing and get no positions.
///
/// *Parts.* Writes that came in parts belong to the first transaction of the member's next record
/// with transactions. If these are not all the parts that it has, or some are older than the
/// window, it loses.
///
/// What it decides depends on the order of the records only. So a machine that begins with a
/// checkpoint (`Meld+Checkpoint.swift`) decides as one that saw the whole log.
public struct Meld: Sendable {
    public static let windowSize = 1024
    public static let claimLength = 1024

    /// What became of a record.
    public struct Outcome: Hashable, Sendable {
        /// Whether the record counts: it is no repetition, and its epoch is not over.
        public var counts = false
        /// For each of its transactions, whether it commits.
        public var commits: [Bool] = []
        /// The position of the first of them.
        public var firstPosition: UInt64 = 0
        /// Writes of the first of them that came in parts.
        public var parts: [LineWrite] = []
        /// When all of them happened: milliseconds since 1970, never before those of older records.
        public var milliseconds: UInt64 = 0
        /// Whether the sender decided otherwise before, so that one of the two is broken.
        public var hasOtherHash = false
    }

    /// Serial mode, asked for and got.
    public struct Claim: Hashable, Sendable {
        public var holder: Member
        public var slot: UInt32
        /// The newest position when it began.
        public var position: UInt64
        /// Whether positions do not end it.
        public var isLong: Bool
    }

    /// What is known of a machine.
    public struct Sender: Hashable, Sendable {
        /// The machine's epoch.
        public var epoch: UInt64 = 0
        /// Its newest record in it; the highest number if the epoch is over.
        public var number: UInt64 = 0
        /// The newest record with transactions, of this epoch or one before, and what became of
        /// them: its sender may learn it from here, after its records are gone from the log.
        public var decidedEpoch: UInt64 = 0
        public var decidedNumber: UInt64 = 0
        public var firstPosition: UInt64 = 0
        public var commits: [Bool] = []
    }

    /// What a later start needs to know of a record.
    struct Melded: Hashable, Sendable {
        var index: LogIndex
        var counts: Bool
        var commits: [Bool]
        /// Position and hash after it.
        var position: UInt64
        var hash: UInt64
        /// Its ordinal, or that of the first part that belongs to it.
        var firstOrdinal: UInt64
    }

    /// Parts of an intention that has not come yet.
    struct OpenParts: Hashable, Sendable {
        var epoch: UInt64
        /// The ordinal of the first.
        var ordinal: UInt64
        var count = 0
        var writes: [LineWrite] = []
    }

    /// The position of the newest transaction.
    public internal(set) var position: UInt64 = 0
    /// A hash of all verdicts up to there.
    public internal(set) var hash: UInt64 = 0
    public internal(set) var milliseconds: UInt64 = 0
    /// The newest record.
    public internal(set) var index = LogIndex.start
    public internal(set) var claim: Claim?
    public internal(set) var senders: [UInt32: Sender] = [:]

    let windowSize: UInt64
    let claimLength: UInt64
    /// Records so far: the ordinal of the newest one.
    var ordinal: UInt64 = 0
    /// The newest records, at least those that `neededOrdinal` names, and the ordinal of the first.
    var melded: [Melded] = []
    var firstMelded: UInt64 = 1
    /// What was before the first of these.
    var before = Melded(
        index: .start, counts: false, commits: [], position: 0, hash: 0, firstOrdinal: 0)
    var openParts: [UInt32: OpenParts] = [:]
    private var newest = NewestWrites()
    /// Verdicts of records up to a checkpoint, newest first, which are melded again.
    var known: [Melded] = []

    /// A rule that has seen nothing. All machines must have the same sizes.
    public init(windowSize: Int = Meld.windowSize, claimLength: Int = Meld.claimLength) {
        self.windowSize = UInt64(windowSize)
        self.claimLength = UInt64(claimLength)
    }

    /// The position before the window that the next record is decided with.
    public var windowStart: UInt64 {
        ordinal > windowSize ? self[ordinal - windowSize].position : 0
    }

    subscript(ordinal: UInt64) -> Melded {
        ordinal < firstMelded ? before : melded[Int(ordinal - firstMelded)]
    }

    /// Decides the next record of the log.
    /// - Throws: `otherLog` if it is not the one that was there when the checkpoint was made.
    public mutating func meld(
        _ record: Record, at index: LogIndex
    ) throws(RecordError) -> Outcome {
        let past = known.popLast()
        guard index > self.index, past == nil || past?.index == index else { throw .otherLog }
        var outcome = Outcome()
        outcome.counts = past?.counts ?? accept(record)
        outcome.firstPosition = position + 1
        let ownOrdinal = ordinal + 1
        var firstOrdinal = ownOrdinal
        if outcome.counts {
            outcome.hasOtherHash = !agrees(record)
            milliseconds = max(milliseconds, record.milliseconds)
            switch record.content {
            case .intentions(let intentions, let partCount):
                var isWhole = partCount == 0
                if let parts = takeParts(of: record.sender), parts.count == partCount {
                    isWhole = true
                    (outcome.parts, firstOrdinal) = (parts.writes, parts.ordinal)
                }
                if let past, past.commits.count != intentions.count { throw .otherLog }
                decide(intentions, of: record, isWhole, past?.commits, &outcome)
            case .part(let index, let writes):
                add(writes, asPart: index, of: record.sender)
            case .claim(let slot, let isLong):
                if past == nil { beginClaim(record.sender, slot, isLong) }
            case .release:
                if past == nil, claim?.holder == record.sender { claim = nil }
            case .join:
                openParts[record.sender.machine] = nil
            case .fence(let member):
                _ = takeParts(of: member)
            }
        }
        outcome.milliseconds = milliseconds
        self.index = index
        ordinal = ownOrdinal
        append(
            Melded(
                index: index, counts: outcome.counts, commits: outcome.commits, position: position,
                hash: hash, firstOrdinal: firstOrdinal))
        return outcome
    }
}

extension Meld {
    /// Whether a record counts; notes what it says of epochs and numbers.
    private mutating func accept(_ record: Record) -> Bool {
        let sender = record.sender
        if case .join = record.content {
            guard sender.epoch > senders[sender.machine]?.epoch ?? 0 else { return false }
            end(senders[sender.machine]?.epoch ?? 0, of: sender.machine)
            senders[sender.machine, default: Sender()].epoch = sender.epoch
        } else {
            guard let known = senders[sender.machine], known.epoch == sender.epoch,
                record.number > known.number
            else { return false }
        }
        senders[sender.machine]?.number = record.number
        if case .fence(let member) = record.content { end(member.epoch, of: member.machine) }
        return true
    }

    /// Ends a machine's epoch, with its claim, if it is still in that one.
    private mutating func end(_ epoch: UInt64, of machine: UInt32) {
        guard senders[machine]?.epoch == epoch else { return }
        senders[machine]?.number = .max
        if claim?.holder == Member(machine: machine, epoch: epoch) { claim = nil }
    }

    /// Whether the sender had the same verdicts as this machine, as far as that can be told.
    private func agrees(_ record: Record) -> Bool {
        if record.position > position { return false }
        if record.position == position { return record.hash == hash }
        var ordinal = ordinal
        while ordinal >= firstMelded, self[ordinal].position > record.position { ordinal -= 1 }
        return self[ordinal].position != record.position || self[ordinal].hash == record.hash
    }

    /// Whether parts are all within the window of the next record: what it decides depends on no
    /// others.
    func isInWindow(_ parts: OpenParts) -> Bool { parts.ordinal + windowSize > ordinal }

    /// Takes out the parts that a member sent so far; nil if the first is older than the window.
    private mutating func takeParts(of member: Member) -> OpenParts? {
        guard openParts[member.machine]?.epoch == member.epoch,
            let parts = openParts.removeValue(forKey: member.machine)
        else { return nil }
        return isInWindow(parts) ? parts : nil
    }

    private mutating func add(_ writes: [LineWrite], asPart index: Int, of member: Member) {
        var parts = takeParts(of: member) ?? OpenParts(epoch: member.epoch, ordinal: ordinal + 1)
        if index == 0 { parts = OpenParts(epoch: member.epoch, ordinal: ordinal + 1) }
        guard index == parts.count else { return }
        parts.writes += writes
        parts.count += 1
        openParts[member.machine] = parts
    }

    private mutating func beginClaim(_ holder: Member, _ slot: UInt32, _ isLong: Bool) {
        endClaimByLength()
        if claim == nil {
            claim = Claim(holder: holder, slot: slot, position: position, isLong: isLong)
        }
    }

    private mutating func endClaimByLength() {
        if let held = claim, !held.isLong, position - held.position >= claimLength { claim = nil }
    }

    /// - Parameter known: the verdicts, if the record is melded again.
    private mutating func decide(
        _ intentions: [Intention], of record: Record, _ isWhole: Bool, _ known: [Bool]?,
        _ outcome: inout Outcome
    ) {
        let windowStart = windowStart
        outcome.commits.reserveCapacity(intentions.count)
        for (index, intention) in intentions.enumerated() {
            let commits: Bool
            if let known {
                commits = known[index]
            } else {
                // Both have effects: a claim ends with its holder's transaction even if that loses.
                let isAllowed = isAllowedByClaim(intention, of: record.sender)
                commits =
                    isAllowed && (isWhole || index > 0) && isUnchanged(intention, windowStart)
            }
            position += 1
            hash = Meld.hash(hash, position, commits)
            outcome.commits.append(commits)
            guard commits else { continue }
            if index == 0 { note(outcome.parts, windowStart) }
            note(intention.writes, windowStart)
            for fill in intention.fills {
                for line in fill.lines {
                    newest.note(line, at: position, windowStart: windowStart)
                }
            }
        }
        if known == nil {
            senders[record.sender.machine]?.decidedEpoch = record.sender.epoch
            senders[record.sender.machine]?.decidedNumber = record.number
            senders[record.sender.machine]?.firstPosition = outcome.firstPosition
            senders[record.sender.machine]?.commits = outcome.commits
        }
    }

    private mutating func note(_ writes: [LineWrite], _ windowStart: UInt64) {
        for write in writes {
            newest.note(
                write.address >> Address.lineShift, at: position, windowStart: windowStart)
        }
    }

    /// Whether serial mode lets a transaction commit. Ends a claim that is over.
    private mutating func isAllowedByClaim(_ intention: Intention, of sender: Member) -> Bool {
        endClaimByLength()
        guard let held = claim else { return true }
        guard held.holder == sender, held.slot == intention.slot else { return false }
        claim = nil
        return true
    }

    /// Whether nothing that a transaction read was written after its stamp.
    private func isUnchanged(_ intention: Intention, _ windowStart: UInt64) -> Bool {
        guard intention.stamp >= windowStart, intention.stamp <= position else { return false }
        for read in intention.reads {
            let firstLine = read.page << (Address.pageShift - Address.lineShift)
            var mask = read.mask
            while mask != 0 {
                let line = firstLine + UInt64(mask.trailingZeroBitCount)
                if newest[line] > intention.stamp { return false }
                mask &= mask - 1
            }
        }
        return intention.ranges.isEmpty
            || !newest.isAnyLine(of: intention.ranges, newerThan: intention.stamp)
    }

    private mutating func append(_ record: Melded) {
        melded.append(record)
        // What may be needed is not older than two windows: the second for parts.
        guard melded.count >= 8 * Int(windowSize) else { return }
        let gone = melded.count - 2 * Int(windowSize)
        before = melded[gone - 1]
        melded.removeFirst(gone)
        firstMelded += UInt64(gone)
    }

    /// The hash of all verdicts up to a position, from the one before: mixed as in MurmurHash3.
    static func hash(_ hash: UInt64, _ position: UInt64, _ commits: Bool) -> UInt64 {
        var value = hash ^ (position << 1 | (commits ? 1 : 0))
        value = (value ^ value >> 33) &* 0xff51_afd7_ed55_8ccd
        value = (value ^ value >> 33) &* 0xc4ce_b9fe_1a85_ec53
        return value ^ value >> 33
    }
}
