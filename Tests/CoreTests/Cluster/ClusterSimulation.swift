import TestSupport

@testable import RainbowCore

/// Some machines that share a space over a store that loses, delays and repeats, with machines that
/// are cut off, killed, fenced and replaced. One seed gives one run.
final class ClusterSimulation {
    let mistake: Mistake?
    let windowSize: Int
    let claimLength: Int
    let weather: Weather
    /// How often a machine goes on with a checkpoint.
    let checkpointPercent: Int
    let store: SimulatedStore
    let reference: ReferenceRule
    var random: SeededGenerator
    private(set) var time: UInt64 = 0
    private(set) var problems: [String] = []
    /// What happened, for a look at whether the simulation does what it is for.
    private(set) var counts: [String: Int] = [:]
    private var value: UInt64 = 0
    private var machines: [SimulatedMachine] = []
    private var machineCount = 0
    private var history: [RecordedTransaction] = []
    /// What machines that were killed had sent.
    private var orphaned: [(key: ReferenceRule.Key, transaction: RecordedTransaction)] = []
    private var hashes: [UInt64: UInt64] = [:]
    private var milliseconds: [LogIndex: UInt64] = [:]
    private var positionsRead: [UInt32: UInt64] = [:]

    init(seed: UInt64, mistake: Mistake? = nil) {
        self.mistake = mistake
        random = SeededGenerator(seed: seed)
        windowSize = Int.random(in: 2...16, using: &random)
        claimLength = Int.random(in: 2...12, using: &random)
        let isCalm = Int.random(in: 0..<4, using: &random) == 0
        weather =
            isCalm
            ? Weather()
            : Weather(
                lostRequests: Int.random(in: 0...20, using: &random),
                lostAnswers: Int.random(in: 0...20, using: &random),
                lateRequests: Int.random(in: 0...20, using: &random))
        checkpointPercent = [5, 20, 60].randomElement(using: &random)!
        reference = ReferenceRule(windowSize: windowSize, claimLength: claimLength)
        store = SimulatedStore(reference)
        store.isCareless = Int.random(in: 0..<3, using: &random) == 0
    }

    // MARK: - What machines use

    func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    /// The next point of time.
    func tick() -> UInt64 {
        time += 1
        return time
    }

    func newValue() -> UInt64 {
        value += 1
        return value
    }

    func position(ofCheckpoint bytes: [UInt8]?) -> UInt64 {
        guard let bytes, let meld = try? Meld(checkpoint: bytes) else { return 0 }
        return meld.known.first?.position ?? meld.position
    }

    func index(ofCheckpoint bytes: [UInt8]?) -> LogIndex {
        guard let bytes, let meld = try? Meld(checkpoint: bytes) else { return .start }
        return meld.known.first?.index ?? meld.index
    }

    func count(_ name: String) { counts[name, default: 0] += 1 }

    // MARK: - Checks

    func check(_ outcome: Meld.Outcome, _ meld: Meld, of machine: UInt32) {
        if outcome.hasOtherHash { problems.append("\(machine) met another hash") }
        let first = Int(outcome.firstPosition) - 1
        if Array(reference.verdicts.dropFirst(first).prefix(outcome.commits.count))
            != outcome.commits
        {
            problems.append("\(machine) decides otherwise at position \(first + 1)")
        }
        if hashes[meld.position] ?? meld.hash != meld.hash {
            problems.append("\(machine) has another hash at position \(meld.position)")
        }
        hashes[meld.position] = meld.hash
        guard !meld.isMeldingAgain else { return }
        if milliseconds[meld.index] ?? meld.milliseconds != meld.milliseconds {
            problems.append("\(machine) has another time at \(meld.index)")
        }
        milliseconds[meld.index] = meld.milliseconds
    }

    func check(_ lines: LineArray, at position: UInt64, of machine: UInt32) {
        if lines != reference.states[Int(position)] {
            problems.append("\(machine) has other lines at position \(position)")
        }
    }

    func acknowledge(_ worker: SimulatedWorker, slot: Int, of machine: UInt32) {
        count("commits")
        let key = ReferenceRule.Key(
            machine: machine, slot: UInt32(slot), sequence: worker.sequence)
        if !reference.committed.contains(key) {
            problems.append("\(key) is acknowledged and has not committed")
        }
        history.append(
            RecordedTransaction("\(machine).\(slot)", worker.began, tick(), worker.operations))
    }

