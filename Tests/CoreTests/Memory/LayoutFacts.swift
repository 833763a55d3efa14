import Glibc
import TestSupport

@testable import RainbowCore

/// What `Docs/Layout.md` says, with the numbers of the code: facts by the heading of their section.
enum LayoutFacts {
    private typealias Layout = SpaceLayout
    private static func grouped(_ number: Int) -> String { LayoutDocument.grouped(number) }
    private static func size(_ bytes: some BinaryInteger) -> String { LayoutDocument.size(bytes) }
    private static let page = Address.pageSize
    private static let line = Address.lineSize
    private static let hash = "0x9e3779b97f4a7c15"

    static func all(_ probe: LayoutProbe, _ space: Space) -> [String: [String]] {
        var facts = meta.merging(objects) { $0 + $1 }
        facts.merge(regions) { $0 + $1 }
        facts["A node"] = node(probe)
        facts["A slot"] = slot(probe)
        facts["A redo log"] = log(probe)
        facts["An entry of the commit ring"] = ring(probe, space)
        facts["The timeline"] = timeline(probe)
        facts["A snapshot"] = snapshot(probe)
        facts["A conflict"] = conflict(probe)
        facts["shadow"] = shadow(probe)
        return facts
    }

    private static var meta: [String: [String]] {
        [
            "Every shared byte": [
                "mode 0\(String(SpaceOptions().mode, radix: 8)),",
                "each region N below \(Layout.regionCountMax),",
                "All words are \(UInt64.bitWidth) bits",
            ],
            "meta": [
                "| 0 | header page |",
                "| \(Layout.clockOffset) | words with a line each |",
                "| \(Layout.nodesOffset) | \(Layout.nodeCountMax) nodes of "
                    + "\(grouped(Layout.nodeSize)) bytes |",
                "| \(Layout.slotsOffset) | \(grouped(Layout.slotCountMax)) slots of "
                    + "\(Layout.slotSize) bytes |",
                "| \(Layout.ringOffset) | commit ring: \(grouped(Layout.ringEntryCount)) entries "
                    + "of \(Layout.ringEntrySize) bytes |",
                "| \(Layout.ringExtentsOffset) | extents of the ring: "
                    + "\(grouped(Layout.ringExtentCount)) of \(Layout.ringExtentSize) bytes |",
                "| \(Layout.snapshotsOffset) | \(Layout.snapshotCountMax) snapshots of "
                    + "\(Layout.snapshotSize) bytes |",
                "| \(Layout.conflictsOffset) | the last \(grouped(Layout.conflictCount)) conflicts "
                    + "of \(Layout.conflictEntrySize) bytes |",
                "| \(Layout.logsOffset) | \(grouped(Layout.slotCountMax)) redo logs of "
                    + "\(size(Layout.logSize)), sparse |",
                "| \(Layout.timelineOffset) | timeline: up to "
                    + "2^\(Layout.timelineCountMax.trailingZeroBitCount) samples of "
                    + "\(Layout.timelineSampleSize) bytes, sparse |",
                "before the logs, \(Layout.fixedSize * 10 / (1 << 20) / 10)."
                    + "\(Layout.fixedSize * 10 / (1 << 20) % 10) MiB, is reserved",
                "\(size(RedoLog.readySize)) of entries in each of the first "
                    + "\(RedoLog.readySlotCount) logs",
                "and \(size(Int(Timeline.batch) * Layout.timelineSampleSize)) of the timeline",
                "2^\(Layout.nodeLocks.trailingZeroBitCount) + n by node n for its life, "
                    + "2^\(Layout.nodeLocks.trailingZeroBitCount) + "
                    + "\(Layout.snapshotsLock - Layout.nodeLocks) while the snapshot table",
                "2^\(Layout.nodeLocks.trailingZeroBitCount) + "
                    + "\(Layout.pagesLock - Layout.nodeLocks) while pages",
            ],
            "The header page": [
                "| \(Layout.magicOffset) | magic number `ainbowFS`",
                "| \(Layout.versionOffset) | format version: \(Layout.formatVersion) |",
                "| \(Layout.pageSizeOffset) | page size: \(page) |",
                "| \(Layout.identityOffset), \(Layout.identityOffset + 8) | space id |",
                "| \(Layout.createdOffset) | birth",
                "| \(Layout.framesMaxOffset) | limit in pages; 0: none |",
                "| \(Layout.sourceOffset) | 1: a source has pages",
            ],
            "The words with a line each": [
                "| \(Layout.clockOffset) | clock",
                "| \(Layout.serialOffset) | serial mode: slot + 1 of the holder, or 0 |",
                "| \(Layout.framesUsedOffset) | pages with frames |",
                "| \(Layout.ringExtentHeadOffset) | head of the ring's extents |",
                "| \(Layout.ringWaitersOffset) | whether followers",
                "| \(Layout.timelineDueOffset) | words of the timeline |",
                "| \(Layout.snapshotEpochOffset), \(Layout.snapshotEndOffset) | epoch",
                "| \(Layout.conflictHeadOffset) | head of the conflicts |",
                "| \(Layout.shadowFreeOffset) | words of the undo versions |",
                "| \(Layout.evictionOffset), \(Layout.evictionsOffset) | the eviction under way, "
                    + "or 0; evictions so far |",
            ],
            "An eviction": eviction,
            "The words of the undo versions": [
                "| \(Layout.shadowFreeOffset) | free list: number of changes << 32 \\| "
                    + "first record + 1 |",
                "| \(Layout.shadowEndOffset) | end",
                "| \(Layout.shadowUsedOffset), \(Layout.shadowSweptOffset) | records in use now",
                "| \(Layout.sweepChainOffset), \(Layout.sweepLeftOffset) | where sweeping",
                "| \(Layout.shadowMaxOffset) | limit in bytes; 0: "
                    + "\(size(ShadowStore.bytesMaxDefault)) |",
            ],
        ]
    }

