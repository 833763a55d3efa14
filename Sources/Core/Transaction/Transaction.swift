import Synchronization

/// A running transaction: a private view of the space as of one version, with its own writes on
/// top.
///
/// Reads see the space at `readVersion`; a line that changed since then either moves that version
/// forward, if everything read so far still holds, or ends the run with `conflict` (the algorithm
/// is TL2 with the snapshot extension of LSA; Dice, Shalev, Shavit, DISC 2006; Riegel, Felber,
/// Fetzer, DISC 2006). So even a run that will be thrown away never sees two versions mixed.
/// Writes go to the slot's redo log and nowhere else: the space is untouched and unlocked until
/// `commit`. Get one from `Space.transact`; it is of use inside that closure only.
@safe
public struct Transaction: ~Copyable {
    /// All commits up to this version are seen, none after it.
    @usableFromInline var readVersion: UInt64 = 0
    /// Bit `line % 64` is set for each line written; all bits once there is a fill.
    @usableFromInline var writeFilter: UInt64 = 0
    @usableFromInline var readSet: ReadSet
    @usableFromInline var entryCount = 0
    /// The highest line that has an entry.
    @usableFromInline var highestLine: UInt64 = 0
    /// Each entry's line is higher than the one before.
    var isAscending = true
    /// Entries of the log that have memory.
    @usableFromInline var entryReserved = 0
    @usableFromInline let regions: RegionTable
    @usableFromInline let log: RedoLog
    @usableFromInline let clock: SharedClock
    var fillCount = 0
    var fillLineCount = 0
    var fillByteCount = 0
    var writeIndex: WriteIndex
    /// One an entry of the log; the memory past the end of the largest write set so far is never
    /// touched.
    let targets: UnsafeMutablePointer<WriteTarget>
    /// The fills of the log, as they were put there.
    let fills: UnsafeMutablePointer<LogFill>
    let slot: Slot
    /// `slot.reading`.
    @usableFromInline let reading: SharedWord
    let snapshotTable: SnapshotTable
    var isReadOnly: Bool
    let failpoints: Failpoints
    /// The entry of the snapshot table whose version is read; nil: the read version moves (LSA).
    var view: FixedView?
    /// The epoch of the snapshot table as this thread last saw it, and the newest version in it.
    var snapshotEpoch: UInt64 = 0
    var newestSnapshot: UInt64 = 0
    /// The undo versions of lines.
    let shadow: ShadowStore
    /// Entries of the log before the operation under way, which can be undone (`Savepoint`).
    @usableFromInline var savedEntryCount = 0
    var savedFillCount = 0
    var undoneEntries: [SavedEntry] = []
    /// The run of a backpack that this thread fills, a hint of the object layer.
    var openRunPart = Address.null
    var openRunIndex = 0
    /// The line on which the last run that lost did so; 0: none.
    var conflictLine: UInt64 = 0
    /// The space, which outlives all its transactions.
    private unowned(unsafe) let ownerReference: Space

    @usableFromInline var isActive = false
    /// A conflict was thrown: the run cannot commit, whatever its body does with the error.
    @usableFromInline var isDoomed = false
    /// Runs so far that ended in a conflict.
    @usableFromInline var restarts = 0
    var isSerial = false
    /// What a thread that may not wait would have to wait for.
    var wait: Wait?
    /// The line that keeps a commit from having all its locks.
    var blocked: Wait?
    /// The snapshot at which a run goes on that only reads and lost too often (`Fallback`).
    var fallback = Fallback.none
    /// Some run so far has written something.
    var isWriter = false
    /// Why a commit cannot be, other than by a conflict: its locks met damage.
    var commitFailure: TransactionError?
    var lockOrder = LockOrder()
    /// For whom it commits.
    var committer = Committer.current
    /// Version of the last commit that wrote something; 0 before the first.
    var lastCommit: UInt64 = 0

    init(slot: Slot, space: Space) {
        self.slot = slot
        reading = slot.reading
        unsafe ownerReference = space
        regions = space.regions
        clock = space.clock
        isReadOnly = space.isReadOnly
        failpoints = space.failpoints
        log = RedoLog(meta: space.meta, slot: slot.index)
        readSet = ReadSet()
        snapshotTable = space.snapshotTable
        shadow = space.shadow
        unsafe targets = .allocate(capacity: RedoLog.entryCountMax)
        unsafe fills = .allocate(capacity: RedoLog.fillCountMax)
        writeIndex = WriteIndex()
        entryReserved = slot.entriesReserved
    }

    /// Bytes that one transaction can write, each line counted whole.
    public static var bytesMax: Int { RedoLog.entryCountMax * Address.lineSize }
    /// Bytes that `fill` can initialise in one transaction beside those.
    public static var fillBytesMax: Int { 1 << 20 }