    /// A read of all registers that has to see all that was acknowledged before it began.
    func noteRead(_ lines: LineArray, began: UInt64, of machine: UInt32) {
        count("strict reads")
        let reads = lines.values.enumerated().map {
            RecordedTransaction.Operation.read($0.offset, Int64($0.element))
        }
        history.append(RecordedTransaction("strict reader \(machine)", began, tick(), reads))
    }

    /// A read of what the machine has just now.
    private func read(_ machine: SimulatedMachine) {
        guard machine.isReadable else { return }
        check(machine.lines, at: machine.position, of: machine.number)
        if machine.position < positionsRead[machine.number] ?? 0 {
            problems.append("\(machine.number) reads backwards at \(machine.position)")
        }
        positionsRead[machine.number] = machine.position
    }

    // MARK: - The run

    /// Runs it.
    /// - Returns: what was wrong.
    func run(stepCount: Int = 500) -> [String] {
        do {
            for _ in 0..<Int.random(in: 2...4, using: &random) { addMachine() }
            let disasters = Int.random(in: 0...5, using: &random)
            for _ in 0..<stepCount where problems.isEmpty {
                if chance(disasters) {
                    strike()
                } else {
                    try act(machines.randomElement(using: &random)!)
                }
            }
            if problems.isEmpty { try settle() }
        } catch {
            problems.append("\(error)")
        }
        problems += reference.problems
        // The others may have read what was old: that is why they lost, or were never decided.
        for (key, var transaction) in orphaned where reference.committed.contains(key) {
            transaction.ended = tick()
            history.append(transaction)
        }
        if problems.isEmpty { problems += SerialOrder(history).problems }
        return problems
    }

    private func addMachine() {
        machineCount += 1
        machines.append(
            SimulatedMachine(
                UInt32(machineCount), self, workerCount: Int.random(in: 1...3, using: &random)))
    }

    private func act(_ machine: SimulatedMachine) throws {
        _ = tick()
        if !store.delayed.isEmpty, chance(20) {
            store.delayed.remove(at: Int.random(in: 0..<store.delayed.count, using: &random))()
        }
        switch Int.random(in: 0..<20, using: &random) {
        case 0, 1: read(machine)
        case 2: machine.readStrictly()
        case 3..<9: machine.work(machine.workers.indices.randomElement(using: &random)!)
        default: try machine.step()
        }
    }

    /// Something goes wrong, or comes back.
    private func strike() {
        let index = machines.indices.randomElement(using: &random)!
        let machine = machines[index]
        switch Int.random(in: 0..<8, using: &random) {
        case 0, 1:
            count("sequencers killed")
            machine.killSequencer()
        case 2:
            count("machines killed")
            for (slot, worker) in machine.workers.enumerated() where worker.phase == .sent {
                let name = "killed \(machine.number).\(slot)"
                let key = ReferenceRule.Key(
                    machine: machine.number, slot: UInt32(slot), sequence: worker.sequence)
                orphaned.append(
                    (key, RecordedTransaction(name, worker.began, tick(), worker.operations)))
            }
            machines.remove(at: index)
            store.epochs[machine.number] = nil
            addMachine()
        case 3:
            count("epochs ended")
            store.epochs[machine.number] = nil
        case 4:
            count("members that leave")
            machine.leave()
        default:
            count("cuts")
            machine.engine.isCutOff.toggle()
        }
    }

    /// The end of all faults: everybody comes to its end, and has the same.
    private func settle() throws {
        for request in store.delayed.shuffled(using: &random) { request() }
        store.delayed = []
        for machine in machines {
            machine.engine.isCutOff = false
            machine.engine.weather = Weather()
        }
        for _ in 0..<400 where problems.isEmpty && !machines.allSatisfy(\.isSettled) {
            for machine in machines {
                for slot in machine.workers.indices where machine.workers[slot].phase == .running {
                    machine.work(slot)
                }
                try machine.step()
            }
        }
        for machine in machines {
            if !machine.isSettled { problems.append("\(machine.number) does not come to its end") }
            if machine.isReadable { read(machine) }
        }
        count("positions", reference.position)
        count("checkpoints", store.checkpoint == nil ? 0 : 1)
    }

    private func count(_ name: String, _ number: some BinaryInteger) {
        counts[name, default: 0] += Int(number)
    }
}
