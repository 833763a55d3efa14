import Core
import Glibc
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

/// A transaction of `transactions/`, from mkdir to rmdir: it runs, ends, and can begin anew.
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
        /// Of the moment that it reads; kept here for operations that run in it.
        var version: UInt64 = 0
        /// On the monotonic clock, as is the next.
        var lastUse = NamedTransaction.now
        var serialSince: UInt64?
        /// Operations under way.
        var operations = 0
        var isHeld = false
        /// Whether objects were made since it began, the first time or anew.
        var hasMadeObjects = false
        /// Whether rmdir or the end of its holder took it away.
        var isGone = false
        /// What it had read and written when its commit ended it.
        var lines: (read: [Range<Address>], written: [Range<Address>]) = ([], [])
    }

    let name: String
    let place: MomentPlace
    /// Nobody else but root may enter.
    let ownership: Ownership
    /// Milliseconds since 1970.
    let began = NamedTransaction.milliseconds
    let open: OpenTransaction
    let space: Space
    private let limits: TransactionLimits
    private let messages: MessageLog
    private let gate: SerialGate
    private let state = Mutex(State())

    init(
        _ name: String, at place: MomentPlace, for caller: Caller, in space: Space,
        _ limits: TransactionLimits, _ messages: MessageLog, _ gate: SerialGate
    ) throws {
        self.name = name
        self.place = place
        ownership = Ownership(uid: caller.uid, gid: caller.gid, mode: 0o700)
        open = try space.begin(name: name)
        self.space = space
        self.limits = limits
        self.messages = messages
        self.gate = gate
        let version = open.snapshot.version
        state.withLock { $0.version = version }
    }

    var phase: Phase { state.withLock { $0.phase } }
    var isSerial: Bool { state.withLock { $0.serialSince != nil } }
    var isHeld: Bool { state.withLock { $0.isHeld } }
    var hasMadeObjects: Bool { state.withLock { $0.hasMadeObjects } }
    var isGone: Bool { state.withLock { $0.isGone } }
    /// Of the moment that it reads.
    var version: UInt64 { state.withLock { $0.version } }

    private static var now: UInt64 { nanoseconds(of: CLOCK_MONOTONIC) }
    private static var milliseconds: UInt64 { nanoseconds(of: CLOCK_REALTIME) / 1_000_000 }

    private static func nanoseconds(of clock: clockid_t) -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
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
        let phase = state.withLock { state -> Phase in
            if state.phase == .running { state.operations += 1 }
            return state.phase
        }
        guard phase == .running else { throw staleError(phase) }
        defer {
            state.withLock { state in
                state.operations -= 1
                state.lastUse = NamedTransaction.now
            }
        }
        do {
            let result = try operation()
            try checkMemory()
            return result
        } catch TransactionError.stale {
            throw lost()
        }
    }

    private func checkMemory() throws(TreeError) {
        let memory = open.memory
        let bytes = UInt64(memory.readBytes + memory.writtenBytes)
        guard bytes > limits.bytesMax else { return }
        end(
            "It used \(bytes) bytes of memory; a transaction of this mount may use"
                + " \(limits.bytesMax) (transaction_memory=). Split it, or mount with more.")
        throw staleError(phase)
    }

    /// The error for an operation that found the transaction ended.
    private func lost() -> TreeError {
        if open.state == .stale {
            end(
                "Its moment was given up: the memory for old versions of the space is used up"
                    + " (snapshot_memory=).")
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
            case .running: "began anew"
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
    /// - Throws: ECANCELED if another commit was in the way, ESTALE if it has ended before.
    func commit() throws -> UInt64 {
        let lines = (open.readLines, open.writtenLines)
        do {
            let version = try use { try open.commit() }
            finish(.committed(version), lines)
            return version
        } catch TransactionError.conflict {
            guard case .conflict(let conflict) = open.state else { throw TransactionError.conflict }
            finish(.conflict(conflict), lines)
            throw TreeError(
                ECANCELED,
                "The transaction \(TreeError.quoted(name)) was not committed: it had read"
                    + " \(TransactionReport.text(of: conflict, in: space)). Write \"restart\" to"
                    + " its control file and do everything again.")
        }
    }

    private func finish(_ phase: Phase, _ lines: (read: [Address], written: [Address])) {
        state.withLock { state in
            state.phase = phase
            state.serialSince = nil
            state.lines = lines
        }
        gate.open(for: place.number)
    }

    func abort() {
        open.abort()
        state.withLock { state in
            guard state.phase == .running else { return }
            state.phase = .aborted
            state.serialSince = nil
        }
        gate.open(for: place.number)
    }

    /// Forgets everything and begins anew at the present moment.
    ///
    /// - Returns: the version of that moment.
    func restart(isSerial: Bool) throws -> UInt64 {
        state.withLock { $0.operations += 1 }
        defer { state.withLock { $0.operations -= 1 } }
        if isSerial {
            try gate.close(for: place.number) { try open.restart(isSerial: true) }
        } else {
            try open.restart()
            gate.open(for: place.number)
        }
        let version = open.snapshot.version
        state.withLock { state in
            state.phase = .running
            state.version = version
            state.lastUse = NamedTransaction.now
            state.serialSince = isSerial ? NamedTransaction.now : nil
            state.lines = ([], [])
            state.hasMadeObjects = false
        }
        return version
    }

    /// Ends it for a reason, which `messages` tells as well.
    private func end(_ reason: String) {
        let isMine = state.withLock { state in
            guard state.phase == .running else { return false }
            state.phase = .ended(reason)
            state.serialSince = nil
            return true
        }
        guard isMine else { return }
        open.abort()
        gate.open(for: place.number)
        // A commit that was under way may have been faster.
        guard case .ended = phase else { return }
        messages.add("The transaction \(TreeError.quoted(name)) was ended. \(reason)")
    }

    /// Ends it if it is forgotten, or keeps others waiting for too long.
    func endIfDue() {
        let now = NamedTransaction.now
        let (idle, serial) = state.withLock { state -> (UInt64, UInt64) in
            guard state.phase == .running else { return (0, 0) }
            let isIdle = state.operations == 0 && !state.isHeld
            return (
                isIdle ? NamedTransaction.seconds(from: state.lastUse, to: now) : 0,
                state.serialSince.map { NamedTransaction.seconds(from: $0, to: now) } ?? 0
            )
        }
        if serial >= limits.serialSeconds {
            end(
                "In serial mode it kept all others from committing for \(serial) seconds"
                    + " (serial_timeout=).")
        } else if idle >= limits.idleSeconds {
            end("Nobody used it for \(idle) seconds (transaction_timeout=).")
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
