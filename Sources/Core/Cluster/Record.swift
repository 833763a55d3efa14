/// A machine of the cluster, from one join to its next.
public struct Member: Hashable, Sendable {
    /// The number of the machine's replica, given to nobody else.
    public var machine: UInt32
    /// Rises with each join of the machine.
    public var epoch: UInt64

    public init(machine: UInt32, epoch: UInt64) {
        self.machine = machine
        self.epoch = epoch
    }
}

/// One entry of the log that all machines of a cluster share.
public struct Record: Hashable, Sendable {
    public enum Content: Hashable, Sendable {
        /// The sender begins its epoch: of its machine's older epochs nothing counts after this.
        case join
        /// Transactions that ask to commit, in this order. `partCount` parts that the sender sent
        /// before hold writes of the first of them.
        case intentions([Intention], partCount: Int = 0)
        /// Writes of an intention that is too large for one record. Its parts count from 0.
        case part(index: Int, [LineWrite])
        /// A slot asks for serial mode. A long claim ends only by what its holder does, or a fence.
        case claim(slot: UInt32, isLong: Bool)
        /// The end of the sender's claim.
        case release
        /// A member's epoch is over: nothing of it counts after this.
        case fence(Member)
    }

    public var sender: Member
    /// Rises from 1 with each record of a member.
    public var number: UInt64
    /// What the sender had melded before it made the record, and its hash of all verdicts so far.
    public var position: UInt64
    public var hash: UInt64
    /// The sender's clock: milliseconds since 1970.
    public var milliseconds: UInt64
    public var content: Content

    public init(
        sender: Member, number: UInt64, position: UInt64, hash: UInt64, milliseconds: UInt64,
        content: Content
    ) {
        self.sender = sender
        self.number = number
        self.position = position
        self.hash = hash
        self.milliseconds = milliseconds
        self.content = content
    }
}

/// A transaction that asks to commit: what it read, and what it is going to write.
///
/// As in a redo log, fills are written first and lines after them.
public struct Intention: Hashable, Sendable {
    /// The slot of its machine, and which of the slot's transactions it is.
    public var slot: UInt32
    public var sequence: UInt64
    /// A position: what it read was unchanged there.
    public var stamp: UInt64
    /// For whom it commits.
    public var user: UInt32
    public var process: UInt32
    /// Sixteen bytes of the process's name.
    public var command: SIMD2<UInt64>
    public var reads: [PageRead]
    /// Ranges of lines that it read, where there are too many pages for masks: ascending, and none
    /// touches the next.
    public var ranges: [Range<UInt64>]
    public var fills: [Fill]
    public var writes: [LineWrite]

    public init(
        slot: UInt32, sequence: UInt64, stamp: UInt64, user: UInt32 = 0, process: UInt32 = 0,
        command: SIMD2<UInt64> = SIMD2(), reads: [PageRead] = [], ranges: [Range<UInt64>] = [],
        fills: [Fill] = [], writes: [LineWrite] = []
    ) {
        self.slot = slot
        self.sequence = sequence
        self.stamp = stamp
        self.user = user
        self.process = process
        self.command = command
        self.reads = reads
        self.ranges = ranges
        self.fills = fills
        self.writes = writes
    }
}

extension Intention {
    /// Lines of a page that a transaction read.
    public struct PageRead: Hashable, Sendable {
        /// The number of the page in the whole space.
        public var page: UInt64
        /// Bit i set: line i of the page was read.
        public var mask: UInt64

        public init(page: UInt64, mask: UInt64) {
            self.page = page
            self.mask = mask
        }
    }

    /// Many equal objects: zeros, and one header in each.
    public struct Fill: Hashable, Sendable {
        public var start: UInt64
        public var stride: UInt64
        public var count: UInt64
        public var headerOffset: UInt64
        public var header: UInt64

        public init(
            start: UInt64, stride: UInt64, count: UInt64, headerOffset: UInt64, header: UInt64
        ) {
            self.start = start
            self.stride = stride
            self.count = count
            self.headerOffset = headerOffset
            self.header = header
        }

        /// The lines that it touches.
        var lines: Range<UInt64> {
            let last = start + (stride * count - 1)
            return start >> Address.lineShift..<last >> Address.lineShift + 1
        }
    }
}

/// New bytes of one line.
public struct LineWrite: Hashable, Sendable {
    /// The address of the line's first byte.
    public var address: UInt64
    /// Bit i set: byte i of the line is written.
    public var mask: UInt64
    /// The line's eight words; bytes that the mask leaves out are zero.
    public var words: SIMD8<UInt64>

    public init(address: UInt64, mask: UInt64, words: SIMD8<UInt64>) {
        self.address = address
        self.mask = mask
        self.words = words
    }
}
