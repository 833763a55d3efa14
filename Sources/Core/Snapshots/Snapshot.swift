import Glibc
import Synchronization

/// One version of a space that stays readable, however many commits pass: `Space.read(at:)`.
///
/// It is an entry of the space's snapshot table, so every node sees it. It ends with `end`, with
/// the last reference to the value that took it, or with the process that took it.
public final class Snapshot: Sendable {
    /// All commits up to this version are seen, none after it.
    public let version: UInt64
    let index: Int
    /// Tells the entry from others that had its place before.
    let serialNumber: UInt64
    private let space: Space
    /// Whether this value took the snapshot, so that it goes with it.
    private let isOwner: Bool

    init(_ space: Space, index: Int, version: UInt64, serialNumber: UInt64, isOwner: Bool) {
        self.space = space
        self.index = index
        self.version = version
        self.serialNumber = serialNumber
        self.isOwner = isOwner
    }

    deinit { if isOwner { end() } }

    var entry: SnapshotEntry { space.snapshotTable[index] }

    /// Whether it cannot be read any more: it has ended, or memory was short.
    public var isStale: Bool {
        entry.version.load() & SnapshotTable.staleBit != 0 || hasEnded
    }

    /// Whether it is in the table no more.
    public var hasEnded: Bool {
        entry.version.load() & ~SnapshotTable.staleBit != version
            || entry.serialNumber.load() != serialNumber || entry.isEnded
    }

    /// Its row in the table; nil once it has ended.
    public var info: SnapshotInfo? {
        let info = entry.info
        return hasEnded ? nil : info
    }

    /// Drops the snapshot, and with it the undo versions that no other one needs; repeatable. Where
    /// the thread may not wait, the next who changes the table frees what is in use.
    public func end() { space.end(self) }
}

extension Space {
    /// Takes a snapshot of the present version for any number of readers.
    /// - Parameters:
    ///   - name: of at most 192 bytes; no other named snapshot has it.
    ///   - user: who asked for it, and the group of that user; kept with it for others to see.
    /// - Throws: `SpaceError.snapshotExists`, `.badSnapshotName`, `.tooManySnapshots`, `.system`.
    public func takeSnapshot(
        named name: String, user: UInt32 = geteuid(), group: UInt32 = getegid()
    ) throws(SpaceError) -> Snapshot {
        try takeSnapshot(.named, name, user: user, group: group)
    }

    /// The open snapshot of a name, whichever node took it; nil if there is none.
    public func snapshot(named name: String) -> Snapshot? {
        for index in 0..<SpaceLayout.snapshotCountMax {
            let entry = snapshotTable[index]
            let number = entry.serialNumber.load()
            guard let info = entry.info, info.kind == .named, info.name.isSame(as: name),
                nodes.isAlive(incarnation: entry.owner.load()), entry.serialNumber.load() == number
            else { continue }
            return Snapshot(
                self, index: index, version: info.version, serialNumber: number, isOwner: false)
        }
        return nil
    }

    /// All versions that are kept readable, of all nodes.
    public var snapshots: [SnapshotInfo] {
        (0..<SpaceLayout.snapshotCountMax).compactMap { index in
            let entry = snapshotTable[index]
            guard let info = entry.info, nodes.isAlive(incarnation: entry.owner.load()) else {
                return nil
            }
            return info
        }
    }

    /// Memory of the undo versions of lines, in bytes, and its limit.
    public var snapshotMemory: (bytesUsed: UInt64, bytesMax: UInt64) {
        (ShadowStore.bytesUsed(meta), ShadowStore.bytesMax(meta))
    }

    /// Sets the limit for all nodes; past it the oldest snapshot is evicted.
    public func setSnapshotMemory(bytesMax: UInt64) {
        meta[SpaceLayout.shadowMaxOffset].store(max(bytesMax, 4096))
    }

    /// Runs `body` at a snapshot; it cannot write. Any number of threads may do so.
    /// - Throws: `TransactionError.stale` if the snapshot has ended or was evicted; what `body`
    ///   throws; `SpaceError.tooManySlots`, `.nested`, `.detached`.
    public func read<R>(
        at snapshot: Snapshot, _ body: (inout Transaction) throws -> R
    ) throws -> R {
        let context = unsafe try threadContext()
        if unsafe context.pointee.isActive { throw SpaceError.nested }
        defer { unsafe context.pointee.endAtSnapshot() }
        unsafe context.pointee.begin(at: snapshot)
        unsafe try context.pointee.checkFixedView()
        let result = unsafe try body(&context.pointee)
        unsafe try context.pointee.throwIfBusy()
        return result
    }
}

