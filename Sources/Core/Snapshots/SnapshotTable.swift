import Glibc
import Synchronization

/// What an entry of the snapshot table is for.
public enum SnapshotKind: UInt64, Sendable {
    /// Taken by name, for any number of readers.
    case named = 1
    /// The view of an `OpenTransaction`.
    case transaction = 2
    /// Of a transaction that only reads and lost too often to go on at the present.
    case fallback = 3
}

/// A version that a space keeps readable, as its table has it.
public struct SnapshotInfo: Sendable {
    public var kind: SnapshotKind
    public var name: String
    /// The node that took it, with which it goes.
    public var node: Int
    public var version: UInt64
    /// Who asked for it.
    public var user: UInt32
    public var group: UInt32
    /// When it was taken, since 1970; of named ones only.
    public var milliseconds: UInt64
    /// The same since the machine was started, from which its age follows.
    public var bootMilliseconds: UInt64
    /// Memory of a transaction: what it has read, and what it is going to write.
    public var readBytes: UInt64
    public var writtenBytes: UInt64
    /// It was evicted.
    public var isStale: Bool
    /// Whether nobody else commits until this transaction ends.
    public var isSerial: Bool
}

/// The versions that must stay readable, in shared memory.
///
/// Entries change under a lock of `meta` that the kernel drops when its holder dies; committers
/// take no lock. A new entry is first *pending*, which stands for every version; then the epoch is
/// raised; only then is the version read from the clock. A committer draws its version, then reads
/// the epoch, and reads the table again if it changed. Both the raising and the drawing are full
/// barriers, so a committer whose version is newer than the snapshot's sees its entry, pending or
/// not.
///
///     0  incarnation of the node   8  version; bit 63: stale   16  serial number of the entry
///     24 milliseconds: of a named one since 1970, of another since the machine was started
///     32 kind; bit 8: serial mode; from bit 32 on, once it has ended without the lock: the lower
///     half of its serial number
///     40 bytes read; of a named one, milliseconds since the machine was started
///     48 bytes written
///     56 user, and in the upper half group
///     64 name, NUL padded
@safe
struct SnapshotTable: Sendable {
    static let pending: UInt64 = .max >> 1
    static let staleBit: UInt64 = 1 << 63
    static let serialBit: UInt64 = 1 << 8
    static let nameBytesMax = SpaceLayout.snapshotSize - 64

    let meta: SharedMemory

    /// Changes whenever the version of an entry does: when one is published, settled, evicted or
    /// freed.
    var epoch: SharedWord { meta[SpaceLayout.snapshotEpochOffset] }
    /// After the last entry in use: committers need not look further.
    private var end: SharedWord { meta[SpaceLayout.snapshotEndOffset] }
    private var count: Int { Int(min(end.load(), UInt64(SpaceLayout.snapshotCountMax))) }

    subscript(index: Int) -> SnapshotEntry {
        SnapshotEntry(
            memory: meta.advanced(
                by: SpaceLayout.snapshotsOffset + index * SpaceLayout.snapshotSize))
    }

    /// The newest version that some snapshot needs; 0 if there is none, `pending` if any may be.
    var newest: UInt64 {
        var newest: UInt64 = 0
        for index in 0..<count {
            let version = self[index].version.load()
            if version & SnapshotTable.staleBit == 0, version > newest { newest = version }
        }
        return newest
    }

    /// The oldest version that some snapshot needs; `.max` if there is none, 0 if any may be.
    var oldest: UInt64 {
        var oldest = UInt64.max
        for index in 0..<count {
            let version = self[index].version.load()
            if version == SnapshotTable.pending { return 0 }
            if version != 0, version & SnapshotTable.staleBit == 0 { oldest = min(oldest, version) }
        }
        return oldest
    }

    /// The versions of all that are open and not stale, each once, ascending. For the lock holder.
    var versions: [UInt64] {
        let versions = (0..<count).map { self[$0].version.load() }
        return Set(versions.filter { $0 != 0 && $0 & SnapshotTable.staleBit == 0 }).sorted()
    }

