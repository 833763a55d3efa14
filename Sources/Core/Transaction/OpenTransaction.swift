import Glibc
import Synchronization

/// Why a commit could not be.
public struct Conflict: Equatable, Sendable {
    /// The first byte of a line that was read and has changed since.
    public var line: Address
    /// The first commit that changed it; the last one, if nobody had written the line before. 0 if
    /// it is not known: that commit is under way, say.
    public var version: UInt64
    /// The node of that commit, if it is known.
    public var node: Int?
}

/// A transaction that lives as long as its owner wants, one operation after another.
///
/// It reads one version, that of its beginning, with its own writes on top; what others overwrite
/// meanwhile is kept for it like for any snapshot. The commit looks whether everything that was
/// read still is what it was; so what commits is strictly serializable, at the version of the
/// commit, and what has only read commits always. Any thread may use it; operations run one at a
/// time.
///
/// The `detach` of its space ends it.
public final class OpenTransaction: Sendable {
    public enum State: Equatable, Sendable {
        case running
        case committed(version: UInt64)
        /// A commit found what it had read changed.
        case conflict(Conflict)
        /// Given up by its owner, or because its space was detached.
        case aborted
        /// Its view could not be kept readable any more.
        case stale
    }

    @safe private struct Run: ~Copyable, @unchecked Sendable {
        let space: Space
        var state = State.running
        var snapshot: Snapshot
        private var kept: UnsafeMutablePointer<Transaction>?

        init(
            _ space: Space, _ context: UnsafeMutablePointer<Transaction>, at snapshot: Snapshot
        ) {
            self.space = space
            self.snapshot = snapshot
            unsafe kept = context
        }

        /// Nil once it has ended. All contexts of a space go with its `detach`.
        var context: UnsafeMutablePointer<Transaction>? {
            get { unsafe space.isGone ? nil : kept }
            set { unsafe kept = newValue }
        }
    }

    private let space: Space
    private let name: String
    private let run: Mutex<Run>
    /// The thread whose operation is running, which cannot run another one in it; 0: none.
    private let performer = Atomic<pthread_t>(0)

    init(_ space: Space, name: String) throws(SpaceError) {
        self.space = space
        self.name = name
        let snapshot = try space.takeSnapshot(.transaction, name)
        let context = unsafe try space.newContext()
        unsafe context.pointee.begin()
        unsafe context.pointee.fix(at: snapshot)
        unsafe context.pointee.endOperation()
        run = Mutex(unsafe Run(space, context, at: snapshot))
    }

    deinit { abort() }

    public var state: State {
        run.withLock { run in
            unsafe run.state == .running && run.context == nil ? .aborted : run.state
        }
    }

    /// The version that it reads.
    public var snapshot: Snapshot { run.withLock { $0.snapshot } }

    /// Whether nobody else commits until it ends.
    public var isSerial: Bool {
        run.withLock { run in unsafe run.context?.pointee.isSerial ?? false }
    }

    /// Runs one operation in it. If `body` throws, what it wrote is undone, and the transaction
    /// goes on.
    /// - Throws: what `body` throws; `TransactionError.stale` if the transaction has ended;
    ///   `SpaceError.nested` in an operation of the same transaction, `.detached`.
    public func perform<R>(_ body: (inout Transaction) throws -> R) throws -> R {
        try withContext { tx in
            let savepoint = tx.setSavepoint()
            do {
                let result = try body(&tx)
                try tx.throwIfBusy()
                tx.releaseSavepoint()
                return result
            } catch {
                tx.rollBack(to: savepoint)
                throw error
            }
        }
    }

    /// Runs reads that the commit is not to check. What `body` writes is undone.
    /// - Throws: as `perform`.
    public func peek<R>(_ body: (inout Transaction) throws -> R) throws -> R {
        try withContext { tx in
            let (reads, savepoint) = (tx.setReadsAside(), tx.setSavepoint())
            defer {
                tx.rollBack(to: savepoint)
                tx.takeReadsBack(reads)
            }
            let result = try body(&tx)
            try tx.throwIfBusy()
            return result
        }
    }

    private func withContext<R>(_ body: (inout Transaction) throws -> R) throws -> R {
        if space.isGone { throw SpaceError.detached }
        let thread = try threadThatMayEnter()
        var outcome: Result<R, any Error> = .failure(TransactionError.stale)
        run.withLock { run in
            performer.store(thread, ordering: .relaxed)
            defer { performer.store(0, ordering: .relaxed) }
            guard let context = unsafe run.context else { return }
            unsafe context.pointee.wait = nil
            unsafe context.pointee.beginOperation()
            outcome = Result {
                unsafe try context.pointee.checkFixedView()
                return unsafe try body(&context.pointee)
            }
            unsafe context.pointee.endOperation()
            let (read, written) = unsafe context.pointee.memory
            run.snapshot.entry.readBytes.storeRelaxed(UInt64(read))
            run.snapshot.entry.writtenBytes.storeRelaxed(UInt64(written))
            if case .failure(TransactionError.stale) = outcome { finish(&run, .stale) }
        }
        return try outcome.get()
    }