    private static var eviction: [String] {
        func shift(_ value: (Eviction) -> UInt64) -> Int {
            (0..<63).first { value(Eviction(2 << UInt64($0) | 1)) == 2 } ?? -1
        }
        let (sequence, first, count) = (shift(\.sequence), shift(\.first), shift(\.count))
        let phases: [(Eviction.Phase, String)] = [
            (.leaving, "leaving"), (.restoring, "restoring"), (.punching, "punching"),
        ]
        return [
            "sequence number in bits 63..\(sequence), first page in bits "
                + "\(sequence - 1)..\(first), number of pages in bits \(first - 1)..\(count),",
            "phase in bits 1..0 ("
                + phases.map { "\($0.0.rawValue) \($0.1)" }.joined(separator: ", ") + ")",
        ]
    }

    private static var regions: [String: [String]] {
        let lineOffset = LayoutProbe.shift { LineWord.slot(of: $0) }
        let slotBits = LineWord.slot(of: ~0).nonzeroBitCount
        let lockBit = LineWord.lockBit.trailingZeroBitCount
        return [
            "region-N": [
                "| 0 | \(size(Address.regionSize)) of data |",
                "| \(size(Layout.regionWordsOffset)) | line words: 8 bytes for each "
                    + "\(line)-byte line, \(size(Layout.regionWordsSize)) |",
                "| \(size(Layout.regionFramesOffset)) | frame map: one bit for each \(size(page)) "
                    + "page, \(size(Layout.regionFramesSize)) |",
                "| \(size(Layout.regionFramesOffset)) + "
                    + "\(size(Layout.regionDirectoryOffset - Layout.regionFramesOffset)) | "
                    + "directory: one byte for each \(size(page)) of the frame map, "
                    + "\(size(Layout.regionDirectorySize)) |",
                "its \(page / line * 8) bytes of line words",
                "a version (bit \(lockBit) clear)",
                "a lock: bit \(lockBit), the slot in bits \(lineOffset + slotBits - 1).."
                    + "\(lineOffset), the slot's sequence number in bits "
                    + "\(LineWord.sequenceMask.nonzeroBitCount - 1)..0.",
            ]
        ]
    }