    /// Makes a new entry known, for the lock's holder: from here on every commit that draws a
    /// version sees it. It is pending until its version is stored.
    func publish(_ index: Int) {
        self[index].version.store(SnapshotTable.pending)
        if index >= count { end.store(UInt64(index + 1)) }
        _ = epoch.add(1)
        SharedWord.fence()
    }

    /// Gives a pending entry its version, for the lock's holder. It is stale from the beginning if
    /// a committer had no memory for the bytes that it may need.
    func settle(_ index: Int, at version: UInt64) {
        let word = self[index].version
        if !word.compareExchange(SnapshotTable.pending, version) {
            word.store(version | SnapshotTable.staleBit)
        }
        _ = epoch.add(1)
    }

    /// Takes an entry out, for the lock's holder.
    func free(_ index: Int) {
        self[index].version.store(0)
        self[index].owner.store(0)
        var count = count
        while count > 0, self[count - 1].version.load() == 0 { count -= 1 }
        end.store(UInt64(count))
        _ = epoch.add(1)
    }

    /// Evicts every snapshot that is not older than `version`, for want of memory.
    func evict(notOlderThan version: UInt64) {
        for index in 0..<count { evict(index, notOlderThan: version) }
        _ = epoch.add(1)
    }

    private func evict(_ index: Int, notOlderThan version: UInt64) {
        let word = self[index].version
        while true {
            let found = word.load()
            guard found != 0, found & SnapshotTable.staleBit == 0, found >= version else { return }
            if word.compareExchange(found, found | SnapshotTable.staleBit) { return }
        }
    }

    /// Evicts the oldest snapshot, or all that have its version. For the lock's holder.
    func evictOldest() {
        guard let oldest = versions.first else { return }
        for index in 0..<count where self[index].version.load() == oldest {
            _ = self[index].version.compareExchange(oldest, oldest | SnapshotTable.staleBit)
        }
        _ = epoch.add(1)
    }
}

/// One entry of the table.
struct SnapshotEntry {
    let memory: SharedMemory

    var owner: SharedWord { memory[0] }
    var version: SharedWord { memory[8] }
    var serialNumber: SharedWord { memory[16] }
    var milliseconds: SharedWord { memory[24] }
    var kind: SharedWord { memory[32] }
    var readBytes: SharedWord { memory[40] }
    var writtenBytes: SharedWord { memory[48] }
    var user: SharedWord { memory[56] }

    var name: SharedText {
        SharedText(memory: memory.advanced(by: 64), byteCount: SnapshotTable.nameBytesMax)
    }

    /// Says that the snapshot of a serial number is not needed any more, without the lock: the next
    /// holder of the lock takes the entry out. If another snapshot has the place by now, the number
    /// is not that one's, and nothing happens.
    func setEnded(_ serialNumber: UInt64) {
        while self.serialNumber.load() == serialNumber {
            let found = kind.load()
            if kind.compareExchange(found, serialNumber << 32 | found & 0xffff_ffff) { return }
        }
    }

    /// Whether its snapshot was said to be needed no more.
    var isEnded: Bool {
        let ended = kind.load() >> 32
        return ended != 0 && ended == serialNumber.load() & 0xffff_ffff
    }

    var info: SnapshotInfo? {
        let incarnation = owner.load()
        let version = version.load()
        let kind = kind.load()
        guard incarnation != 0, version != 0, !isEnded,
            version & ~SnapshotTable.staleBit != SnapshotTable.pending,
            let meaning = SnapshotKind(rawValue: kind & 0xff)
        else { return nil }
        let (time, bytes, isNamed) = (milliseconds.load(), readBytes.load(), meaning == .named)
        return SnapshotInfo(
            kind: meaning, name: name.string, node: NodeTable.index(of: incarnation),
            version: version & ~SnapshotTable.staleBit,
            user: UInt32(truncatingIfNeeded: user.load()),
            group: UInt32(truncatingIfNeeded: user.load() >> 32),
            milliseconds: isNamed ? time : 0, bootMilliseconds: isNamed ? bytes : time,
            readBytes: isNamed ? 0 : bytes, writtenBytes: writtenBytes.load(),
            isStale: version & SnapshotTable.staleBit != 0,
            isSerial: kind & SnapshotTable.serialBit != 0)
    }
}
