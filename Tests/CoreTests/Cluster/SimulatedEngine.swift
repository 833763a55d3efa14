import TestSupport

@testable import RainbowCore

/// The store that the machines of a simulation share: what etcd would be.
final class SimulatedStore {
    struct Stored {
        var index: LogIndex
        var number: UInt64
        var sender: Member
        var bytes: [UInt8]
    }

    /// All records ever, those before `trimmed` for the checks only.
    private(set) var log: [Stored] = []
    private(set) var trimmed = LogIndex.start
    private(set) var tails: [UInt32: Stored] = [:]
    var epochs: [UInt32: UInt64] = [:]
    private var pages: [UInt64: (page: StoredPage, index: LogIndex)] = [:]
    private(set) var checkpoint: [UInt8]?
    private var turn: (holder: Member, turn: CheckpointTurn)?
    private var revision: UInt64 = 0
    /// What was sent and has not arrived yet.
    var delayed: [() -> Void] = []
    /// Whether what arrives late is appended without a look at tail and epoch: then the rule alone
    /// has to know repetitions and what is of an epoch that is over.
    var isCareless = false
    /// Told of each record when it is appended.
    let reference: ReferenceRule

    init(_ reference: ReferenceRule) { self.reference = reference }

    var newest: LogIndex { log.last?.index ?? .start }

    private func nextRevision() -> UInt64 {
        revision += 1
        return revision
    }

    func isMember(_ member: Member) -> Bool { epochs[member.machine] == member.epoch }

    func join(_ machine: UInt32) -> (member: Member, tail: LogIndex) {
        let epoch = nextRevision()
        epochs[machine] = epoch
        return (Member(machine: machine, epoch: epoch), tails[machine]?.index ?? .start)
    }

    func append(
        _ bytes: [UInt8], _ number: UInt64, after tail: LogIndex, as member: Member
    ) throws(EngineError) -> LogIndex {
        if let own = tails[member.machine], own.sender == member, own.number == number {
            return own.index
        }
        guard isMember(member), tails[member.machine]?.index ?? .start == tail else {
            throw .fenced
        }
        let stored = Stored(
            index: LogIndex(nextRevision()), number: number, sender: member, bytes: bytes)
        log.append(stored)
        tails[member.machine] = stored
        reference.take(bytes)
        return stored.index
    }

    /// An append that arrives when its sender does not wait for it any more.
    func appendLate(
        _ bytes: [UInt8], _ number: UInt64, after tail: LogIndex, as member: Member
    ) {
        let isThere = log.contains { $0.sender == member && $0.number == number }
        guard isCareless, isThere || !isMember(member) else {
            _ = try? append(bytes, number, after: tail, as: member)
            return
        }
        log.append(
            Stored(index: LogIndex(nextRevision()), number: number, sender: member, bytes: bytes))
        reference.take(bytes)
    }

    func records(
        after index: LogIndex, countMax: Int
    ) throws(EngineError) -> [(index: LogIndex, bytes: [UInt8])] {
        guard index >= trimmed else { throw .compacted }
        // The log is searched from its end: readers are near it.
        var first = log.count
        while first > 0, log[first - 1].index > index { first -= 1 }
        return log[first...].prefix(countMax).map { ($0.index, $0.bytes) }
    }

    func pages(_ range: Range<UInt64>, changedAfter index: LogIndex) -> [StoredPage] {
        pages.values.filter { range.contains($0.page.page) && $0.index > index }.map(\.page)
            .sorted { $0.page < $1.page }
    }

    func beginCheckpoint(as member: Member) throws(EngineError) -> CheckpointTurn {
        guard isMember(member) else { throw .fenced }
        if let turn, isMember(turn.holder) {
            guard turn.holder == member else { throw .busy }
            return turn.turn
        }
        let new = CheckpointTurn(nextRevision())
        turn = (member, new)
        return new
    }

    private func check(_ turn: CheckpointTurn) throws(EngineError) {
        guard let current = self.turn, current.turn == turn, isMember(current.holder) else {
            throw .fenced
        }
    }

    func store(_ pages: [StoredPage], in turn: CheckpointTurn) throws(EngineError) {
        try check(turn)
        let index = LogIndex(nextRevision())
        for page in pages { self.pages[page.page] = (page, index) }
    }

