import TestSupport

@testable import RainbowCore

/// One machine of a simulation: a replica with its workers, and the sequencer that serves them.
/// Each call of a function is one step; between any two, others may do anything.
final class SimulatedMachine {
    typealias Lines = LineArray

    let number: UInt32
    let engine: SimulatedEngine
    unowned let simulation: ClusterSimulation
    var mistake: Mistake?
    /// Clocks of machines differ.
    private let clockAhead: UInt64

    // The replica and its workers, which outlive the sequencer.
    var lines = Lines()
    /// The newest position that was applied.
    var position: UInt64 = 0
    /// Lines as new as this were fetched: before it is applied, the lines are not of one position.
    private var fetched: UInt64 = 0
    /// A state of the rule, not newer than the lines.
    private var saved: [UInt8]
    var workers: [SimulatedWorker]

    // The sequencer.
    private enum Phase { case down, joining, running }
    private var phase = Phase.down
    private var meld: Meld
    private(set) var member: Member?
    private var tail = LogIndex.start
    private var nextNumber: UInt64 = 1
    /// Records that wait to be sent, and the one that was sent.
    private var outgoing: [Record.Content] = []
    private var pending: (bytes: [UInt8], number: UInt64, index: LogIndex?)?
    private var needsCheckpoint = false
    private var checkpoint: SimulatedCheckpoint?
    private var awaited: (index: LogIndex, began: UInt64)?
    /// What was found out for a start with a checkpoint.
    private var foundCheckpoint: [UInt8]??
    private var foundPages: [StoredPage]?

    init(_ number: UInt32, _ simulation: ClusterSimulation, workerCount: Int) {
        self.number = number
        self.simulation = simulation
        mistake = simulation.mistake
        clockAhead = UInt64.random(in: 0...100, using: &simulation.random)
        engine = SimulatedEngine(
            simulation.store, machine: number, simulation.weather, seed: simulation.random.next())
        meld = Meld(windowSize: simulation.windowSize, claimLength: simulation.claimLength)
        saved = meld.checkpoint
        workers = Array(repeating: SimulatedWorker(), count: workerCount)
        // A new replica begins with the newest checkpoint.
        needsCheckpoint = true
    }

    var isRunning: Bool { phase == .running }
    var isReadable: Bool {
        mistake == .readsBetweenPages || (position >= fetched && !meld.isMeldingAgain)
    }
    var isSettled: Bool {
        phase == .running && isReadable && pending == nil && outgoing.isEmpty
            && meld.index == simulation.store.newest
            && workers.allSatisfy { $0.phase == .idle }
    }

    func killSequencer() {
        (phase, member, pending, outgoing) = (.down, nil, nil, [])
        (checkpoint, awaited) = (nil, nil)
    }

    func leave() {
        if let member { ask { () throws(EngineError) in try engine.leave(member) } }
        killSequencer()
    }

    /// What the sequencer does next.
    func step() throws {
        if needsCheckpoint { return try beginWithCheckpoint() }
        switch phase {
        case .down: try join()
        case .joining, .running:
            if simulation.chance(60) { try follow() }
            if simulation.chance(60) { try send() }
            if phase == .running, isReadable {
                if simulation.chance(simulation.checkpointPercent) { try makeCheckpoint() }
                if simulation.chance(5) { try fenceWhoIsGone() }
            }
        }
    }

    /// Calls the engine; nil if it does not answer, or the member's epoch is over.
    @discardableResult
    private func ask<Answer>(_ call: () throws(EngineError) -> Answer) -> Answer? {
        do throws(EngineError) {
            return try call()
        } catch {
            switch error {
            case .unreachable, .busy: break
            case .fenced: killSequencer()
            case .compacted: needsCheckpoint = true
            }
            return nil
        }
    }
}

// MARK: - Joining and following

extension SimulatedMachine {
    private func join() throws {
        guard let joined = ask({ () throws(EngineError) in try engine.join(number) }) else {
            return
        }
        member = joined.member
        tail = joined.tail
        nextNumber = 1
        meld = try Meld(checkpoint: saved)
        outgoing = [.join]
        phase = .joining
        if mistake == .proposesAgainWithoutJoin {
            phase = .running
            proposeAgain()
        }
    }

