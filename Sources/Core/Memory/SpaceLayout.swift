/// Where everything lies in a space's `meta` file and in its region files, in bytes.
/// `Docs/Layout.md` draws it; the numbers are part of the format version.
enum SpaceLayout {
    static let magic: UInt64 = 0x5346_776f_626e_6961  // "ainbowFS", lowest byte first
    static let formatVersion: UInt64 = 4

    // The header page.
    static let magicOffset = 0
    static let versionOffset = 8
    static let pageSizeOffset = 16
    static let identityOffset = 24  // two words
    static let createdOffset = 40  // seconds since 1970
    static let framesMaxOffset = 48  // pages; 0 is no limit
    static let sourceOffset = 56  // 1: a source has pages of the space

    // Words that many processes write, each on a line of its own.
    static let clockOffset = 4096
    static let serialOffset = 4096 + 64
    static let framesUsedOffset = 4096 + 128
    static let ringExtentHeadOffset = 4096 + 192
    static let ringWaitersOffset = 4096 + 256
    // The timeline: when the next sample is due and when the newest was made, in milliseconds of
    // the clock that nobody sets; samples there are; samples that have memory.
    static let timelineDueOffset = 4096 + 320
    static let timelineMadeOffset = 4096 + 328
    static let timelineCountOffset = 4096 + 336
    static let timelineReservedOffset = 4096 + 344
    static let snapshotEpochOffset = 4096 + 384
    static let snapshotEndOffset = 4096 + 392
    static let conflictHeadOffset = 4096 + 448
    // Words of the undo versions, which change together while a snapshot is open.
    static let shadowFreeOffset = 4096 + 768
    static let shadowEndOffset = 4096 + 776
    static let shadowUsedOffset = 4096 + 784
    static let shadowSweptOffset = 4096 + 792
    static let sweepChainOffset = 4096 + 800
    static let sweepLeftOffset = 4096 + 808
    static let shadowMaxOffset = 4096 + 832  // bytes; 0: the default

    // The eviction of pages that is under way; evictions so far.
    static let evictionOffset = 4096 + 896
    static let evictionsOffset = 4096 + 904

    static let nodesOffset = 8192
    static let nodeSize = 1024
    static let nodeCountMax = 256

    static let slotsOffset = nodesOffset + nodeCountMax * nodeSize
    static let slotSize = 128
    static let slotCountMax = 1024

    static let ringOffset = slotsOffset + slotCountMax * slotSize
    static let ringEntrySize = 64
    static let ringEntryCount = 16384

    static let ringExtentsOffset = ringOffset + ringEntryCount * ringEntrySize
    static let ringExtentCount = 65536
    static let ringExtentSize = 16

    static let snapshotsOffset = ringExtentsOffset + ringExtentCount * ringExtentSize
    static let snapshotSize = 256
    static let snapshotCountMax = 512

    static let conflictsOffset = snapshotsOffset + snapshotCountMax * snapshotSize
    static let conflictEntrySize = 32
    static let conflictCount = 4096

    /// Everything up to here is reserved when the space is made.
    static let fixedSize = conflictsOffset + conflictCount * conflictEntrySize

    // The redo logs, sparse, one a slot.
    static let logsOffset = ((fixedSize + (1 << 23) - 1) >> 23) << 23
    static let logSize = 1 << 23

    // The timeline's samples, sparse.
    static let timelineOffset = logsOffset + slotCountMax * logSize
    static let timelineSampleSize = 16
    static let timelineCountMax = 1 << 32
    static let metaSize = timelineOffset + timelineCountMax * timelineSampleSize

    // Bytes of `meta` that are only ever locked, never read.
    static let nodeLocks: UInt64 = 1 << 50
    // Not beside a node's: the kernel would make one lock of both, which it may fail to split.
    static let snapshotsLock: UInt64 = nodeLocks + UInt64(nodeCountMax) + 1

    static let pagesLock: UInt64 = snapshotsLock + 2

    // A region file.
    static let regionCountMax = 64
    static let regionWordsOffset = Address.regionSize
    static let regionWordsSize = Address.regionSize / 8
    static let regionFramesOffset = regionWordsOffset + regionWordsSize
    static let regionFramesSize = Address.regionSize / 4096 / 8
    static let regionDirectoryOffset = regionFramesOffset + regionFramesSize
    static let regionDirectorySize: UInt64 = 4096
    static let regionFileSize = regionDirectoryOffset + regionDirectorySize
}