    private static var objects: [String: [String]] {
        let first = BuiltInClass.allCases[0].address
        let apart = BuiltInClass.allCases[1].address.rawValue - first.rawValue
        func hex(_ number: UInt64) -> String { "0x" + String(number, radix: 16) }
        let regionShift = TableKey(regionNumber: 1).number.trailingZeroBitCount
        let pageShift = TableKey(extentAt: Address(region: 1, offset: UInt64(page))).number
            .trailingZeroBitCount
        let nameBytes = BuiltInClass.name.descriptor.field(named: "name")?.byteCount ?? 0
        let map = ObjectMap.word(of: Address(region: 1, offset: 0)).offset
        let open = OpenRun.word(bytes: 0, slot: 0)
        let slot = OpenRun.word(bytes: 0, slot: OpenRun.nobody) ^ open
        return [
            "Objects": [
                "A - 8, A - 16, ... references in the order of their fields; 0 is null",
                "A header: address of the object's class | "
                    + "\(ClassDescriptor.header(ofClassAt: .null)) A + 8 ... scalars",
                "with `alignment` \(ClassDeclaration.alignmentMax) begin",
                "at a multiple of \(line), and nothing",
                "offset \(size(map)) + offset / \(ObjectMap.bytesPerWord / 8) of the region",
                "allocator of region \(SystemArea.memory.lowerBound.region), from offset "
                    + "\(hex(SystemArea.memory.lowerBound.offset));",
                "the System object at \(hex(SystemArea.root.rawValue)),",
                "classes from \(hex(first.rawValue)) on, \(apart) bytes apart,",
                "after them at \(hex(SystemArea.allocator.rawValue)).",
                "`Table` has \(Table(.null).entries.count) entries",
                "of a \(TableKey.bitCount)-bit key each",
                "shifted left by \(pageShift), or region numbers by \(regionShift).",
                "*Names* of up to \(nameBytes) bytes",
                "the `counts[i] - 1` objects",
                "with bit \(open.trailingZeroBitCount) of `counts[i]` is open: bits "
                    + "\(63 - slot.leadingZeroBitCount)..\(slot.trailingZeroBitCount) are the slot",
            ]
        ]
    }

    private static func node(_ probe: LayoutProbe) -> [String] {
        probe.number(at: Layout.nodesOffset, count: Layout.nodeSize)
        let info = NodeTable(meta: probe.meta, descriptor: -1)
            .info(0, slots: [], counts: TransactionCounts())
        let at = LayoutProbe.offset(_:) as (UInt64) -> Int
        let text = LayoutProbe.offset(_:) as (String) -> Int
        probe.meta[Layout.nodesOffset].store(7)
        let generation = (0..<64).first { shift in
            let incarnation: UInt64 = 7 << UInt64(shift) | 1
            return NodeTable.index(of: incarnation) == 0
                && NodeTable(meta: probe.meta, descriptor: -1).isAlive(incarnation: incarnation)
        }
        return [
            "generation << \(generation ?? -1) | node + \(-NodeTable.index(of: 0)).",
            "| 0 | generation",
            "| \(at(UInt64(info.processID))), \(at(info.since)) | process id;",
            "| \(NodeTable.barrierOffset) | \(1): its threads take part",
            "| \(text(info.host)), \(text(info.name)), \(text(info.mountPoint)) | host "
                + "(\(info.host.utf8.count) bytes), name (\(info.name.utf8.count)), "
                + "mount point (\(info.mountPoint.utf8.count)), NUL padded |",
        ]
    }

