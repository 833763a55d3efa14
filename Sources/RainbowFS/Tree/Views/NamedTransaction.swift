import Glibc
import RainbowCore
import Synchronization

/// What a mount lets its transactions use.
struct TransactionLimits: Equatable, Sendable {
    /// A transaction that nobody used for so long ends; one that a program holds does not.
    var idleSeconds: UInt64 = 300
    /// For so long a transaction may keep all others from committing.
    var serialSeconds: UInt64 = 10
    /// Memory of what one has read and written.
    var bytesMax: UInt64 = 64 << 20
    /// Transactions of a mount.
    static let countMax = 256
}

/// A transaction of `transactions/`, from mkdir to rmdir: it runs, ends, and can begin again.
final class NamedTransaction: Sendable {
    enum Phase: Equatable, Sendable {
        case running
        case committed(UInt64)
        case conflict(Conflict)
        case aborted
        /// By this mount, which says why.
        case ended(String)

        var name: String {
            switch self {
            case .running: "running"
            case .committed: "committed"
            case .conflict: "conflict"
            case .aborted: "aborted"
            case .ended: "ended"
            }
        }
    }

    private struct State {
        var phase = Phase.running
        /// How often it began again.
        var restarts = 0
        /// Of the snapshot that it reads; kept here for operations that run in it.
        var version: UInt64 = 0
        /// When that was taken, in milliseconds since 1970.
        var began = SystemClock.milliseconds
        /// On the monotonic clock, as is the next.
        var lastUse = SystemClock.monotonicNanoseconds
        var serialSince: UInt64?
        /// Operations under way.
        var operations = 0
        var isHeld = false
        /// Whether objects were made since it began, the first time or again.
        var hasMadeObjects = false
        /// Whether rmdir or the end of its holder took it away.
        var isGone = false
        /// What it had read and written when its commit ended it.
        var lines: (read: [Range<Address>], written: [Range<Address>]) = ([], [])
    }

    let name: String
    let viewID: ViewID
    /// Nobody else but root may enter.
    let ownership: Ownership
    /// When mkdir made it, in milliseconds since 1970.
    let made = SystemClock.milliseconds
    let open: OpenTransaction
    let space: Space
    private let limits: TransactionLimits
    private let messages: MessageLog
    private let state = Mutex(State())
    /// Held while it ends or begins again, so that `state` and `open` do so in the same order.
    private let transition = Mutex<Void>(())

    init(
        _ name: String, at viewID: ViewID, for caller: Caller, in space: Space,
        _ limits: TransactionLimits, _ messages: MessageLog
    ) throws {
        self.name = name
        self.viewID = viewID
        ownership = Ownership(uid: caller.uid, gid: caller.gid, mode: 0o700)
        open = try space.begin(name: name)
        self.space = space
        self.limits = limits
        self.messages = messages
        let version = open.snapshot.version
        state.withLock { $0.version = version }
    }

    /// Of its directory.
    var attributes: Attributes {
        Attributes(
            ino: viewID.root.inode,
            mode: S_IFDIR | UInt32(ownership.mode), uid: ownership.uid, gid: ownership.gid,
            mtimeSeconds: Int64(made / 1000), mtimeNanoseconds: Int64(made % 1000 * 1_000_000))
    }

    var phase: Phase { state.withLock { $0.phase } }
    var isSerial: Bool { state.withLock { $0.serialSince != nil } }
    var isHeld: Bool { state.withLock { $0.isHeld } }
    var hasMadeObjects: Bool { state.withLock { $0.hasMadeObjects } }
    var isGone: Bool { state.withLock { $0.isGone } }
    /// Of the snapshot that it reads.
    var version: UInt64 { state.withLock { $0.version } }
    /// When it began, the first time or again, in milliseconds since 1970.
    var began: UInt64 { state.withLock { $0.began } }
}