/// The first page of a space: magic, format, identity, limit. The magic number is written last.
@safe
struct SpaceHeader {
    let meta: SharedMemory
    let name: String

    /// Gives `meta` its size and the memory of its fixed part; repeated harmlessly.
    static func layOut(_ descriptor: Int32, _ name: String) throws(SpaceError) {
        let size = UInt64(SpaceLayout.metaSize)
        let found = try SpaceError.system { () throws(SystemError) in
            try SystemCalls.status(of: descriptor).size
        }
        if found >= size { return }
        // A smaller file that is not blank is another format's, or was cut short, or is no space.
        switch try start(descriptor) {
        case (0, _): break
        case (SpaceLayout.magic, 0), (SpaceLayout.magic, SpaceLayout.formatVersion):
            throw .damaged(name, "its meta file is too short")
        case (SpaceLayout.magic, let found):
            throw .otherFormat(name, found: found, known: SpaceLayout.formatVersion)
        default: throw .damaged(name, "its meta file does not begin with the magic number")
        }
        try SpaceError.system { () throws(SystemError) in
            try SystemCalls.checkLimit(ofSize: size)
            try SystemCalls.reserve(descriptor, offset: 0, count: UInt64(SpaceLayout.fixedSize))
            try SystemCalls.truncate(descriptor, size: size)
        }
    }

    var isBlank: Bool { meta[SpaceLayout.magicOffset].load() == 0 }

    /// Whether nobody has finished making the space of this `meta`, nor put anything else there.
    static func isBlank(_ descriptor: Int32) throws(SpaceError) -> Bool {
        try start(descriptor).magic == 0
    }

    /// The first two words of a `meta`, zeros past its end.
    private static func start(
        _ descriptor: Int32
    ) throws(SpaceError) -> (magic: UInt64, version: UInt64) {
        var start: (magic: UInt64, version: UInt64) = (0, 0)
        try SpaceError.system { () throws(SystemError) in
            try unsafe withUnsafeMutableBytes(of: &start) { bytes throws(SystemError) in
                _ = unsafe try SystemCalls.read(descriptor, into: bytes, offset: 0)
            }
        }
        return start
    }

    func initialise() {
        meta[SpaceLayout.versionOffset].store(SpaceLayout.formatVersion)
        meta[SpaceLayout.pageSizeOffset].store(UInt64(Address.pageSize))
        meta[SpaceLayout.identityOffset].store(SystemCalls.randomWord())
        meta[SpaceLayout.identityOffset + 8].store(SystemCalls.randomWord())
        meta[SpaceLayout.createdOffset].store(SystemCalls.secondsSince1970)
        // Versions 0 and 1 mean "none" and "being drawn" in a slot.
        meta[SpaceLayout.clockOffset].store(1)
        meta[SpaceLayout.magicOffset].store(SpaceLayout.magic)
    }

    func limit(_ bytes: UInt64) {
        let page = UInt64(Address.pageSize)
        meta[SpaceLayout.framesMaxOffset].store(max(1, bytes / page + (bytes % page == 0 ? 0 : 1)))
    }

    var identity: (UInt64, UInt64) {
        (meta[SpaceLayout.identityOffset].load(), meta[SpaceLayout.identityOffset + 8].load())
    }

    /// Whether a page without a frame may be in a source.
    var hasSource: Bool { meta[SpaceLayout.sourceOffset].load() != 0 }
    func setHasSource() { meta[SpaceLayout.sourceOffset].store(1) }

    func check() throws(SpaceError) {
        guard meta[SpaceLayout.magicOffset].load() == SpaceLayout.magic else {
            throw .damaged(name, "its meta file does not begin with the magic number")
        }
        let found = meta[SpaceLayout.versionOffset].load()
        guard found == SpaceLayout.formatVersion else {
            throw .otherFormat(name, found: found, known: SpaceLayout.formatVersion)
        }
        guard meta[SpaceLayout.pageSizeOffset].load() == UInt64(Address.pageSize) else {
            throw .damaged(name, "its pages are not of \(Address.pageSize) bytes")
        }
    }
}
