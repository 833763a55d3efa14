import Glibc
import RainbowCore
import Synchronization

/// The views of a mount beside the present: of its own transactions, and of the snapshots of the
/// space that someone looked at through it.
///
/// Each has a number. Numbers are used again only after all others.
final class ViewTable: Sendable {
    private struct State {
        var views: [Int: View] = [:]
        /// The numbers of transactions; there already while they begin.
        var transactions: [ExactText: Int] = [:]
        var snapshots: [ExactText: Int] = [:]
        /// Views so far.
        var count: UInt64 = 0

        /// A number that is free.
        mutating func nextID() -> ViewID {
            let numbers = UInt64(NodeID.viewMax)
            while true {
                let id = ViewID(number: Int(count % numbers) + 1, generation: count / numbers)
                count += 1
                let isTaken = views[id.number] != nil || transactions.values.contains(id.number)
                if !isTaken { return id }
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

    /// - Throws: ESTALE if there is no view of this number any more.
    func view(_ number: Int) throws(TreeError) -> View {
        guard let view = state.withLock({ $0.views[number] }) else {
            throw TreeError(
                ESTALE, "The transaction or the snapshot of this file was removed. Make a new one.")
        }
        return view
    }

    private func makeView(_ source: ViewSource, _ folder: String, _ name: String) -> View {
        var inner = options
        inner.mountPoint = "\(options.mountPoint)/\(folder)/\(name)"
        inner.outerMountPoint = options.mountPoint
        return View(space, inner, source, messages, events)
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

extension View {
    /// The other views of the mount.
    /// - Throws: ESTALE except in the present, which alone has directories of them.
    func otherViews() throws(TreeError) -> ViewTable {
        guard let views else { throw View.stale }
        return views
    }
}

extension ViewTable {
    /// - Throws: EEXIST, EAGAIN if the mount has as many as it may.
    func begin(_ name: String, _ caller: Caller) throws -> ViewID {
        try ViewTable.check(name)
        makeRoom()
        forgetGone()
        let id = try state.withLock { (state) throws(TreeError) in
            guard state.transactions[ExactText(name)] == nil else { throw TreeError.exists(name) }
            guard state.transactions.count < TransactionLimits.countMax else {
                throw TreeError(
                    EAGAIN,
                    "This mount has \(TransactionLimits.countMax) running transactions, which is as"
                        + " many as it may have. End some: commit or abort them, or rmdir.")
            }
            let id = state.nextID()
            state.transactions[ExactText(name)] = id.number
            return id
        }
        do {
            let transaction = try NamedTransaction(
                name, at: id, for: caller, in: space, options.transactions, messages)
            let view = makeView(.transaction(transaction), "transactions", name)
            state.withLock { $0.views[id.number] = view }
            RequestScope.noteEffect()
            return id
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
        let view = state.withLock { state in
            state.transactions[ExactText(name)].flatMap { state.views[$0] }
        }
        guard case .transaction(let transaction) = view?.source, !transaction.isGone else {
            return nil
        }
        return transaction
    }

    /// All of them, the oldest first.
    var transactions: [NamedTransaction] {
        let views = state.withLock { state in
            state.transactions.values.compactMap { state.views[$0] }
        }
        let found = views.compactMap { view -> NamedTransaction? in
            guard case .transaction(let transaction) = view.source, !transaction.isGone else {
                return nil
            }
            return transaction
        }
        return found.sorted { $0.viewID < $1.viewID }
    }

    func remove(_ transaction: NamedTransaction) {
        transaction.remove()
        RequestScope.noteEffect()
        forgetGone()
    }

    /// Drops the views of what is gone.
    private func forgetGone() {
        state.withLock { state in
            for (name, number) in state.transactions {
                guard case .transaction(let transaction) = state.views[number]?.source,
                    transaction.isGone
                else { continue }
                state.transactions[name] = nil
                state.views[number] = nil
            }
            for (name, number) in state.snapshots {
                guard case .snapshot(let named) = state.views[number]?.source,
                    named.snapshot.hasEnded
                else { continue }
                state.snapshots[name] = nil
                state.views[number] = nil
            }
        }
    }
}

extension ViewTable {
    /// - Throws: EEXIST.
    func takeSnapshot(_ name: String, _ caller: Caller) throws -> NamedSnapshot {
        try ViewTable.check(name)
        let snapshot = try space.takeSnapshot(named: name, user: caller.uid, group: caller.gid)
        RequestScope.noteEffect()
        guard let named = add(snapshot, name) else { throw TreeError.notFound(name) }
        return named
    }

    /// The snapshot of a name, whichever mount took it.
    func snapshot(_ name: String) -> NamedSnapshot? {
        let known = state.withLock { state in
            state.snapshots[ExactText(name)].flatMap { state.views[$0] }
        }
        if case .snapshot(let named) = known?.source, !named.snapshot.hasEnded { return named }
        guard let snapshot = space.snapshot(named: name) else { return nil }
        return add(snapshot, name)
    }

    private func add(_ snapshot: Snapshot, _ name: String) -> NamedSnapshot? {
        guard let info = snapshot.info else { return nil }
        forgetGone()
        let id = state.withLock { $0.nextID() }
        let named = NamedSnapshot(name, at: id, snapshot, info, in: space)
        let view = makeView(.snapshot(named), "snapshots", name)
        return state.withLock { state in
            if let number = state.snapshots[ExactText(name)],
                case .snapshot(let other) = state.views[number]?.source
            {
                return other
            }
            state.snapshots[ExactText(name)] = id.number
            state.views[id.number] = view
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

extension ViewTable {
    /// Ends transactions that are forgotten or block others, and drops what is gone.
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