    private static func slot(_ probe: LayoutProbe) -> [String] {
        let slot = Slot(meta: probe.meta, index: 0)
        func at(_ words: SharedWord...) -> String {
            words.map { String(probe.offset(of: $0) - Layout.slotsOffset) }
                .joined(separator: ", ")
        }
        let phase = Slot.state(.locking, 0).trailingZeroBitCount
        return [
            "| \(at(slot.owner)) | incarnation of the node that owns it; 0: free |",
            "| \(at(slot.state)) | state: phase in bits \(phase + 1)..\(phase) "
                + "(\(Slot.Phase.idle.rawValue) idle, \(Slot.Phase.locking.rawValue) locking, "
                + "\(Slot.Phase.committed.rawValue) committed)",
            "| \(at(slot.ticket)) | ticket: 0 none, 1 being drawn,",
            "| \(at(slot.entryCount, slot.fillCount)) | entries and fills",
            "| \(at(slot.recoverer)) | incarnation of the node that recovers the slot, or 0 |",
            "| \(at(slot.commits, slot.restarts)) | commits and restarts |",
            "| \(at(slot.logReserved, slot.fillsReserved)) | bytes of log entries",
            "| \(at(slot.aborts, slot.falseSharingAvoided, slot.conflicts)) | aborts, avoided "
                + "false sharing (counted by 64), conflicts |",
            "| \(at(slot.reading)) | the version with which the run "
                + "under way began; 0 between runs |",
            "| \(at(slot.committer)) | who commits: user id << "
                + "\(LayoutProbe.shift { Int(Committer(packed: $0).userID) }) \\| process id |",
        ]
    }

    private static func log(_ probe: LayoutProbe) -> [String] {
        let log = RedoLog(meta: probe.meta, slot: 0)
        func at(_ word: SharedWord) -> Int { probe.offset(of: word) - Layout.logsOffset }
        probe.number(at: Layout.logsOffset, count: RedoLog.fillSize)
        let fill = log.loadFill(0)
        let order = [
            (fill.start, "start"), (fill.stride, "stride"), (fill.count, "count"),
            (fill.headerOffset, "header offset"), (fill.header, "header word"),
            (fill.firstOldWord, "first old word"),
        ].sorted { $0.0 < $1.0 }.map(\.1).joined(separator: ", ")
        let empty = LogFill(
            start: 0, stride: 0, count: 0, headerOffset: 0, header: 0, firstOldWord: 0)
        let oldWords = (0...1).map { at(log.oldWord(of: empty, line: UInt64($0))) }
        let entry = log[0]
        let words = [
            (at(entry.address), "line address"), (at(entry.mask), "byte mask"),
            (at(entry.oldWord), "old line word"),
        ].sorted { $0.0 < $1.0 }.map(\.1).joined(separator: ", ")
        let dataOffset = at(entry.data(0)) - RedoLog.entriesOffset
        return [
            "0 \(RedoLog.fillCountMax) fills of \(RedoLog.fillSize) bytes: \(order)",
            "\(oldWords[0]) old line words of the lines that fills cover, "
                + "\(oldWords[1] - oldWords[0]) bytes each",
            "\(at(entry.address)) entries of \(at(log[1].address) - at(entry.address)) bytes: "
                + "\(words), unused, ..., \(RedoLog.entrySize - dataOffset) bytes of data",
        ]
    }

