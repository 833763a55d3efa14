/// The last conflicts of a space, for those who look for what makes it slow: a ring in shared
/// memory.
///
/// Who lost draws a position from the head, which counts all conflicts, and writes entry
/// `position % conflictCount`; no transaction reads it. Nothing orders the
/// stores, and two who draw positions a whole lap apart may write one entry at once. So an entry
/// carries a check of its other words and its position: a reader leaves out an entry whose check
/// is wrong, which is one being written, mixed of two, left by a process that was killed, or never
/// written.
///
///     0   address of the line
///     8   milliseconds since the machine was started
///     16  check in the upper 48 bits, the node that lost in the lower 16
///     24  version that the line has since, 0 if it was locked at that time
@safe
struct ConflictLog {
    struct Entry: Equatable {
        var line: Address
        var milliseconds: UInt64
        var node: Int
        var version: UInt64
    }

    let meta: SharedMemory

    /// How many conflicts there were since the space was made.
    var head: SharedWord { meta[SpaceLayout.conflictHeadOffset] }

    func add(_ entry: Entry) {
        let position = head.add(1) &- 1
        let words = memory(position)
        words[0].storeRelaxed(entry.line.rawValue)
        words[8].storeRelaxed(entry.milliseconds)
        words[24].storeRelaxed(entry.version)
        words[16].storeRelaxed(ConflictLog.check(entry, position))
    }

    /// The entry of a position; nil if it is not whole, or gone.
    func entry(_ position: UInt64) -> Entry? {
        let words = memory(position)
        let third = words[16].load()
        let entry = Entry(
            line: Address(words[0].load()), milliseconds: words[8].load(),
            node: Int(third & 0xffff), version: words[24].load())
        return ConflictLog.check(entry, position) == third ? entry : nil
    }

    private func memory(_ position: UInt64) -> SharedMemory {
        let index = Int(position % UInt64(SpaceLayout.conflictCount))
        return meta.advanced(
            by: SpaceLayout.conflictsOffset + index * SpaceLayout.conflictEntrySize)
    }

    /// The third word of an entry: what multiplication by an odd number leaves in the upper bits
    /// depends on all words (Fibonacci hashing).
    private static func check(_ entry: Entry, _ position: UInt64) -> UInt64 {
        let node = UInt64(entry.node) & 0xffff
        var hash = mix(position &+ 1, node)
        hash = mix(hash, entry.line.rawValue)
        hash = mix(hash, entry.milliseconds)
        hash = mix(hash, entry.version)
        return hash & ~0xffff | node
    }

    private static func mix(_ hash: UInt64, _ word: UInt64) -> UInt64 {
        let product = (hash ^ word) &* 0x9e37_79b9_7f4a_7c15
        return product ^ product >> 29
    }
}

extension Transaction {
    /// One commit in this many is looked at for false sharing, and counts for as many.
    private static var sampleWeight: UInt64 { 64 }

    /// Whether this commit is one of those; spread evenly, and in no step with what a loop does.
    private var isSampled: Bool {
        (slot.commits.loadRelaxed() &* 0x9e37_79b9_7f4a_7c15) >> 58 == 0
    }

    /// Notes that the run lost on `conflictLine`.
    mutating func recordConflict() {
        let line = conflictLine
        conflictLine = 0
        slot.conflicts.storeRelaxed(slot.conflicts.loadRelaxed() &+ 1)
        let address = Address(line: line)
        var version: UInt64 = 0
        if let region = regions[containing: address.rawValue], region.isPresent(address.offset) {
            let word = region.lineWord(address.offset).load()
            if !LineWord.isLocked(word) { version = word }
        }
        ConflictLog(meta: owner.meta).add(
            ConflictLog.Entry(
                line: address, milliseconds: SystemCalls.bootMilliseconds(), node: owner.node,
                version: version))
    }

    /// Notes that the transaction is given up; one that had written nothing does not count.
    @usableFromInline @inline(never)
    mutating func countAbort() {
        guard entryCount > 0 || fillCount > 0 else { return }
        slot.aborts.storeRelaxed(slot.aborts.loadRelaxed() &+ 1)
    }

    /// Counts a commit whose lines are unchanged, if the same test would fail for whole pages: a
    /// sample of the short ones, and every one at a fixed view.
    /// - Parameter lock: the word of the commit's own locks.
    @inline(__always)
    mutating func countAvoidedFalseSharing(lock: UInt64) {
        if view != nil {
            countIfPageChanged(lock, weight: 1)
        } else if isSampled {
            countIfPageChanged(lock, weight: Transaction.sampleWeight)
        }
    }

    @inline(never)
    private mutating func countIfPageChanged(_ lock: UInt64, weight: UInt64) {
        guard sharesPage(lock: lock) else { return }
        slot.falseSharingAvoided.storeRelaxed(slot.falseSharingAvoided.loadRelaxed() &+ weight)
    }

    private mutating func sharesPage(lock: UInt64) -> Bool {
        var last = UInt64.max
        for index in 0..<readSet.count {
            let lines = readSet.lines(index)
            for page in lines.lowerBound >> 6...(lines.upperBound - 1) >> 6 where page != last {
                if hasNewLine(page, lock) { return true }
                last = page
            }
        }
        for index in 0..<entryCount {
            let page = log[index].address.loadRelaxed() >> Address.pageShift
            if page != last, hasNewLine(page, lock) { return true }
            last = page
        }
        return false
    }

    /// Whether another commit has changed any line of a page, or is about to.
    private mutating func hasNewLine(_ page: UInt64, _ lock: UInt64) -> Bool {
        let address = Address(page: page)
        guard let region = regions[containing: address.rawValue], region.isPresent(address.offset)
        else {
            return false
        }
        for line in 0..<UInt64(Address.pageSize / Address.lineSize) {
            let word = region.lineWord(address.offset + line << Address.lineShift).loadRelaxed()
            if word > readVersion, word != lock { return true }
        }
        return false
    }
}

/// The conflicts on one line of the space.
public struct LineConflicts: Equatable, Sendable {
    /// Where the line begins.
    public var line: Address
    public var count: Int
    /// Of the newest one, since the machine was started.
    public var milliseconds: UInt64
    /// The version that the line had after it; 0 if it was locked at that time.
    public var version: UInt64
}

extension Space {
    /// The conflicts among the last 4,096 of the space that are no older than a time, by line: the
    /// line with the most comes first.
    /// - Parameter since: milliseconds since the machine was started.
    public func conflicts(since: UInt64 = 0) -> [LineConflicts] {
        let log = ConflictLog(meta: meta)
        let end = log.head.load()
        let count = UInt64(SpaceLayout.conflictCount)
        var lines: [Address: LineConflicts] = [:]
        for position in (end > count ? end - count : 0)..<end {
            guard let entry = log.entry(position), entry.milliseconds >= since else { continue }
            let new = LineConflicts(
                line: entry.line, count: 0, milliseconds: entry.milliseconds,
                version: entry.version)
            lines[entry.line, default: new].add(entry)
        }
        return lines.values.sorted { ($1.count, $0.line) < ($0.count, $1.line) }
    }
}

extension LineConflicts {
    fileprivate mutating func add(_ entry: ConflictLog.Entry) {
        count += 1
        milliseconds = max(milliseconds, entry.milliseconds)
        version = max(version, entry.version)
    }
}