/// Operations in the transaction.
extension NamedTransaction {
    /// Runs one operation; what it reads is checked by the commit.
    func perform<R>(_ body: (inout Transaction) throws -> R) throws -> R {
        try use { try open.perform(body) }
    }

    /// Runs reads that the commit does not check.
    func peek<R>(_ body: (inout Transaction) throws -> R) throws -> R {
        try use { try open.peek(body) }
    }

    private func use<R>(_ operation: () throws -> R) throws -> R {
        let restarts = try beginOperation()
        defer { endOperation() }
        do {
            let result = try operation()
            try checkMemory(restarts)
            return result
        } catch TransactionError.stale {
            throw lost(restarts)
        }
    }

    /// - Returns: how often it had begun again, so that no later beginning is ended for this one.
    private func beginOperation() throws(TreeError) -> Int {
        let (phase, restarts) = state.withLock { state in
            if state.phase == .running { state.operations += 1 }
            return (state.phase, state.restarts)
        }
        guard phase == .running else { throw staleError(phase) }
        return restarts
    }

    private func endOperation() {
        state.withLock { state in
            state.operations -= 1
            state.lastUse = SystemClock.monotonicNanoseconds
        }
    }

    private func checkMemory(_ restarts: Int) throws(TreeError) {
        let memory = open.memory
        let bytes = UInt64(memory.readBytes + memory.writtenBytes)
        guard bytes > limits.bytesMax else { return }
        end(
            restarts,
            "It used \(bytes) bytes of memory; a transaction of this mount may use"
                + " \(limits.bytesMax) (transaction_memory=). Split it, or mount with more.")
        throw staleError(phase)
    }

    /// The error for an operation that found the transaction ended.
    private func lost(_ restarts: Int) -> TreeError {
        if open.state == .stale {
            end(
                restarts,
                "The version that it reads was given up: the memory for old versions of the space"
                    + " is used up (snapshot_memory=).")
        }
        return staleError(phase)
    }

    func checkRunning() throws(TreeError) {
        let phase = phase
        guard phase == .running else { throw staleError(phase) }
    }

    func staleError(_ phase: Phase) -> TreeError {
        let reason =
            switch phase {
            case .running: "began again"
            case .committed(let version): "was committed as version \(version)"
            case .conflict: "was not committed: control says what it conflicted with"
            case .aborted: "was aborted"
            case .ended(let reason): "was ended. \(reason)"
            }
        let end = reason.hasSuffix(".") ? "" : "."
        return TreeError(ESTALE, "The transaction \(TreeError.quoted(name)) \(reason)\(end)")
    }
}

/// Its life.
extension NamedTransaction {
    /// - Returns: the version, and the lines that were written.
    /// - Throws: ECANCELED if it lost to another commit, ESTALE if it has ended before.
    func commit() throws -> (version: UInt64, written: [Range<Address>]) {
        let restarts = try beginOperation()
        defer { endOperation() }
        let (phase, written): (Phase, [Range<Address>])
        do {
            (phase, written) = try transition.withLock { _ in (try commitOpen(), lines.written) }
        } catch TransactionError.stale {
            throw lost(restarts)
        }
        if case .committed(let version) = phase { return (version, written) }
        guard case .conflict(let conflict) = phase else { throw staleError(phase) }
        throw TreeError(
            ECANCELED,
            "The transaction \(TreeError.quoted(name)) was not committed: it had read"
                + " \(TransactionReport.text(of: conflict, in: space)). Write \"restart\" to"
                + " its control file and do everything again.")
    }

    /// - Returns: how it has ended.
    private func commitOpen() throws(TransactionError) -> Phase {
        let lines = (open.readLines, open.writtenLines)
        let phase: Phase
        do {
            phase = .committed(try open.commit())
        } catch {
            guard case .conflict(let conflict) = open.state else { throw error }
            phase = .conflict(conflict)
        }
        state.withLock { $0.lines = lines }
        enter(phase)
        return phase
    }