    private static func ring(_ probe: LayoutProbe, _ space: Space) -> [String] {
        let committer = Committer(processID: 0x12345, userID: 0x6789a)
        let target = Address(region: 1, offset: 0x9000 + 3 * UInt64(line))
        try? space.transact { tx throws(TransactionError) in
            tx.committer = committer
            try tx.store(1, at: target)
        }
        let version = space.clock.now
        let entry = space.ring.entry(version)
        func at(_ word: UInt64) -> Int {
            LayoutProbe.offset(of: word, in: entry, count: Layout.ringEntrySize)
        }
        let head = UInt64(committer.userID) << 32 | UInt64(space.node) << 20 | 1 << 4
        let shifts = [
            LayoutProbe.shift { Int(CommitRing.Head($0).userID) },
            LayoutProbe.shift { CommitRing.Head($0).node },
            LayoutProbe.shift { CommitRing.Head($0).pageCount },
        ]
        let kinds = [
            (CommitRing.Kind.inline, "inline"), (.extents, "extents"),
            (.everything, "everything"), (.nothing, "nothing"),
        ].map { "\($0.0.rawValue) \($0.1)" }.joined(separator: ", ")
        let process = UInt64(committer.processID) << CommitRing.pageBits
        return [
            "Entry `version mod \(Layout.ringEntryCount)`",
            "\(at(version)) version; bit \(CommitRing.busyBit.trailingZeroBitCount): being",
            "\(at(head)) user id of who committed << \(shifts[0]) | node << \(shifts[1]) | "
                + "number of pages << \(shifts[2]) | kind (\(kinds))",
            "\(at(target.page)) up to three pairs",
            "\(at(process)) in bits 63..\(CommitRing.pageBits), above the third page",
        ] + extent(probe)
    }

    /// - Returns: the facts of an extent of the ring.
    private static func extent(_ probe: LayoutProbe) -> [String] {
        let memory = probe.meta.advanced(by: Layout.ringExtentsOffset)
        func stored(_ lap: Int, lines: UInt64) -> [UInt64] {
            RingExtent(meta: probe.meta, position: UInt64(lap * Layout.ringExtentCount))
                .store(page: 0, lines: lines)
            return [memory[0].load(), memory[8].load()]
        }
        let lap = stored(1, lines: 0).map(\.trailingZeroBitCount)
        let lapBits = stored(0xffff, lines: 0).map(\.nonzeroBitCount)
        let lines = stored(0, lines: .max)
        return [
            "0 page (\(lines[0].trailingZeroBitCount) bits), upper \(lines[0].nonzeroBitCount) "
                + "bits of the mask, lap (\(min(lapBits[0], 64 - lap[0])) bits)",
            "8 lower \(lines[1].nonzeroBitCount) bits of the mask, lap "
                + "(\(min(lapBits[1], 64 - lap[1])) bits)",
        ]
    }

    private static func timeline(_ probe: LayoutProbe) -> [String] {
        let timeline = Timeline(
            meta: probe.meta, clock: SharedClock(meta: probe.meta), descriptor: -1)
        probe.number(at: Layout.timelineOffset, count: Layout.timelineSampleSize)
        probe.meta[Layout.timelineCountOffset].store(1)
        probe.meta[Layout.timelineReservedOffset].store(1)
        let time = timeline.milliseconds(of: .max).map(LayoutProbe.offset(_:))
        let version = stride(from: 0, to: Layout.timelineSampleSize, by: 8).first { offset in
            let word = probe.meta[Layout.timelineOffset + offset].load()
            return timeline.milliseconds(of: word) == nil
                && timeline.milliseconds(of: word + 1) != nil
        }
        return [
            "\(time ?? -1) milliseconds since 1970; 0: not made yet",
            "\(version ?? -1) version; 0: not known yet",
            "if the newest is \(Timeline.interval) ms old: "
                + "\(86_400_000 / Int(Timeline.interval) * Layout.timelineSampleSize / 1_000_000)"
                + " MB for a day",
            "| \(Layout.timelineDueOffset), \(Layout.timelineMadeOffset) | when the next",
            "| \(Layout.timelineCountOffset) | samples there are",
            "| \(Layout.timelineReservedOffset) | samples that have memory, "
                + "\(grouped(Int(Timeline.batch))) more at once |",
        ]
    }