    /// Takes the newest checkpoint and then, in a later step, the pages that this replica lacks.
    private func beginWithCheckpoint() throws {
        let isPagesTurn = (foundCheckpoint != nil) != (mistake == .pagesReadBeforeCheckpoint)
        if isPagesTurn, foundPages == nil {
            foundPages = ask { () throws(EngineError) in
                try engine.pages(Lines.pages, changedAfter: meld.index)
            }
        } else if foundCheckpoint == nil {
            foundCheckpoint = ask { () throws(EngineError) in try engine.checkpoint() }
        }
        guard let bytes = foundCheckpoint, let pages = foundPages else { return }
        (foundCheckpoint, foundPages, needsCheckpoint) = (nil, nil, false)
        guard let bytes else { return }
        simulation.count("starts with a checkpoint")
        let new = try Meld(checkpoint: bytes)
        fetched = max(fetched, lines.install(pages), new.known.first?.position ?? new.position)
        (meld, saved) = (new, bytes)
        if mistake != .verdictsOfCheckpointIgnored { learnFromCheckpoint() }
        noteOwn()
    }

    /// Verdicts whose records may be gone from the log.
    private func learnFromCheckpoint() {
        guard let sender = meld.senders[number] else { return }
        for slot in workers.indices where workers[slot].phase == .sent {
            guard let record = workers[slot].record, record.member.epoch == sender.decidedEpoch,
                record.number == sender.decidedNumber
            else { continue }
            simulation.count("verdicts from a checkpoint")
            learn(sender.commits[record.ordinal], worker: slot)
        }
    }

    /// Takes some records of the log.
    private func follow() throws {
        let records = ask { () throws(EngineError) in try engine.records(after: meld.index) }
        for (index, bytes) in records ?? [] {
            var record = try Record(bytes)
            let isAgain = meld.isMeldingAgain
            if isAgain, mistake == .windowNotMeldedAgain { record.content = record.withoutLines }
            let outcome = try meld.meld(record, at: index)
            simulation.check(outcome, meld, of: number)
            if case .intentions(let intentions, _) = record.content, outcome.counts {
                if !isAgain { apply(intentions, outcome) }
                if !meld.isMeldingAgain { position = max(position, meld.position) }
                if record.sender.machine == number { learn(intentions, outcome) }
            }
            if !meld.isMeldingAgain { position = max(position, meld.position) }
            if record.sender == member, record.number == pending?.number { pending?.index = index }
            noteOwn()
            guard !meld.isMeldingAgain, position == meld.position else { continue }
            if position >= fetched { simulation.check(lines, at: position, of: number) }
            if simulation.chance(15) { saved = meld.checkpoint }
        }
        if let strict = awaited, meld.index >= strict.index, isReadable {
            simulation.noteRead(lines, began: strict.began, of: number)
            awaited = nil
        }
    }

    /// Reads all registers at the newest position of the cluster, in some later step.
    func readStrictly() {
        let began = simulation.tick()
        if mistake == .strictReadsNotStrict {
            awaited = (.start, began)
        } else if let newest = ask({ () throws(EngineError) in try engine.newest() }) {
            awaited = (newest, began)
        }
    }

    private func apply(_ intentions: [Intention], _ outcome: Meld.Outcome) {
        for (index, intention) in intentions.enumerated() where outcome.commits[index] {
            lines.apply(
                intention.fills, (index == 0 ? outcome.parts : []) + intention.writes,
                at: outcome.firstPosition + UInt64(index),
                overNewer: mistake == .appliesOverNewerLines)
        }
    }

    /// Brings verdicts to the workers that wait for them.
    private func learn(_ intentions: [Intention], _ outcome: Meld.Outcome) {
        for (index, intention) in intentions.enumerated() {
            let slot = Int(intention.slot)
            guard workers[slot].phase == .sent, workers[slot].sequence == intention.sequence else {
                continue
            }
            learn(outcome.commits[index], worker: slot)
        }
    }

    private func learn(_ commits: Bool, worker index: Int) {
        if commits {
            simulation.acknowledge(workers[index], slot: index, of: number)
            workers[index].phase = .idle
        } else {
            lose(index)
        }
    }

    /// Sees whether the sender's own records have come back.
    private func noteOwn() {
        guard let member, let sender = meld.senders[number], sender.epoch == member.epoch else {
            return
        }
        if sender.number == .max { return killSequencer() }
        if phase == .joining, !meld.isMeldingAgain {
            phase = .running
            proposeAgain()
        }
        guard let sent = pending, let index = sent.index, sender.number >= sent.number else {
            return
        }
        tail = index
        pending = nil
    }