    /// This thread.
    /// - Throws: `nested` if it is running an operation already.
    private func threadThatMayEnter() throws(SpaceError) -> pthread_t {
        let thread = pthread_self()
        if performer.load(ordering: .relaxed) == thread { throw .nested }
        return thread
    }

    /// Makes its writes visible, all at once, for the thread's committer.
    /// - Returns: the version of the commit; if it wrote nothing, the version that it read.
    /// - Throws: `TransactionError.conflict` (`state` says which), `.stale` if it has ended;
    ///   `.busy` if the thread may not wait: then the transaction goes on.
    @discardableResult
    public func commit() throws(TransactionError) -> UInt64 {
        let committer = space.committer
        let outcome = run.withLock { run -> Result<UInt64, TransactionError> in
            guard let context = unsafe run.context else { return .failure(.stale) }
            unsafe context.pointee.committer = committer
            unsafe context.pointee.conflictLine = 0
            unsafe context.pointee.wait = nil
            let hasWritten = unsafe context.pointee.hasWritten
            unsafe context.pointee.beginOperation()
            do throws(TransactionError) {
                unsafe try context.pointee.checkFixedView()
                unsafe try context.pointee.bringWriteSet()
            } catch {
                unsafe context.pointee.endOperation()
                if error == .stale { finish(&run, .stale) }
                return .failure(error)
            }
            // A commit can fail without a conflict: another one was in serial mode, and has ended.
            while unsafe !context.pointee.commit() {
                do throws(TransactionError) {
                    unsafe try context.pointee.throwIfBusy()
                } catch {
                    unsafe context.pointee.endOperation()
                    return .failure(error)
                }
                let line = unsafe context.pointee.conflictLine
                guard line == 0 else {
                    let conflict = unsafe space.conflict(onLine: line, of: &context.pointee)
                    finish(&run, .conflict(conflict))
                    return .failure(.conflict)
                }
            }
            let version = unsafe hasWritten ? context.pointee.lastCommit : run.snapshot.version
            finish(&run, .committed(version: version))
            return .success(version)
        }
        return try outcome.get()
    }

    /// Why the commit failed, or would fail now; nil if it would not.
    public var conflict: Conflict? {
        run.withLock { run in
            if case .conflict(let conflict) = run.state { return conflict }
            guard let context = unsafe run.context, unsafe context.pointee.hasWritten else {
                return nil
            }
            unsafe context.pointee.beginOperation()
            defer { unsafe context.pointee.endOperation() }
            guard let line = unsafe context.pointee.changedLine() else { return nil }
            return unsafe space.conflict(onLine: line, of: &context.pointee)
        }
    }

    /// Forgets what it read and wrote and begins again, at the present version; also after its end.
    /// - Parameter isSerial: whether nobody else is to commit until it ends, so that it commits for
    ///   sure. Waits for another one in that mode.
    /// - Throws: `SpaceError.busy` if the thread may not wait; what was running then goes on,
    ///   unless it was in serial mode itself. `.nested` in an operation of it, `.detached`.
    public func restart(isSerial: Bool = false) throws(SpaceError) {
        _ = try threadThatMayEnter()
        try run.withLock { run throws(SpaceError) in
            if unsafe run.context?.pointee.isSerial == true { finish(&run, .aborted) }
            let context = unsafe try space.newContext()
            let snapshot: Snapshot
            do throws(SpaceError) {
                if isSerial { unsafe try takeSerial(context) }
                snapshot = try space.takeSnapshot(.transaction, name)
            } catch {
                unsafe context.pointee.releaseSerial()
                unsafe space.release(context)
                throw error
            }
            finish(&run, .aborted)
            run.snapshot = snapshot
            if isSerial { snapshot.entry.setSerial() }
            unsafe context.pointee.begin()
            unsafe context.pointee.fix(at: run.snapshot)
            unsafe context.pointee.endOperation()
            unsafe run.context = context
            run.state = .running
        }
    }

    private func takeSerial(
        _ context: UnsafeMutablePointer<Transaction>
    ) throws(SpaceError) {
        do throws(TransactionError) {
            unsafe try context.pointee.takeSerial()
        } catch {
            guard case .busy(let wait) = error else { throw .damaged(space.name, "\(error)") }
            throw .busy(wait)
        }
        // Beyond this wait the transaction may lose once more, and no more than that.
        _ = space.awaitCommitsUnderWay(milliseconds: 100)
    }

    /// Ends it without a trace; nothing happens if it has ended.
    public func abort() {
        run.withLock { run in finish(&run, .aborted) }
    }

    private func finish(_ run: inout Run, _ state: State) {
        guard let context = unsafe run.context else { return }
        run.state = state
        if case .committed = state {} else { unsafe context.pointee.countAbort() }
        unsafe context.pointee.endOpen()
        unsafe space.release(context)
        unsafe run.context = nil
        run.snapshot.end()
    }

