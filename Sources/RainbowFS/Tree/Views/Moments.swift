import Glibc
import RainbowCore
import Synchronization

/// When a tree shows the space.
enum Moment: Sendable {
    case present
    case snapshot(NamedSnapshot)
    case transaction(NamedTransaction)

    /// Where it is among the moments of its mount.
    var place: MomentPlace {
        switch self {
        case .present: .present
        case .snapshot(let snapshot): snapshot.place
        case .transaction(let transaction): transaction.place
        }
    }

    /// Whether a name of something that lasts means it for as long as the moment is there.
    ///
    /// A transaction ends, which shall be noticed on every path into it; and it may begin anew,
    /// when the objects that it had made are gone, and others take their places.
    func keepsNames(of node: NodeID) -> Bool {
        guard case .transaction(let transaction) = self else { return true }
        return node.view != .fixed && !transaction.hasMadeObjects
    }

    var isTransaction: Bool {
        if case .transaction = self { true } else { false }
    }
}

/// The number that node ids have of a moment, and how often it was given out before: so the kernel
/// never takes a node of one moment for that of another.
struct MomentPlace: Comparable, Sendable {
    var number: Int
    var generation: UInt64

    static let present = MomentPlace(number: 0, generation: 0)

    /// The older one is less.
    static func < (left: MomentPlace, right: MomentPlace) -> Bool {
        (left.generation, left.number) < (right.generation, right.number)
    }
}

/// The moments that a mount shows beside the present: its own transactions, and the snapshots of
/// the space that someone looked at through it.
///
/// Each has a number and a tree. Numbers are used again only after all others.
final class Moments: Sendable {
    private struct State {
        var trees: [Int: Tree] = [:]
        /// The numbers of transactions; there already while they begin.
        var transactions: [ExactText: Int] = [:]
        var snapshots: [ExactText: Int] = [:]
        /// Moments so far.
        var count: UInt64 = 0

        /// A number that is free.
        mutating func nextPlace() -> MomentPlace {
            let numbers = UInt64(NodeID.momentMax)
            while true {
                let place = MomentPlace(
                    number: Int(count % numbers) + 1, generation: count / numbers)
                count += 1
                let isTaken =
                    trees[place.number] != nil || transactions.values.contains(place.number)
                if !isTaken { return place }
            }
        }
    }

    private let space: Space
    private let options: TreeOptions
    private let messages: MessageLog
    private let events: EventHub
    private let state = Mutex(State())

    init(
        _ space: Space, _ options: TreeOptions, _ messages: MessageLog, _ events: EventHub
    ) {
        self.space = space
        self.options = options
        self.messages = messages
        self.events = events
    }

    /// The tree of a moment.
    ///
    /// - Throws: ESTALE if there is none any more.
    func tree(_ number: Int) throws(TreeError) -> Tree {
        guard let tree = state.withLock({ $0.trees[number] }) else {
            throw TreeError(
                ESTALE, "The transaction or the snapshot of this file was removed. Make a new one.")
        }
        return tree
    }

    private func plant(_ moment: Moment, _ folder: String, _ name: String) -> Tree {
        var inner = options
        inner.mountPoint = "\(options.mountPoint)/\(folder)/\(name)"
        inner.outerMountPoint = options.mountPoint
        return Tree(
            space: space, options: inner, moment: moment, messages: messages, events: events)
    }

    private static func check(_ name: String) throws(TreeError) {
        guard name.systemByteCount <= nameBytesMax else {
            throw TreeError(
                ENAMETOOLONG,
                "The name of a transaction or a snapshot has at most \(nameBytesMax) bytes.")
        }
    }

    private static let nameBytesMax = 192
}

extension Moments {
    /// - Throws: EEXIST, EAGAIN if the mount has as many as it may.
    func begin(_ name: String, _ caller: Caller) throws -> MomentPlace {
        try Moments.check(name)
        makeRoom()
        forgetGone()
        let place = try state.withLock { (state) throws(TreeError) in
            guard state.transactions[ExactText(name)] == nil else { throw TreeError.exists(name) }
            guard state.transactions.count < TransactionLimits.countMax else {
                throw TreeError(
                    EAGAIN,
                    "This mount has \(TransactionLimits.countMax) running transactions, which is as"
                        + " many as it may have. End some: commit or abort them, or rmdir.")
            }
            let place = state.nextPlace()
            state.transactions[ExactText(name)] = place.number
            return place
        }
        do {
            let transaction = try NamedTransaction(
                name, at: place, for: caller, in: space, options.transactions, messages)
            let tree = plant(.transaction(transaction), "transactions", name)
            state.withLock { $0.trees[place.number] = tree }
            RequestScope.noteEffect()
            return place
        } catch {
            state.withLock { _ = $0.transactions.removeValue(forKey: ExactText(name)) }
            throw error
        }
    }