    /// What was sent in an older epoch and is not in the log will never be in it.
    private func proposeAgain() {
        for index in workers.indices where workers[index].phase == .sent {
            workers[index].phase = .proposed
        }
    }
}

// MARK: - Sending

extension SimulatedMachine {
    private func send() throws {
        if pending == nil {
            if outgoing.isEmpty { gather() }
            guard !outgoing.isEmpty, let member else { return }
            let content = outgoing.removeFirst()
            let record = Record(
                sender: member, number: nextNumber, position: meld.position, hash: meld.hash,
                milliseconds: simulation.time + clockAhead, content: content)
            if case .intentions(let intentions, _) = content {
                for (ordinal, intention) in intentions.enumerated() {
                    workers[Int(intention.slot)].record = (member, nextNumber, ordinal)
                }
            }
            pending = (record.encoded, nextNumber, nil)
            nextNumber += 1
        }
        guard let member, let sent = pending, sent.index == nil else { return }
        let index = ask { () throws(EngineError) in
            try engine.append(sent.bytes, number: sent.number, after: tail, as: member)
        }
        guard let index else { return }
        pending?.index = index
        noteOwn()
        if mistake == .nextSentBeforeVerdicts, pending != nil { (tail, pending) = (index, nil) }
        if mistake == .acknowledgesWhatIsAppended {
            for slot in workers.indices
            where workers[slot].phase == .sent && workers[slot].record?.number == sent.number {
                learn(true, worker: slot)
            }
        }
    }

    /// Takes proposals that do not conflict with each other into a record.
    private func gather() {
        guard phase == .running, isReadable, position == meld.position else { return }
        let isOwnClaim = meld.claim?.holder == member
        if let claim = meld.claim, claim.isLong, !isOwnClaim { return }
        if isOwnClaim, let claim = meld.claim, claim.isLong {
            if simulation.chance(10) { workers[Int(claim.slot)].phase = .idle }
            if workers[Int(claim.slot)].phase == .idle {
                outgoing = [.release]
                return
            }
        }
        let loser = workers.indices.first {
            workers[$0].lossCount >= 3 && [.running, .proposed].contains(workers[$0].phase)
        }
        if !isOwnClaim, let slot = loser {
            workers[slot].lossCount = 0
            outgoing = [.claim(slot: UInt32(slot), isLong: workers[slot].wantsLongClaim)]
            return
        }
        var slots = workers.indices.shuffled(using: &simulation.random)
        if isOwnClaim, let claim = meld.claim {
            slots.removeAll { $0 == Int(claim.slot) }
            slots.insert(Int(claim.slot), at: 0)
        }
        gather(slots)
    }

    private func gather(_ slots: [Int]) {
        var intentions: [Intention] = []
        var written: Set<Int> = []
        var parts: [LineWrite] = []
        for slot in slots where workers[slot].phase == .proposed {
            guard written.isDisjoint(with: workers[slot].linesRead) else { continue }
            guard isUnchanged(workers[slot]) || mistake == .readsNotComparedAgain else {
                lose(slot)
                continue
            }
            written.formUnion(workers[slot].linesWritten)
            var intention = makeIntention(slot)
            if workers[slot].inParts, intentions.isEmpty {
                (parts, intention.writes) = (intention.writes, [])
            }
            intentions.append(intention)
            workers[slot].phase = .sent
            workers[slot].record = nil
        }
        guard !intentions.isEmpty else { return }
        outgoing = parts.enumerated().map { .part(index: $0, [$1]) }
        outgoing.append(.intentions(intentions, partCount: parts.count))
    }

    private func makeIntention(_ slot: Int) -> Intention {
        let worker = workers[slot]
        var intention = Intention(
            slot: UInt32(slot), sequence: worker.sequence, stamp: meld.position)
        for line in worker.linesRead.sorted() {
            let number = Lines.address(ofLine: line) >> 6
            if worker.hasRange {
                let last = intention.ranges.popLast() ?? number..<number
                if last.upperBound < number { intention.ranges.append(last) }
                let isNext = last.upperBound == number
                intention.ranges.append((isNext ? last.lowerBound : number)..<number + 1)
            } else {
                intention.reads.append(.init(page: number >> 6, mask: 1 << (number & 63)))
            }
        }
        if let fill = worker.fill { intention.fills = [Lines.fill(fill.header, line: fill.line)] }
        intention.writes = worker.writes.map { Lines.write($0.value, to: $0.register) }
        return intention
    }

    func isUnchanged(_ worker: SimulatedWorker) -> Bool {
        worker.linesRead.allSatisfy { lines.versions[$0] <= worker.readPosition }
    }

