/// What is shown of a slot.
struct SlotInfo {
    var index: Int
    var node: Int
    var phase: Slot.Phase
    var counts: TransactionCounts
}

/// What a thread has in shared memory: the state of its commit, from which any other process can
/// finish or undo it, and how many entries and fills its redo log has.
///
/// A slot belongs to a node from `claimSlot` to `releaseSlot`. Only its thread writes it and, after
/// the node died, the process named in `recoverer`. The words before `state` in a commit's order
/// (counts, log) are stored before it, so that a process that loads the state sees them.
@safe
struct Slot {
    enum Phase: UInt64 {
        case idle = 0
        case locking = 1
        case committed = 2
    }

    static let sequenceMask: UInt64 = (1 << 62) - 1

    let index: Int
    private let memory: SharedMemory

    init(meta: SharedMemory, index: Int) {
        self.index = index
        memory = meta.advanced(by: SpaceLayout.slotsOffset + index * SpaceLayout.slotSize)
    }

    /// Incarnation of the node that owns the slot (`NodeTable`); 0 while it is free.
    var owner: SharedWord { memory[0] }
    /// Phase in the upper two bits, sequence number of the commit below.
    var state: SharedWord { memory[8] }
    /// 0, or 1 while a version is being drawn, or the version drawn.
    var ticket: SharedWord { memory[16] }
    var entryCount: SharedWord { memory[24] }
    var fillCount: SharedWord { memory[32] }
    /// Incarnation of the node that recovers the slot, or 0.
    var recoverer: SharedWord { memory[40] }
    var commits: SharedWord { memory[48] }
    var restarts: SharedWord { memory[56] }
    /// Bytes of the log's entries that have memory.
    var logReserved: SharedWord { memory[64] }
    /// Entries of the log that have memory. A size that makes no sense counts as none: what is
    /// there is reserved once more, which changes nothing.
    var entriesReserved: Int {
        let bytes = logReserved.load()
        guard bytes <= UInt64(RedoLog.entryCountMax * RedoLog.entrySize) else { return 0 }
        return Int(bytes) / RedoLog.entrySize
    }
    /// Whether the log's fill area has memory.
    var fillsReserved: SharedWord { memory[72] }
    var aborts: SharedWord { memory[80] }
    var falseSharingAvoided: SharedWord { memory[88] }
    var conflicts: SharedWord { memory[96] }
    /// What the run under way reads (`Space+Readers.swift`): the version with which it began, or 0
    /// between runs. Its thread touches pages and undo versions only while this is not 0.
    var reading: SharedWord { memory[104] }
    /// Who commits (`Committer`).
    var committer: SharedWord { memory[112] }

    var counts: TransactionCounts {
        TransactionCounts(
            commits: commits.load(), aborts: aborts.load(), restarts: restarts.load(),
            conflicts: conflicts.load(), falseSharingAvoided: falseSharingAvoided.load())
    }

    /// Begins to count for a new owner.
    func resetCounts() {
        for word in [commits, aborts, restarts, conflicts, falseSharingAvoided] { word.store(0) }
    }

    static func phase(of state: UInt64) -> Phase { Phase(rawValue: state >> 62) ?? .idle }
    static func sequence(of state: UInt64) -> UInt64 { state & sequenceMask }
    static func state(_ phase: Phase, _ sequence: UInt64) -> UInt64 {
        phase.rawValue << 62 | sequence & sequenceMask
    }

    var info: SlotInfo {
        SlotInfo(
            index: index, node: NodeTable.index(of: owner.load()),
            phase: Slot.phase(of: state.load()), counts: counts)
    }
}