    /// The memory that was read and whose change would be a conflict: whole lines of 64 bytes, in
    /// ascending ranges that do not touch. Empty once it has ended.
    public var readLines: [Range<Address>] {
        run.withLock { run in unsafe run.context?.pointee.linesRead() ?? [] }
    }

    /// The memory that the commit is going to write, in the same form.
    public var writtenLines: [Range<Address>] {
        run.withLock { run in unsafe run.context?.pointee.linesWritten() ?? [] }
    }

    /// Memory of what it has read, and of what it is going to write, in bytes.
    public var memory: (readBytes: Int, writtenBytes: Int) {
        run.withLock { run in unsafe run.context?.pointee.memory ?? (0, 0) }
    }
}

extension Space {
    /// Begins a transaction at the present version, which runs until its owner ends it.
    /// - Parameter name: shown with it, 1 to 192 bytes.
    /// - Throws: `SpaceError.tooManySnapshots`, `.tooManySlots`, `.badSnapshotName`.
    public func begin(name: String) throws(SpaceError) -> OpenTransaction {
        try OpenTransaction(self, name: name)
    }

    /// Who changed a line since the version of a transaction: first, as far as that is known.
    fileprivate func conflict(onLine line: UInt64, of tx: inout Transaction) -> Conflict {
        let address = Address(line: line)
        if let found = tx.overwriter(ofLine: line) {
            return Conflict(line: address, version: found.until, node: found.node)
        }
        // A line that nobody had written before has no undo version; the ring may still have it.
        guard let region = try? mapRegion(address.region), region.isPresent(address.offset) else {
            return Conflict(line: address, version: 0)
        }
        let word = region.lineWord(address.offset).load()
        guard !LineWord.isLocked(word) else { return conflict(onLine: address, lock: word) }
        let entry = ring.entry(word)
        let node = entry[0].load() == word ? CommitRing.Head(entry[8].load()).node : nil
        return Conflict(line: address, version: word, node: node)
    }

    /// The commit that has the line locked, as far as its slot tells.
    private func conflict(onLine address: Address, lock: UInt64) -> Conflict {
        let slot = Slot(
            meta: meta, index: min(LineWord.slot(of: lock), SpaceLayout.slotCountMax - 1))
        let node = NodeTable.index(of: slot.owner.load())
        let ticket = slot.ticket.load()
        return Conflict(
            line: address, version: ticket > 1 ? ticket : 0, node: node >= 0 ? node : nil)
    }
}

extension SnapshotEntry {
    fileprivate func setSerial() { kind.store(kind.load() | SnapshotTable.serialBit) }
}

extension Transaction {
    fileprivate var memory: (readBytes: Int, writtenBytes: Int) {
        (readSet.count * 8, entryCount * RedoLog.entrySize + fillCount * RedoLog.fillSize)
    }

    /// A line that was read and has changed since; nil if there is none.
    fileprivate mutating func changedLine() -> UInt64? {
        for index in 0..<readSet.count {
            for line in readSet.lines(index) {
                let address = line << Address.lineShift
                guard let region = regions[containing: address] else { continue }
                let offset = Address(address).offset
                guard isUnevicted(address, in: region) else { continue }
                let word = region.lineWord(offset).load()
                if word > readVersion, !LineWord.isLocked(word) { return line }
            }
        }
        return nil
    }

    fileprivate func linesRead() -> [Range<Address>] {
        Self.joined((0..<readSet.count).map { readSet.lines($0) })
    }

    fileprivate func linesWritten() -> [Range<Address>] {
        let end = UInt64(SpaceLayout.regionCountMax) * Address.regionSize >> Address.lineShift
        let entries = (0..<entryCount).compactMap { index -> Range<UInt64>? in
            let line = log[index].address.loadRelaxed() >> Address.lineShift
            // The log lies in shared memory, where something else may have written.
            return line < end ? line..<line + 1 : nil
        }
        let filled = (0..<fillCount).map { unsafe fills[$0].firstLine..<fills[$0].lineEnd }
        return Self.joined(entries + filled)
    }

    private static func joined(_ lines: [Range<UInt64>]) -> [Range<Address>] {
        var joined: [Range<Address>] = []
        for lines in lines.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            let start = Address(line: lines.lowerBound)
            let end = Address(line: lines.upperBound)
            if let last = joined.last, start <= last.upperBound {
                joined[joined.count - 1] = last.lowerBound..<max(end, last.upperBound)
            } else {
                joined.append(start..<end)
            }
        }
        return joined
    }

    /// Makes the context fit for another transaction.
    fileprivate mutating func endOpen() {
        if conflictLine != 0 {
            beginOperation()
            recordConflict()
        }
        endOperation()
        view = nil
        wait = nil
        releaseSavepoint()
        isActive = false
        releaseSerial()
    }
}