extension Space {
    func takeSnapshot(
        _ kind: SnapshotKind, _ name: String, user: UInt32 = geteuid(), group: UInt32 = getegid()
    ) throws(SpaceError) -> Snapshot {
        guard !name.isEmpty, name.systemByteCount <= SnapshotTable.nameBytesMax,
            !name.utf8.contains(where: { $0 < 32 || $0 == 127 || $0 == UInt8(ascii: "/") })
        else { throw .badSnapshotName(name) }
        return try withSnapshotLock { () throws(SpaceError) in
            dropLeftSnapshots()
            if kind == .named, snapshot(named: name) != nil { throw .snapshotExists(name) }
            guard
                let index = (0..<SpaceLayout.snapshotCountMax).first(where: {
                    snapshotTable[$0].owner.load() == 0
                })
            else { throw .tooManySnapshots(SpaceLayout.snapshotCountMax) }
            let entry = snapshotTable[index]
            let number = entry.serialNumber.load() &+ 1
            entry.serialNumber.store(number)
            entry.kind.store(kind.rawValue)
            entry.readBytes.store(kind == .named ? SystemCalls.bootMilliseconds() : 0)
            entry.writtenBytes.store(0)
            entry.user.store(UInt64(group) << 32 | UInt64(user))
            entry.name.store(name)
            entry.milliseconds.store(
                kind == .named
                    ? SystemCalls.coarseMilliseconds() : SystemCalls.bootMilliseconds())
            entry.owner.store(nodes.ownIncarnation)
            snapshotTable.publish(index)
            let version = clock.latest
            snapshotTable.settle(index, at: version)
            return Snapshot(
                self, index: index, version: version, serialNumber: number, isOwner: true)
        }
    }

    func end(_ snapshot: Snapshot) {
        guard !isGone, !snapshot.hasEnded else { return }
        snapshot.entry.setEnded(snapshot.serialNumber)
        try? withSnapshotLock {
            dropLeftSnapshots()
            sweepIfDue()
        }
    }

    /// Drops what killed processes left in the snapshot table, and undo versions that nobody needs.
    public func recoverSnapshots() {
        // The process that ended the last snapshot may have been killed before it swept, or a
        // commit under way kept it from sweeping.
        let isUnneeded = snapshotTable.newest == 0 && ShadowStore.bytesUsed(meta) != 0
        let isDue = (0..<SpaceLayout.snapshotCountMax).contains { isLeft(snapshotTable[$0]) }
        guard isDue || isUnneeded, !isGone else { return }
        _ = try? withSnapshotLockIfAvailable {
            dropLeftSnapshots()
            sweepIfDue()
        }
    }

    private func dropLeftSnapshots() {
        for index in 0..<SpaceLayout.snapshotCountMax where isLeft(snapshotTable[index]) {
            snapshotTable.free(index)
        }
    }

    /// Whether nobody needs the entry any more: its owner was killed, or has ended it without the
    /// lock. Sure for the lock's holder only.
    private func isLeft(_ entry: SnapshotEntry) -> Bool {
        let owner = entry.owner.load()
        return owner != 0
            && (entry.version.load() == 0 || entry.isEnded || !nodes.isAlive(incarnation: owner))
    }

    /// Frees undo versions that nobody needs, if there are many or nobody needs any.
    private func sweepIfDue() {
        let versions = snapshotTable.versions
        // A committer may have evicted the last one and not yet raised the epoch.
        if versions.isEmpty { _ = snapshotTable.epoch.add(1) }
        // Its memory is given back: in a full memory a look at it would be a signal.
        if versions.isEmpty, awaitCommitsUnderWay(), awaitRuns() {
            shadow.reset()
        } else if versions.isEmpty || shadow.isSweepDue {
            shadow.sweepAll(snapshots: versions)
        }
    }

