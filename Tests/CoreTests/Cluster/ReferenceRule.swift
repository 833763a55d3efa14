@testable import RainbowCore

/// Lines as a machine has them: two registers in each of a few lines, and the version of the line.
struct LineArray: Equatable {
    static let lineCount = 6
    static let registerCount = lineCount * 2
    private static let linesPerPage = 3
    static let pages: Range<UInt64> = 1..<1 + UInt64(lineCount / linesPerPage)

    private(set) var values = [UInt64](repeating: 0, count: registerCount)
    private(set) var versions = [UInt64](repeating: 0, count: lineCount)

    /// The words of a line that are registers.
    private static let words = [0, 5]

    static func address(ofLine line: Int) -> UInt64 {
        UInt64(line / linesPerPage + 1) << 12 + UInt64(line % linesPerPage) * 64
    }

    static func line(ofAddress address: UInt64) -> Int {
        (Int(address >> 12) - 1) * linesPerPage + Int(address >> 6 & 63)
    }

    static func write(_ value: UInt64, to register: Int) -> LineWrite {
        let word = words[register % 2]
        var bytes = SIMD8<UInt64>()
        bytes[word] = value
        return LineWrite(
            address: address(ofLine: register / 2), mask: 0xff << UInt64(word * 8), words: bytes)
    }

    /// A fill of one line: all its words, so both of its registers, get the header.
    static func fill(_ header: UInt64, line: Int) -> Intention.Fill {
        Intention.Fill(
            start: address(ofLine: line), stride: 8, count: 8, headerOffset: 0, header: header)
    }

    /// What a committed transaction writes, unless a line has it already.
    mutating func apply(
        _ fills: [Intention.Fill], _ writes: [LineWrite], at position: UInt64,
        overNewer: Bool = false
    ) {
        for fill in fills {
            let line = LineArray.line(ofAddress: fill.start)
            guard versions[line] < position || overNewer else { continue }
            values[line * 2] = fill.header
            values[line * 2 + 1] = fill.header
        }
        for write in writes {
            let line = LineArray.line(ofAddress: write.address)
            guard versions[line] < position || overNewer else { continue }
            for (index, word) in LineArray.words.enumerated()
            where write.mask >> UInt64(word * 8) & 0xff != 0 {
                values[line * 2 + index] = write.words[word]
            }
        }
        for fill in fills { note(LineArray.line(ofAddress: fill.start), position) }
        for write in writes { note(LineArray.line(ofAddress: write.address), position) }
    }

    private mutating func note(_ line: Int, _ position: UInt64) {
        versions[line] = max(versions[line], position)
    }

    /// The pages with a line newer than a position.
    func pages(newerThan position: UInt64) -> [StoredPage] {
        LineArray.pages.compactMap { page in
            let first = Int(page - 1) * LineArray.linesPerPage
            let lines = first..<first + LineArray.linesPerPage
            guard lines.contains(where: { versions[$0] > position }) else { return nil }
            return StoredPage(
                page: page,
                lines: lines.filter { versions[$0] > 0 }.map { line in
                    var words = SIMD8<UInt64>()
                    for index in 0..<2 { words[LineArray.words[index]] = values[line * 2 + index] }
                    return .init(index: UInt8(line - first), version: versions[line], words: words)
                })
        }
    }

    /// Takes the lines of stored pages that are newer than its own.
    /// - Returns: the newest version among them.
    mutating func install(_ pages: [StoredPage]) -> UInt64 {
        var newest: UInt64 = 0
        for page in pages {
            for stored in page.lines {
                newest = max(newest, stored.version)
                let line = Int(page.page - 1) * LineArray.linesPerPage + Int(stored.index)
                guard versions[line] < stored.version else { continue }
                versions[line] = stored.version
                for index in 0..<2 {
                    values[line * 2 + index] = stored.words[LineArray.words[index]]
                }
            }
        }
        return newest
    }
}

/// The rule once more, as simple as it can be: over the whole log, with all that was ever written.
final class ReferenceRule {
    struct Key: Hashable {
        var machine: UInt32
        var slot: UInt32
        var sequence: UInt64
    }