    /// It has ended, or is about to, for the holder of `transition`.
    private func enter(_ phase: Phase) {
        state.withLock { state in
            state.phase = phase
            state.serialSince = nil
        }
        RequestScope.noteEffect()
    }

    func abort() {
        transition.withLock { _ in
            open.abort()
            if phase == .running { enter(.aborted) }
        }
    }

    /// Forgets everything and restarts in the present.
    ///
    /// - Returns: the version of that.
    /// - Throws: ESTALE if it was removed.
    func restart(isSerial: Bool) throws -> UInt64 {
        state.withLock { $0.operations += 1 }
        defer { endOperation() }
        return try transition.withLock { _ in
            try restartOpen(isSerial: isSerial)
            let version = open.snapshot.version
            state.withLock { state in
                state.phase = .running
                state.restarts += 1
                state.version = version
                state.began = SystemClock.milliseconds
                state.serialSince = isSerial ? SystemClock.monotonicNanoseconds : nil
                state.lines = ([], [])
                state.hasMadeObjects = false
            }
            return version
        }
    }

    private func restartOpen(isSerial: Bool) throws {
        guard !isGone else {
            throw TreeError(
                ESTALE,
                "The transaction \(TreeError.quoted(name)) was removed. Make a new one.")
        }
        do {
            try open.restart(isSerial: isSerial)
        } catch {
            if phase == .running, open.state != .running { enter(.aborted) }
            throw error
        }
        RequestScope.noteEffect()
    }

    /// Ends it for a reason, which `messages` tells as well, unless it has begun again meanwhile.
    private func end(_ restarts: Int, _ reason: String) {
        let isEnded = transition.withLock { _ in
            let isMeant = state.withLock { $0.phase == .running && $0.restarts == restarts }
            guard isMeant else { return false }
            // Operations under way end first: those that come must not begin.
            state.withLock { $0.phase = .ended(reason) }
            open.abort()
            enter(.ended(reason))
            return true
        }
        if isEnded {
            messages.add(
                "The transaction \(TreeError.quoted(name)) was ended. \(reason)",
                for: ownership.uid)
        }
    }

    /// Ends it if it is forgotten, or keeps others waiting for too long.
    func endIfDue() {
        let now = SystemClock.monotonicNanoseconds
        let (restarts, idle, serial) = state.withLock { state -> (Int, UInt64, UInt64) in
            guard state.phase == .running else { return (0, 0, 0) }
            let isIdle = state.operations == 0 && !state.isHeld
            return (
                state.restarts,
                isIdle ? NamedTransaction.seconds(from: state.lastUse, to: now) : 0,
                state.serialSince.map { NamedTransaction.seconds(from: $0, to: now) } ?? 0
            )
        }
        if serial >= limits.serialSeconds {
            end(
                restarts,
                "In serial mode it kept all others from committing for \(serial) seconds"
                    + " (serial_timeout=).")
        } else if idle >= limits.idleSeconds {
            end(restarts, "Nobody used it for \(idle) seconds (transaction_timeout=).")
        }
    }

    private static func seconds(from earlier: UInt64, to now: UInt64) -> UInt64 {
        now > earlier ? (now - earlier) / 1_000_000_000 : 0
    }

    /// From now on it lives as long as the file by which this was asked for.
    func hold() {
        state.withLock { $0.isHeld = true }
    }

    /// To be said before objects are made in it.
    func noteNewObjects() {
        state.withLock { $0.hasMadeObjects = true }
    }

    /// Takes it away, for rmdir or at the end of its holder.
    func remove() {
        state.withLock { $0.isGone = true }
        abort()
    }

    /// The lines read and written (`OpenTransaction.readLines`), as they were at the commit.
    var lines: (read: [Range<Address>], written: [Range<Address>]) {
        let (phase, lines) = state.withLock { ($0.phase, $0.lines) }
        return phase == .running ? (open.readLines, open.writtenLines) : lines
    }
}
