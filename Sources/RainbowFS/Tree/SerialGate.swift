import Synchronization

/// Says whether a transaction of this mount is in serial mode, in which every other commit waits
/// for its end. A mount with few threads must not have them all wait: then nobody would be left to
/// serve the transaction that they wait for. So it asks here first, and puts off what would wait.
final class SerialGate: Sendable {
    private struct Hooks: Sendable {
        var closed: @Sendable () -> Void = {}
        var opened: @Sendable () -> Void = {}
    }

    /// The number of the transaction's moment; 0: the gate is open.
    private let holder = Atomic<Int>(0)
    private let hooks = Mutex(Hooks())

    /// Whether a commit of this moment need not wait.
    func isOpen(for moment: Int) -> Bool {
        let holder = holder.load(ordering: .sequentiallyConsistent)
        return holder == 0 || holder == moment
    }

    /// - Parameters:
    ///   - closed: called before the mode is taken; returns when all changes that found the gate
    ///     open are done.
    ///   - opened: called when the mode was given up.
    func setHooks(
        closed: @escaping @Sendable () -> Void, opened: @escaping @Sendable () -> Void
    ) {
        hooks.withLock { $0 = Hooks(closed: closed, opened: opened) }
    }

    /// Keeps changes of others out, before a transaction takes the mode, and waits for those that
    /// found the gate open.
    func close(for moment: Int) {
        _ = holder.compareExchange(
            expected: 0, desired: moment, ordering: .sequentiallyConsistent)
        hooks.withLock { $0.closed }()
    }

    /// Says that the transaction has the mode: the gate is its own, whoever closed it.
    func take(for moment: Int) {
        holder.store(moment, ordering: .sequentiallyConsistent)
    }

    /// Opens the gate, if it was closed for this moment.
    func open(for moment: Int) {
        let (exchanged, _) = holder.compareExchange(
            expected: moment, desired: 0, ordering: .sequentiallyConsistent)
        if exchanged { hooks.withLock { $0.opened }() }
    }
}