    private static func snapshot(_ probe: LayoutProbe) -> [String] {
        let entry = SnapshotTable(meta: probe.meta)[0]
        func at(_ words: SharedWord...) -> String {
            words.map { String(probe.offset(of: $0) - Layout.snapshotsOffset) }
                .joined(separator: ", ")
        }
        entry.name.store("a")
        let name = LayoutProbe.offset(of: 0x61, in: entry.memory, count: Layout.snapshotSize)
        entry.kind.store(0)
        entry.serialNumber.store(1)
        entry.setEnded(1)
        let ended = entry.kind.load().trailingZeroBitCount
        let kinds: [SnapshotKind] = [.named, .transaction, .fallback]
        return [
            "| \(at(entry.owner)) | incarnation of the node that took it; 0: free |",
            "| \(at(entry.version)) | version, bit "
                + "\(SnapshotTable.staleBit.trailingZeroBitCount): stale; "
                + "2^\(SnapshotTable.pending.nonzeroBitCount) - 1: pending, it is being taken and "
                + "stands for every version; 0: none |",
            "| \(at(entry.serialNumber)) | serial number",
            "| \(at(entry.milliseconds)) | when it was taken",
            "| \(at(entry.kind)) | kind: \(kinds[0].rawValue) named, \(kinds[1].rawValue) of an "
                + "open transaction, \(kinds[2].rawValue) of a reader that lost too often; bit "
                + "\(SnapshotTable.serialBit.trailingZeroBitCount): its transaction is in serial "
                + "mode; from bit \(ended) on,",
            "| \(at(entry.readBytes, entry.writtenBytes)) | bytes read and written by the "
                + "transaction; at \(at(entry.readBytes)) of a named one",
            "| \(at(entry.user)) | group id << 32 \\| user id",
            "| \(name) | name (\(SnapshotTable.nameBytesMax)), NUL padded |",
        ]
    }

    private static func conflict(_ probe: LayoutProbe) -> [String] {
        let log = ConflictLog(meta: probe.meta)
        let new = ConflictLog.Entry(
            line: Address(0x1_2340), milliseconds: 0x5678, node: 0x9a, version: 0xbcde)
        log.add(new)
        let memory = probe.meta.advanced(by: Layout.conflictsOffset)
        func at(_ word: UInt64) -> Int {
            LayoutProbe.offset(of: word, in: memory, count: Layout.conflictEntrySize)
        }
        let check = stride(from: 0, to: Layout.conflictEntrySize, by: 8).first { offset in
            let word = memory[offset].load()
            return word & 0xffff == UInt64(new.node) && word >> 16 != 0
        }
        return [
            "Entry `position mod \(Layout.conflictCount)`",
            "\(at(new.line.rawValue)) address of the line",
            "\(at(new.milliseconds)) milliseconds",
            "\(check ?? -1) check of the other words and the position in the upper 48 bits;",
            "\(at(new.version)) version of the line at that time, 0 if it was locked",
        ]
    }

    private static func shadow(_ probe: LayoutProbe) -> [String] {
        let record = ShadowRecord(memory: probe.meta)
        func at(_ words: SharedWord...) -> String {
            words.map { String(probe.offset(of: $0)) }.joined(separator: ", ")
        }
        return [
            "| 0 | \(grouped(ShadowStore.chainCount)) chains: first record + 1, or 0; the chain of "
                + "a line is the upper \(ShadowStore.chainCount.trailingZeroBitCount) bits of "
                + "line * \(hash) |",
            "| \(ShadowStore.recordsOffset) | up to "
                + "2^\(ShadowStore.recordCountMax.trailingZeroBitCount) records of "
                + "\(ShadowStore.recordSize) bytes, sparse; \(grouped(ShadowStore.batch)) get",
            "| \(at(record.sequence)) | sequence number",
            "| \(at(record.line)) | line: address / \(line) |",
            "| \(at(record.from, record.until)) | the version that wrote",
            "| \(at(record.next)) | next record of the chain or of the free list, + 1; 0: none |",
            "| \(at(record.node)) | node of the commit",
            "| \(at(record.data(0))) | the line's \(line) bytes |",
            "chains and of \(grouped(ShadowStore.batch)) records is given back.",
        ]
    }
}