    /// Calls `report` for each undo version that cannot be.
    func checkSnapshots(_ report: (String) -> Void) {
        guard meta[SpaceLayout.shadowEndOffset].load() > 0 else { return }
        do throws(SpaceError) {
            try withSnapshotLock {
                dropLeftSnapshots()
                shadow.check(newest: { clock.now }, report)
            }
        } catch {
            report("The undo versions were not looked at: \(error).")
        }
    }

    /// One step towards less memory for undo versions: sweeps some chains and, when all were swept
    /// without success, evicts the oldest snapshot. Does nothing if another is at it.
    func relieveSnapshotMemory() {
        _ = try? withSnapshotLockIfAvailable {
            guard shadow.isUnderPressure else { return }
            dropLeftSnapshots()
            let (chain, left) = (
                meta[SpaceLayout.sweepChainOffset], meta[SpaceLayout.sweepLeftOffset]
            )
            let chains = UInt64(ShadowStore.chainCount)
            var rest = min(left.load(), chains)
            if rest == 0 { rest = chains }
            let first = chain.load() % chains
            let count = min(256, rest, chains - first)
            shadow.sweep(
                Int(first)..<Int(first + count), snapshots: snapshotTable.versions)
            chain.store(first + count)
            left.store(rest - count)
            if rest == count, shadow.isUnderPressure { snapshotTable.evictOldest() }
        }
    }

    /// Frees undo versions for a commit that found no memory to keep one more: those that nobody
    /// needs, then those that only the oldest snapshot needs, which is evicted. The lines of the
    /// commit stay locked meanwhile, so this must not wait for other commits.
    /// - Returns: false if all of that freed none, or if others kept the table locked for 100 ms.
    func makeRoomForUndoVersions() -> Bool {
        let limit = SystemCalls.deadline(milliseconds: 100)
        var hasRoom = false
        var backoff = Backoff()
        while (try? withSnapshotLockIfAvailable({ hasRoom = makeRoomLocked() })) != true {
            guard backoff.wait() else { continue }
            if SystemCalls.isOver(limit) { return false }
        }
        return hasRoom
    }

    private func makeRoomLocked() -> Bool {
        // Another commit may have made room while this one waited for the lock.
        if shadow.hasFreeRecord { return true }
        dropLeftSnapshots()
        let needed = shadow.sweepAll(snapshots: snapshotTable.versions)
        guard shadow.isUnderPressure || !shadow.hasFreeRecord else { return true }
        // All that have to go at once: to sweep after each would keep the commit for long.
        let excess = shadow.excess
        var freed: UInt64 = 0
        for count in needed where freed < excess {
            snapshotTable.evictOldest()
            freed &+= count
        }
        shadow.sweepAll(snapshots: snapshotTable.versions)
        return shadow.hasFreeRecord
    }

    /// Runs `body` while no other thread or process changes the snapshot table. The kernel takes
    /// the lock from a process that dies.
    /// - Throws: `busy` if the thread may not wait for that, `system` if the kernel refuses the
    ///   lock.
    private func withSnapshotLock<R>(_ body: () throws(SpaceError) -> R) throws(SpaceError) -> R {
        if isGone { throw .detached }
        var outcome: Result<R, SpaceError>?
        var backoff = Backoff()
        do throws(SystemError) {
            while try !withSnapshotLockIfAvailable({ outcome = Result(catching: body) }) {
                if backoff.wait(), !mayWait {
                    outcome = .failure(.busy(.snapshotTable))
                    break
                }
            }
        } catch {
            throw .system(error)
        }
        guard let outcome else { throw .detached }
        return try outcome.get()
    }

    /// Whether nobody is changing the snapshot table.
    var isSnapshotTableFree: Bool { (try? withSnapshotLockIfAvailable {}) ?? true }

    /// The same, except for doing nothing if another thread or process is at it.
    /// - Returns: whether `body` was run.
    private func withSnapshotLockIfAvailable(_ body: () -> Void) throws(SystemError) -> Bool {
        let isDone = try snapshotMutex.withLockIfAvailable { _ throws(SystemError) in
            let byte = SpaceLayout.snapshotsLock
            guard try ByteLock.tryTake(metaDescriptor, byte: byte) else { return false }
            defer { ByteLock.release(metaDescriptor, byte: SpaceLayout.snapshotsLock) }
            body()
            return true
        }
        return isDone ?? false
    }
}
