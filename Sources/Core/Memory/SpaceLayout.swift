/// Where everything lies in a space's `meta` file and in its region files, in bytes.
/// `Docs/Layout.md` draws it; the numbers are part of the format version.
enum SpaceLayout {
    static let magic: UInt64 = 0x5346_776f_626e_6961  // "ainbowFS", lowest byte first
    static let formatVersion: UInt64 = 3

    // The header page.
    static let magicOffset = 0
    static let versionOffset = 8
    static let pageSizeOffset = 16
    static let identityOffset = 24  // two words
    static let createdOffset = 40  // seconds since 1970
    static let framesMaxOffset = 48  // pages; 0 is no limit

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
    // Words of the old versions, which change together while a snapshot is open.
    static let shadowFreeOffset = 4096 + 768
    static let shadowEndOffset = 4096 + 776
    static let shadowUsedOffset = 4096 + 784
    static let shadowSweptOffset = 4096 + 792
    static let sweepChainOffset = 4096 + 800
    static let sweepLeftOffset = 4096 + 808
    static let shadowMaxOffset = 4096 + 832  // bytes; 0: the default

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
