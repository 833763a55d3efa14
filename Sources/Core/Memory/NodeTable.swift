/// What a space knows about one of the processes attached to it.
public struct NodeInfo: Sendable {
    /// The node's number.
    public var index: Int
    public var isAlive: Bool
    public var processID: Int
    public var host: String
    public var name: String
    public var mountPoint: String
    /// Seconds since 1970 of the attachment.
    public var since: UInt64
    /// Slots, that is threads that ran transactions.
    public var slots: [Int]
    public var counts: TransactionCounts
}

/// The processes of a space.
///
/// Each node holds a byte lock of `meta` for its whole life; the kernel drops it when the process
/// dies. Numbers of dead nodes are given to new ones, so where a node must be told from later ones
/// stands its *incarnation*: generation << 32 | number + 1, where
/// each new holder of the number raises the generation. The node of an incarnation is alive exactly
/// while the number's lock is held and the generation is the same. Process ids are only
/// information. An entry is written by its node alone, between taking the lock and its first
/// transaction; readers may see an entry of a node that is gone, which the lock tells.
@safe
struct NodeTable: Sendable {
    let meta: SharedMemory
    /// The open file whose locks are this process's; no other open file may be used to ask.
    let descriptor: Int32
    /// This process's node.
    private(set) var own = -1
    /// The incarnation of this process, which no process before or after it has.
    private(set) var ownIncarnation: UInt64 = 0

    static let barrierOffset = 24

    private func entry(_ index: Int) -> SharedMemory {
        meta.advanced(by: SpaceLayout.nodesOffset + index * SpaceLayout.nodeSize)
    }

    private func host(_ index: Int) -> SharedText {
        SharedText(memory: entry(index).advanced(by: 64), byteCount: 64)
    }
    private func name(_ index: Int) -> SharedText {
        SharedText(memory: entry(index).advanced(by: 128), byteCount: 64)
    }
    private func mountPoint(_ index: Int) -> SharedText {
        SharedText(memory: entry(index).advanced(by: 192), byteCount: 512)
    }

    /// Whether a process is attached under the number.
    func isJoined(_ index: Int) -> Bool {
        if index == own { return true }
        // A node whose lock cannot be read now counts as alive.
        let byte = SpaceLayout.nodeLocks + UInt64(index)
        return (try? ByteLock.isHeldElsewhere(descriptor, byte: byte)) ?? true
    }

    /// The nodes to which another process than this one, or another attachment of it, is attached.
    /// - Parameter descriptor: `meta`, open.
    static func others(_ descriptor: Int32) throws(SystemError) -> [Int] {
        let first = SpaceLayout.nodeLocks
        let held = try ByteLock.heldElsewhere(
            descriptor, first..<first + UInt64(SpaceLayout.nodeCountMax))
        return held.map { Int($0 - first) }.sorted()
    }

    /// Whether nobody else is attached; false also if that cannot be told now.
    var isAlone: Bool {
        guard let others = try? NodeTable.others(descriptor) else { return false }
        return others.isEmpty
    }

    /// Whether the process that an incarnation names still lives; if this says no, it is so
    /// forever.
    func isAlive(incarnation: UInt64) -> Bool {
        let index = NodeTable.index(of: incarnation)
        guard index >= 0, index < SpaceLayout.nodeCountMax else { return false }
        return isJoined(index) && entry(index)[0].load() & 0xffff_ffff == incarnation >> 32
    }

    /// Whether the threads of an incarnation's process take part in `SystemCalls.barrier`.
    func takesPartInBarriers(incarnation: UInt64) -> Bool {
        let index = NodeTable.index(of: incarnation)
        guard index >= 0, index < SpaceLayout.nodeCountMax else { return false }
        return entry(index)[NodeTable.barrierOffset].load() == 1
    }

    static func index(of incarnation: UInt64) -> Int { Int(incarnation & 0xffff_ffff) - 1 }

    /// Takes the lock of the first free number; the process is that node from then on.
    mutating func join() throws(SystemError) -> Bool {
        for index in 0..<SpaceLayout.nodeCountMax {
            let byte = SpaceLayout.nodeLocks + UInt64(index)
            guard try ByteLock.tryTake(descriptor, byte: byte) else { continue }
            own = index
            let takesPart = (try? SystemCalls.registerForBarriers()) != nil
            entry(index)[NodeTable.barrierOffset].store(takesPart ? 1 : 0)
            let generation = entry(index)[0].load() &+ 1
            entry(index)[0].store(generation)
            ownIncarnation = generation << 32 | UInt64(index + 1)
            return true
        }
        return false
    }

    /// Gives the number back; from here on others take the process for gone.
    func leave() {
        ByteLock.release(descriptor, byte: SpaceLayout.nodeLocks + UInt64(own))
    }

    /// Fills in the own entry; the previous node's leftovers must be recovered by now.
    func describe(name: String, mountPoint: String) {
        let entry = entry(own)
        entry[8].store(UInt64(SystemCalls.processID))
        entry[16].store(SystemCalls.secondsSince1970)
        host(own).store(SystemCalls.hostName)
        self.name(own).store(name)
        self.mountPoint(own).store(mountPoint)
    }

    /// - Parameters: the node's slots, and the counts of these.
    func info(_ index: Int, slots: [Int], counts: TransactionCounts) -> NodeInfo {
        let entry = entry(index)
        return NodeInfo(
            index: index, isAlive: isJoined(index),
            processID: Int(truncatingIfNeeded: entry[8].load()),
            host: host(index).string,
            name: name(index).string,
            mountPoint: mountPoint(index).string,
            since: entry[16].load(), slots: slots, counts: counts)
    }
}

/// What became of the transactions of a node. Those that only read count in `restarts`,
/// `conflicts` and nothing else.
public struct TransactionCounts: Equatable, Sendable {
    /// Transactions that wrote something and were committed.
    public var commits: UInt64 = 0
    /// Transactions that had written something and were given up: by an error of their body, by
    /// their owner, or because a long-lived one lost.
    public var aborts: UInt64 = 0
    /// Runs that were repeated, because of a conflict or to let one in serial mode pass.
    public var restarts: UInt64 = 0
    /// Runs that lost: another commit had changed a line that they had read.
    public var conflicts: UInt64 = 0
    /// Commits that would have been lost if whole pages were compared, not lines. Estimated from
    /// one in 64.
    public var falseSharingAvoided: UInt64 = 0

    public init() {}

    init(
        commits: UInt64, aborts: UInt64, restarts: UInt64, conflicts: UInt64,
        falseSharingAvoided: UInt64
    ) {
        self.commits = commits
        self.aborts = aborts
        self.restarts = restarts
        self.conflicts = conflicts
        self.falseSharingAvoided = falseSharingAvoided
    }

    static func + (left: TransactionCounts, right: TransactionCounts) -> TransactionCounts {
        TransactionCounts(
            commits: left.commits &+ right.commits, aborts: left.aborts &+ right.aborts,
            restarts: left.restarts &+ right.restarts,
            conflicts: left.conflicts &+ right.conflicts,
            falseSharingAvoided: left.falseSharingAvoided &+ right.falseSharingAvoided)
    }
}