    /// The space that the transaction runs in.
    public var space: Space { owner }
    @usableFromInline var owner: Space { unsafe ownerReference }

    /// Begins a run at the present version.
    @inlinable
    mutating func begin() {
        takeNewestVersion()
        readSet.removeAll()
        isDoomed = false
        isActive = true
        if writeFilter != 0 { forgetWrites() }
    }

    /// Reads the newest version from here on, and tells so in the slot.
    ///
    /// Invariant: who makes a barrier after looking at the clock either finds the version in the
    /// slot, or this run reads one that is no older than the clock was. The version is stored first
    /// and then seen in the clock once more, as LMDB's readers do ("Reader Lock Table").
    @inlinable @inline(__always)
    mutating func takeNewestVersion() {
        readVersion = clock.now
        while true {
            reading.storeRelaxed(readVersion)
            SharedWord.compilerFence()
            let newest = clock.now
            if newest == readVersion { return }
            readVersion = newest
        }
    }

    @usableFromInline
    mutating func forgetWrites() {
        writeFilter = 0
        entryCount = 0
        highestLine = 0
        isAscending = true
        fillCount = 0
        fillLineCount = 0
        fillByteCount = 0
        writeIndex.removeAll()
    }

    /// Dooms the run and gives the error to throw.
    @usableFromInline
    mutating func conflict() -> TransactionError {
        isDoomed = true
        return .conflict
    }
}

extension Transaction {
    /// The integer at an address.
    /// - Parameter address: a multiple of the integer's size, which is 1, 2, 4 or 8 bytes.
    /// - Returns: the value as of the transaction's read version, or what the transaction stored
    ///   itself.
    /// - Throws: `invalidAddress` if the address is no such multiple or lies in no region.
    @inlinable
    public mutating func load<T: FixedWidthInteger>(
        _ address: Address, as type: T.Type = T.self
    ) throws(TransactionError) -> T {
        let size = MemoryLayout<T>.size
        let shift = (address.rawValue & 7) << 3
        guard size <= 8, address.rawValue & UInt64(size &- 1) == 0 else {
            throw .invalidAddress(address)
        }
        let word = try loadWord(address.rawValue & ~7)
        return T(truncatingIfNeeded: word >> shift)
    }

    /// Stores an integer at an address.
    /// - Parameter address: a multiple of the integer's size, which is 1, 2, 4 or 8 bytes.
    /// - Throws: `outOfMemory` if the page has no frame and there is no memory for one.
    @inlinable
    public mutating func store<T: FixedWidthInteger>(
        _ value: T, at address: Address
    ) throws(TransactionError) {
        let size = MemoryLayout<T>.size
        guard size <= 8, address.rawValue & UInt64(size &- 1) == 0 else {
            throw .invalidAddress(address)
        }
        let shift = (address.rawValue & 7) << 3
        if size == 8 {
            try storeWord(UInt64(truncatingIfNeeded: value), at: address.rawValue, bytes: 0xff)
        } else {
            let bits = UInt64(truncatingIfNeeded: value) & ((1 as UInt64) << UInt64(size &* 8) &- 1)
            let bytes = ((1 as UInt64) << UInt64(size) &- 1) << (address.rawValue & 7)
            try storeWord(bits << shift, at: address.rawValue & ~7, bytes: bytes)
        }
    }

    /// The eight bytes at an aligned address.
    @inlinable
    mutating func loadWord(_ address: UInt64) throws(TransactionError) -> UInt64 {
        let line = address >> Address.lineShift
        if (writeFilter >> (line & 63)) & 1 == 0,
            let region = regions[containing: address]
        {
            let offset = Address(address).offset
            if region.isPresent(offset) {
                // The line did not change between the two looks at its word, and it is not newer
                // than the read version: the bytes are those of that version.
                let lineWord = region.lineWord(offset)
                let before = lineWord.load()
                if before <= readVersion {
                    let value = region.dataWord(offset).load()
                    if lineWord.loadRelaxed() == before {
                        readSet.insert(line)
                        return value
                    }
                }
            }
        }
        return try loadWordSlowly(address)
    }

    /// Buffers the bytes of `value` whose bits are set in `bytes` (bit i for byte i).
    @inlinable
    mutating func storeWord(
        _ value: UInt64, at address: UInt64, bytes: UInt64
    ) throws(TransactionError) {
        let entry = try entry(forLineOf: address)
        let inLine = address & 63
        let mask = entry.mask.loadRelaxed()
        entry.mask.storeRelaxed(mask | bytes << inLine)
        let cell = entry.data(inLine)
        cell.storeRelaxed(
            bytes == 0xff ? value : LineBytes.merge(value, into: cell.loadRelaxed(), bytes))
    }
}