    private let windowSize: Int
    private let claimLength: UInt64
    private(set) var problems: [String] = []
    /// The lines after each position, from 0.
    private(set) var states = [LineArray()]
    /// For each position from 1, whether its transaction committed.
    private(set) var verdicts: [Bool] = []
    private(set) var committed: Set<Key> = []
    private var positionsAfter: [UInt64] = []
    private var epochs: [UInt32: (epoch: UInt64, isOver: Bool, numbers: Set<UInt64>)] = [:]
    private var claim: (holder: Member, slot: UInt32, position: UInt64, isLong: Bool)?
    /// The valid part records of each machine since its last record with transactions.
    private var parts: [UInt32: [(ordinal: Int, index: Int, writes: [LineWrite])]] = [:]

    init(windowSize: Int, claimLength: Int) {
        self.windowSize = windowSize
        self.claimLength = UInt64(claimLength)
    }

    var position: UInt64 { UInt64(verdicts.count) }

    func take(_ bytes: [UInt8]) {
        guard let record = try? Record(bytes) else {
            problems.append("a record that cannot be decoded")
            return
        }
        if counts(record) { take(record) }
        positionsAfter.append(position)
    }

    private func counts(_ record: Record) -> Bool {
        let sender = record.sender
        if record.content == .join {
            if let known = epochs[sender.machine], known.epoch >= sender.epoch { return false }
            epochs[sender.machine] = (sender.epoch, false, [record.number])
            return true
        }
        guard let known = epochs[sender.machine], known.epoch == sender.epoch, !known.isOver,
            known.numbers.allSatisfy({ $0 < record.number })
        else { return false }
        epochs[sender.machine]?.numbers.insert(record.number)
        return true
    }

    private func take(_ record: Record) {
        let sender = record.sender
        switch record.content {
        case .join:
            parts[sender.machine] = nil
            if claim?.holder.machine == sender.machine { claim = nil }
        case .fence(let member):
            if epochs[member.machine]?.epoch == member.epoch {
                epochs[member.machine]?.isOver = true
                parts[member.machine] = nil
                if claim?.holder == member { claim = nil }
            }
        case .release:
            if claim?.holder == sender { claim = nil }
        case .claim(let slot, let isLong):
            if let held = claim, !held.isLong, position - held.position >= claimLength {
                claim = nil
            }
            if claim == nil { claim = (sender, slot, position, isLong) }
        case .part(let index, let writes):
            parts[sender.machine, default: []].append((positionsAfter.count, index, writes))
        case .intentions(let intentions, let partCount):
            let own = (parts.removeValue(forKey: sender.machine) ?? []).suffix(partCount)
            let first = positionsAfter.count - windowSize
            let isWhole =
                own.map(\.index) == Array(0..<partCount) && own.allSatisfy { $0.ordinal >= first }
            for (index, intention) in intentions.enumerated() {
                let ownParts = index == 0 ? own.flatMap(\.writes) : []
                decide(intention, of: sender, isWhole || index > 0, ownParts)
            }
        }
    }

    private func decide(
        _ intention: Intention, of sender: Member, _ isWhole: Bool, _ parts: [LineWrite]
    ) {
        var commits = isWhole
        if let held = claim, !held.isLong, position - held.position >= claimLength { claim = nil }
        if let held = claim {
            if held.holder == sender, held.slot == intention.slot {
                claim = nil
            } else {
                commits = false
            }
        }
        let ordinal = positionsAfter.count
        let windowStart = ordinal > windowSize ? positionsAfter[ordinal - windowSize - 1] : 0
        if intention.stamp < windowStart || intention.stamp > position { commits = false }
        let versions = states[Int(position)].versions
        for line in 0..<LineArray.lineCount where versions[line] > intention.stamp {
            let number = LineArray.address(ofLine: line) >> 6
            let isRead = intention.reads.contains {
                $0.page == number >> 6 && $0.mask >> (number & 63) & 1 != 0
            }
            if isRead || intention.ranges.contains(where: { $0.contains(number) }) {
                commits = false
            }
        }
        var state = states[Int(position)]
        verdicts.append(commits)
        if commits {
            state.apply(intention.fills, parts + intention.writes, at: position)
            let key = Key(
                machine: sender.machine, slot: intention.slot, sequence: intention.sequence)
            if !committed.insert(key).inserted { problems.append("\(key) is committed twice") }
        }
        states.append(state)
    }
}
