import CLinux
import Glibc
import RainbowCore
import Synchronization

/// The bank: objects of a class with a balance, side by side; workers move 1 between two of them,
/// picked at random, and now and then add all of them up.
struct BankWorkload {
    static let accountCount = 1024
    /// Bytes from one account to the next: a header and a balance.
    static let accountSize = 16

    let space: Space
    /// The first account.
    let bank: Address
    /// Of 100 runs, how many add all accounts up.
    var readAllPercent = 0

    struct Counts {
        var transfers = 0
        var readAlls = 0
        var restarts = 0
        var sumsWrong = 0
        var seconds = 0.0
    }

    /// Opens the accounts, all empty.
    static func newBank(in space: Space) throws -> Address {
        let capacity = UInt64(accountCount * accountSize)
        let allocator = try BenchSpace.allocator(
            in: space, capacity: capacity, className: "Account", fields: "int64 balance\n")
        return try space.transact { tx in
            let type = try tx.classDescriptor(named: "Account")
            precondition(type.stride == accountSize, "accounts are laid out in another way")
            return try tx.newObjects(of: type, in: allocator.address, count: accountCount)
        }
    }

    func balance(_ account: Int) -> Address {
        bank + account * BankWorkload.accountSize + 8
    }

    /// Takes 1 from one account and gives it to another.
    @inline(__always)
    func transfer(from: Address, to: Address, _ runs: inout Int) throws {
        try space.transact { (tx) throws(TransactionError) in
            runs += 1
            try tx.store(try tx.load(from, as: Int64.self) - 1, at: from)
            try tx.store(try tx.load(to, as: Int64.self) + 1, at: to)
        }
    }

    /// The sum of all balances, at one version; always 0.
    func sum(_ runs: inout Int) throws -> Int64 {
        try space.transact { (tx) throws(TransactionError) in
            runs += 1
            return try sum(in: &tx)
        }
    }

    /// The sum of all balances, at the transaction's read version.
    @inline(__always)
    func sum(in tx: inout Transaction) throws(TransactionError) -> Int64 {
        var sum: Int64 = 0
        for account in 0..<BankWorkload.accountCount {
            sum += try tx.load(balance(account), as: Int64.self)
        }
        return sum
    }

    /// Works for a time, on one thread.
    func work(milliseconds: Int, seed: UInt64) throws -> Counts {
        var counts = Counts()
        var random = CheapRandom(seed: seed)
        var runs = 0
        let start = SystemClock.monotonicSeconds
        let end = start + Double(milliseconds) / 1000
        repeat {
            // Looking at the clock costs as much as a transfer, so not each time.
            for _ in 0..<256 {
                if readAllPercent > 0, random.below(100) < readAllPercent {
                    if try sum(&runs) != 0 { counts.sumsWrong += 1 }
                    counts.readAlls += 1
                    continue
                }
                let from = random.below(BankWorkload.accountCount)
                var to = random.below(BankWorkload.accountCount)
                if to == from { to = (from + 1) % BankWorkload.accountCount }
                try transfer(from: balance(from), to: balance(to), &runs)
                counts.transfers += 1
            }
        } while SystemClock.monotonicSeconds < end
        counts.seconds = SystemClock.monotonicSeconds - start
        counts.restarts = runs - counts.transfers - counts.readAlls
        return counts
    }
}

/// A generator (xorshift64*, Marsaglia 2003, Vigna 2016) that costs less than what is measured.
struct CheapRandom {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

    /// A number from 0 up to `bound`, which is small, by the upper bits.
    @inline(__always)
    mutating func below(_ bound: Int) -> Int {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        let high = (state &* 0x2545_f491_4f6c_dd1d) >> 32
        return Int((high &* UInt64(bound)) >> 32)
    }
}

enum Processor {
    /// Keeps the calling thread on one of the processors that this process may use.
    static func pin(_ worker: Int) {
        let count = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        var mask = [UInt](repeating: 0, count: 16)
        let processor = worker % count % (mask.count * 64)
        mask[processor / 64] = 1 << UInt(processor % 64)
        unsafe rainbow_sched_setaffinity(0, mask.count * 8, mask)
    }
}

/// Keeps a snapshot of the bank open while its workers work, and adds all accounts up at it.
///
/// The sum is read shortly before a snapshot ends, when most lines have changed since, so that it
/// comes from undo versions.
struct BankSnapshots {
    let workload: BankWorkload
    /// After how long a new snapshot takes the place of the old one; 0: one for the whole time.
    let milliseconds: Int

    struct Counts {
        var snapshots = 0
        var sums = 0
        var sumsWrong = 0
        /// The most memory that undo versions took.
        var bytesMax: UInt64 = 0
    }

    /// Runs `body` with a snapshot open from its beginning to its end.
    func during<R: Sendable>(
        _ body: @escaping @Sendable () throws -> R
    ) throws -> (result: R, counts: Counts) {
        let outcome = Mutex<Result<R, any Error>?>(nil)
        let counts = Mutex<Result<Counts, any Error>>(.success(Counts()))
        let state = Atomic<Int>(State.starting)
        try Workers.run(2) { thread in
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
            // The new one first: there is always a snapshot.
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