extension Transaction {
    /// `loadWord` where the line is the transaction's own, has no frame, is locked, or is newer
    /// than the read version, and where the region is not mapped yet.
    @usableFromInline
    mutating func loadWordSlowly(_ address: UInt64) throws(TransactionError) -> UInt64 {
        let line = address >> Address.lineShift
        let inLine = address & 63
        let entry = entryIndex(ofLine: line).map { log[$0] }
        let bytes = entry.map { $0.mask.loadRelaxed() >> inLine & 0xff } ?? 0
        let own = entry?.data(inLine).loadRelaxed() ?? 0
        if bytes == 0xff { return own }
        let below: UInt64
        if let value = fillValue(at: address) {
            below = value
        } else {
            below = try loadCommitted(address)
        }
        return LineBytes.merge(own, into: below, bytes)
    }

    private mutating func loadCommitted(_ address: UInt64) throws(TransactionError) -> UInt64 {
        let region = try region(of: address)
        let offset = Address(address).offset
        while true {
            guard try isResident(address, in: region) else {
                readSet.insert(address >> Address.lineShift)
                return 0
            }
            let before = try readableWord(of: region, at: address)
            if before > readVersion { return try loadUndoWord(address) }
            let value = region.dataWord(offset).load()
            if region.lineWord(offset).loadRelaxed() == before {
                readSet.insert(address >> Address.lineShift)
                return value
            }
        }
    }

    /// The word of a line once it is unlocked and the read version includes it; at the fixed view
    /// of a snapshot also a newer one, whose line is then read from its undo versions.
    /// - Parameter address: of the line, for who is told that it is busy.
    mutating func readableWord(
        of region: RegionMapping, at address: UInt64
    ) throws(TransactionError) -> UInt64 {
        let location = region.lineWord(Address(address).offset)
        var backoff = Backoff()
        while true {
            let word = location.load()
            if word <= readVersion { return word }
            if LineWord.isLocked(word) {
                guard backoff.wait() else { continue }
                if let failure = owner.failure(ofLock: word, at: location, address) {
                    throw failure
                }
                if location.load() == word, !owner.mayWait { throw busy(.line(at: address)) }
            } else if view != nil {
                return word
            } else {
                try extendReadVersion()
                // Who stored the version had drawn it: waiting for the clock would not help.
                guard word <= readVersion else { throw .damaged(Address(address)) }
            }
        }
    }

    /// What a fill of this transaction puts at an aligned address, or nil outside all fills.
    mutating func fillValue(at address: UInt64) -> UInt64? {
        for index in 0..<fillCount {
            let fill = unsafe fills[index]
            if address >= fill.start, address < fill.end { return fill.value(at: address) }
        }
        return nil
    }

    /// The mapping of an address's region, made now if this process had none.
    mutating func region(of address: UInt64) throws(TransactionError) -> RegionMapping {
        let number = address >> Address.regionShift
        if let region = regions[number] { return region }
        do throws(RegionFailure) {
            return try owner.mapRegion(Int(number))
        } catch {
            guard case .unavailable(let cause) = error else {
                throw .invalidAddress(Address(address))
            }
            throw .unavailable(errno: cause.errno)
        }
    }
}

/// Why an access or a transaction did not succeed.
public enum TransactionError: Error, Equatable, Sendable {
    /// Another transaction changed what this one read. `Space.transact` runs the body again; a
    /// body that catches this error must throw it on.
    case conflict
    /// The address lies in no region of the space, or a range leaves its region.
    case invalidAddress(Address)
    /// The object at this address is of another class than the field that was asked for, or the
    /// field has no such element.
    case noSuchField(Address)
    /// This process cannot look at a region, as the number of the system's error tells: for want
    /// of memory or descriptors, which may be there later; or its file is not trusted (EPERM) or
    /// was removed (ESTALE).
    case unavailable(errno: Int32)
    /// The shared memory at this address holds what no correct program can have left there.
    case damaged(Address)
    /// Neither the space's limit nor the machine has memory left for another page.
    case outOfMemory
    /// The transaction writes more than its redo log holds (see `Transaction.bytesMax`).
    case tooLarge
    /// The space was attached for reading, or the transaction runs at a snapshot.
    case readOnly
    /// The snapshot that is read has ended, or was evicted for want of memory.
    case stale
    /// The thread may not wait (`Space.setWaitCheck`), and another one blocks it. Nothing was
    /// done; it is worth while to try again when `Space.isOver` says so.
    case busy(Wait)
}