    /// Restarts a transaction that lost.
    func lose(_ slot: Int) {
        workers[slot].lossCount += 1
        run(slot)
    }

    /// Runs a transaction's body: reads at the present position, and plans what to write.
    func run(_ slot: Int) {
        let random = { (range: Range<Int>) in Int.random(in: range, using: &self.simulation.random)
        }
        var worker = workers[slot]
        worker.sequence += 1
        worker.phase = isReadable ? .running : .idle
        worker.began = simulation.tick()
        worker.readPosition = position
        var registers = Set((0..<random(0..<4)).map { _ in random(0..<Lines.registerCount) })
        worker.reads = registers.sorted().map { ($0, lines.values[$0]) }
        if random(0..<2) == 0 || registers.isEmpty {
            registers.insert(random(0..<Lines.registerCount))
        }
        worker.fill = nil
        // Sets have another order in each process.
        let written = registers.sorted().shuffled(using: &simulation.random)
        worker.writes = written.prefix(1 + random(0..<3)).map { ($0, simulation.newValue()) }
        if random(0..<6) == 0 {
            worker.fill = (random(0..<Lines.lineCount), simulation.newValue())
        }
        (worker.hasRange, worker.inParts) = (random(0..<5) == 0, random(0..<4) == 0)
        worker.wantsLongClaim = random(0..<3) == 0
        workers[slot] = worker
    }

    /// Begins a transaction, or brings one to the point where it waits for its verdict.
    func work(_ slot: Int) {
        switch workers[slot].phase {
        case .idle where isReadable:
            workers[slot].lossCount = 0
            run(slot)
        case .running:
            if isUnchanged(workers[slot]) {
                workers[slot].phase = .proposed
            } else {
                lose(slot)
            }
        default: break
        }
    }
}

// MARK: - Checkpoints and fences

/// A checkpoint that a machine makes.
struct SimulatedCheckpoint {
    var turn: CheckpointTurn
    var bytes: [UInt8]?
    var trimTo = LogIndex.start
    /// Pages that are still to be stored.
    var pages: [UInt64] = []
}

extension SimulatedMachine {
    private func makeCheckpoint() throws {
        guard position == meld.position else { return }
        do throws(EngineError) {
            guard var making = checkpoint else {
                guard let member else { return }
                checkpoint = SimulatedCheckpoint(turn: try engine.beginCheckpoint(as: member))
                return
            }
            if making.bytes == nil {
                let newest = try engine.checkpoint()
                let base = simulation.position(ofCheckpoint: newest)
                // One who is older than the newest checkpoint would store old pages; or, where
                // only records without transactions lie between, need records that are gone.
                guard position >= base, meld.index >= simulation.index(ofCheckpoint: newest) else {
                    return
                }
                making.pages = lines.pages(newerThan: base).map(\.page)
                (making.bytes, making.trimTo) = (meld.checkpoint, meld.needed)
            } else if let page = making.pages.last {
                let stored = lines.pages(newerThan: 0).filter { $0.page == page }
                try engine.store(stored, in: making.turn)
                making.pages.removeLast()
            } else {
                if mistake == .checkpointNewerThanPages { making.bytes = meld.checkpoint }
                if mistake == .trimsWindow { making.trimTo = meld.index }
                try engine.finish(making.bytes!, trimTo: making.trimTo, in: making.turn)
                checkpoint = nil
                return
            }
            checkpoint = making
        } catch {
            if error != .unreachable { checkpoint = nil }
        }
    }

    /// Fences members whose epochs are over: of these nothing can be appended any more.
    private func fenceWhoIsGone() throws {
        guard outgoing.isEmpty, !meld.isMeldingAgain,
            let members = ask({ () throws(EngineError) in try engine.members() })
        else { return }
        let gone = meld.senders.filter { $0.value.number != .max }
            .map { Member(machine: $0.key, epoch: $0.value.epoch) }
            .filter { !members.contains($0) && $0.machine != number }
            .min { $0.machine < $1.machine }
        if let gone { outgoing = [.fence(gone)] }
    }
}

extension Record {
    /// The content with transactions that neither read nor write.
    fileprivate var withoutLines: Content {
        guard case .intentions(let intentions, let partCount) = content else { return content }
        return .intentions(
            intentions.map { Intention(slot: $0.slot, sequence: $0.sequence, stamp: $0.stamp) },
            partCount: partCount)
    }
}