    /// Removes the oldest transaction that has ended, if there are as many as there may be.
    private func makeRoom() {
        let count = state.withLock { $0.transactions.count }
        guard count >= TransactionLimits.countMax else { return }
        transactions.first { $0.phase != .running }?.remove()
    }

    func transaction(_ name: String) -> NamedTransaction? {
        let tree = state.withLock { state in
            state.transactions[ExactText(name)].flatMap { state.trees[$0] }
        }
        guard case .transaction(let transaction) = tree?.moment, !transaction.isGone else {
            return nil
        }
        return transaction
    }

    /// All of them, the oldest first.
    var transactions: [NamedTransaction] {
        let trees = state.withLock { state in
            state.transactions.values.compactMap { state.trees[$0] }
        }
        let found = trees.compactMap { tree -> NamedTransaction? in
            guard case .transaction(let transaction) = tree.moment, !transaction.isGone else {
                return nil
            }
            return transaction
        }
        return found.sorted { $0.place < $1.place }
    }

    func remove(_ transaction: NamedTransaction) {
        transaction.remove()
        RequestScope.noteEffect()
        forgetGone()
    }

    /// Drops the trees of what is gone.
    private func forgetGone() {
        state.withLock { state in
            for (name, number) in state.transactions {
                guard case .transaction(let transaction) = state.trees[number]?.moment,
                    transaction.isGone
                else { continue }
                state.transactions[name] = nil
                state.trees[number] = nil
            }
            for (name, number) in state.snapshots {
                guard case .snapshot(let named) = state.trees[number]?.moment,
                    named.snapshot.hasEnded
                else { continue }
                state.snapshots[name] = nil
                state.trees[number] = nil
            }
        }
    }
}

extension Moments {
    /// - Throws: EEXIST.
    func takeSnapshot(_ name: String, _ caller: Caller) throws -> NamedSnapshot {
        try Moments.check(name)
        let snapshot = try space.takeSnapshot(named: name, user: caller.uid, group: caller.gid)
        RequestScope.noteEffect()
        guard let named = add(snapshot, name) else { throw TreeError.notFound(name) }
        return named
    }

    /// The snapshot of a name, whichever mount took it.
    func snapshot(_ name: String) -> NamedSnapshot? {
        let known = state.withLock { state in
            state.snapshots[ExactText(name)].flatMap { state.trees[$0] }
        }
        if case .snapshot(let named) = known?.moment, !named.snapshot.hasEnded { return named }
        guard let snapshot = space.snapshot(named: name) else { return nil }
        return add(snapshot, name)
    }

    private func add(_ snapshot: Snapshot, _ name: String) -> NamedSnapshot? {
        guard let info = snapshot.info else { return nil }
        forgetGone()
        let place = state.withLock { $0.nextPlace() }
        let named = NamedSnapshot(name, at: place, snapshot, info, in: space)
        let tree = plant(.snapshot(named), "snapshots", name)
        return state.withLock { state in
            if let number = state.snapshots[ExactText(name)],
                case .snapshot(let other) = state.trees[number]?.moment
            {
                return other
            }
            state.snapshots[ExactText(name)] = place.number
            state.trees[place.number] = tree
            return named
        }
    }

    /// The snapshots of all mounts, by name.
    var snapshots: [NamedSnapshot] {
        space.snapshots.filter { $0.kind == .named }.map(\.name).sorted().compactMap(snapshot)
    }

    func remove(_ snapshot: NamedSnapshot) {
        snapshot.snapshot.end()
        RequestScope.noteEffect()
        forgetGone()
    }
}

extension Moments {
    /// Ends transactions that are forgotten or in the way, and drops what is gone.
    func reap() {
        for transaction in transactions { transaction.endIfDue() }
        space.recoverSnapshots()
        forgetGone()
    }

    /// Ends everything that this mount began, before it leaves the space.
    func endAll() {
        for transaction in transactions { transaction.remove() }
        state.withLock { $0 = State() }
    }
}