    func finish(
        _ checkpoint: [UInt8], trimTo index: LogIndex, in turn: CheckpointTurn
    ) throws(EngineError) {
        try check(turn)
        self.checkpoint = checkpoint
        trimmed = max(trimmed, index)
        self.turn = nil
    }
}

/// What happens to requests and answers, in percent.
struct Weather {
    var lostRequests = 0
    var lostAnswers = 0
    var lateRequests = 0
}

/// One machine's connection to the store.
final class SimulatedEngine: Engine {
    let store: SimulatedStore
    private let machine: UInt32
    var weather: Weather
    var isCutOff = false
    private var random: SeededGenerator

    init(_ store: SimulatedStore, machine: UInt32, _ weather: Weather, seed: UInt64) {
        self.store = store
        self.machine = machine
        self.weather = weather
        random = SeededGenerator(seed: seed)
    }

    /// - Parameter mayBeLate: whether a request that is not answered may yet have its effect later.
    private func send<Answer>(
        mayBeLate: Bool = true, late: (() -> Void)? = nil,
        _ effect: @escaping () throws(EngineError) -> Answer
    ) throws(EngineError) -> Answer {
        if isCutOff { throw .unreachable }
        var chance = Int.random(in: 0..<100, using: &random)
        if chance < weather.lostRequests { throw .unreachable }
        chance -= weather.lostRequests
        if chance < weather.lateRequests {
            if mayBeLate { store.delayed.append(late ?? { _ = try? effect() }) }
            throw .unreachable
        }
        chance -= weather.lateRequests
        let answer = try effect()
        if chance < weather.lostAnswers { throw .unreachable }
        return answer
    }

    func join(_ machine: UInt32) throws(EngineError) -> (member: Member, tail: LogIndex) {
        let store = store
        return try send { () throws(EngineError) in store.join(machine) }
    }

    func append(
        _ record: [UInt8], number: UInt64, after tail: LogIndex, as member: Member
    ) throws(EngineError) -> LogIndex {
        let store = store
        let late = { store.appendLate(record, number, after: tail, as: member) }
        return try send(late: late) { () throws(EngineError) in
            try store.append(record, number, after: tail, as: member)
        }
    }

    func records(
        after index: LogIndex
    ) throws(EngineError) -> [(index: LogIndex, bytes: [UInt8])] {
        let store = store
        let countMax = Int.random(in: 1...6, using: &random)
        return try send(mayBeLate: false) { () throws(EngineError) in
            try store.records(after: index, countMax: countMax)
        }
    }

    func newest() throws(EngineError) -> LogIndex {
        let store = store
        return try send(mayBeLate: false) { () throws(EngineError) in store.newest }
    }

    func pages(
        _ range: Range<UInt64>, changedAfter index: LogIndex
    ) throws(EngineError) -> [StoredPage] {
        let store = store
        return try send(mayBeLate: false) { () throws(EngineError) in
            store.pages(range, changedAfter: index)
        }
    }

    func beginCheckpoint(as member: Member) throws(EngineError) -> CheckpointTurn {
        let store = store
        return try send { () throws(EngineError) in try store.beginCheckpoint(as: member) }
    }

    func store(_ pages: [StoredPage], in turn: CheckpointTurn) throws(EngineError) {
        let store = store
        try send { () throws(EngineError) in try store.store(pages, in: turn) }
    }

    func checkpoint() throws(EngineError) -> [UInt8]? {
        let store = store
        return try send(mayBeLate: false) { () throws(EngineError) in store.checkpoint }
    }

    func finish(
        _ checkpoint: [UInt8], trimTo index: LogIndex, in turn: CheckpointTurn
    ) throws(EngineError) {
        let store = store
        try send { () throws(EngineError) in
            try store.finish(checkpoint, trimTo: index, in: turn)
        }
    }

    func members() throws(EngineError) -> [Member] {
        let store = store
        return try send(mayBeLate: false) { () throws(EngineError) in
            store.epochs.map { Member(machine: $0.key, epoch: $0.value) }
        }
    }

    func leave(_ member: Member) throws(EngineError) {
        let store = store
        try send { () throws(EngineError) in
            if store.isMember(member) { store.epochs[member.machine] = nil }
        }
    }
}
