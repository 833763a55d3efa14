import Glibc
import RainbowCore
import Synchronization

/// Keeps a snapshot of the bank open while its workers work, and adds all accounts up at it.
///
/// The sum is read shortly before a snapshot ends, when most lines have changed since, so that it
/// comes from old versions.
struct BankSnapshots {
    let workload: BankWorkload
    /// After how long a new snapshot takes the place of the old one; 0: one for the whole time.
    let milliseconds: Int

    struct Counts {
        var snapshots = 0
        var sums = 0
        var sumsWrong = 0
        /// The most memory that old versions took.
        var bytesMax: UInt64 = 0
    }

    /// Runs `body` with a snapshot open from its first moment to its last one.
    func during<R: Sendable>(
        _ body: @escaping @Sendable () throws -> R
    ) throws -> (result: R, counts: Counts) {
        let outcome = Mutex<Result<R, any Error>?>(nil)
        let counts = Mutex<Result<Counts, any Error>>(.success(Counts()))
        let state = Atomic<Int>(State.starting)
        Workers.run(2) { thread in
            if thread == 0 {
                let result = Result { try keep(state) }
                counts.withLock { $0 = result }
                // Also if no snapshot could be taken: the workers must not wait for one.
                _ = state.compareExchange(
                    expected: State.starting, desired: State.open, ordering: .relaxed)
                return
            }
            while state.load(ordering: .relaxed) == State.starting { sched_yield() }
            let result = Result { try body() }
            outcome.withLock { $0 = result }
            state.store(State.done, ordering: .relaxed)
        }
        let kept = try counts.withLock { try $0.get() }
        guard let result = outcome.withLock({ $0 }) else { fatalError("the body has not run") }
        return (try result.get(), kept)
    }

    private enum State {
        static let starting = 0
        static let open = 1
        static let done = 2
    }

    private func keep(_ state: borrowing Atomic<Int>) throws -> Counts {
        var counts = Counts()
        var snapshot = try take(&counts)
        state.store(State.open, ordering: .relaxed)
        while state.load(ordering: .relaxed) != State.done {
            wait(state)
            try add(at: snapshot, &counts)
            guard milliseconds > 0, state.load(ordering: .relaxed) != State.done else { continue }
            // The new one first: there is no moment without a snapshot.
            let next = try take(&counts)
            snapshot.end()
            snapshot = next
        }
        try add(at: snapshot, &counts)
        snapshot.end()
        return counts
    }

    private func take(_ counts: inout Counts) throws -> Snapshot {
        counts.snapshots += 1
        return try workload.space.takeSnapshot(named: "bank-\(counts.snapshots)")
    }

    private func add(at snapshot: Snapshot, _ counts: inout Counts) throws {
        let sum = try workload.space.read(at: snapshot) { try workload.sum(in: &$0) }
        counts.sums += 1
        if sum != 0 { counts.sumsWrong += 1 }
        counts.bytesMax = max(counts.bytesMax, workload.space.snapshotMemory.bytesUsed)
    }

    /// Waits until a snapshot is old enough, or the workers are done.
    private func wait(_ state: borrowing Atomic<Int>) {
        let seconds = Double(milliseconds == 0 ? 100 : milliseconds) / 1000
        let end = SystemClock.monotonicSeconds + seconds
        while state.load(ordering: .relaxed) != State.done {
            let left = end - SystemClock.monotonicSeconds
            if left <= 0 { return }
            usleep(UInt32(min(left, 0.01) * 1e6) + 1)
        }
    }
}
