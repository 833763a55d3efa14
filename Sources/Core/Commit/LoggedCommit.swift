/// What a commit does to the space, told from its redo log alone: so that its own thread and
/// the process that recovers it after a crash run the same code.
///
/// Every step changes only lines whose word is this commit's lock, and a line's word changes
/// last; so each step can be repeated, and be repeated in part, by another process.
@safe
struct LoggedCommit {
    let log: RedoLog
    let entryCount: Int
    let fillCount: Int
    /// The line word that identifies this commit's locks.
    let lock: UInt64
    private unowned(unsafe) let spaceReference: Space

    /// The lines of the entries, if the commit is this process's own.
    private let targets: UnsafeMutablePointer<WriteTarget>?
    private let fills: UnsafeMutablePointer<LogFill>

    /// - Parameter fills: `fillCount` sound fills; they belong to the caller.
    init(
        log: RedoLog, entryCount: Int, fillCount: Int, lock: UInt64, space: Space,
        targets: UnsafeMutablePointer<WriteTarget>? = nil, fills: UnsafeMutablePointer<LogFill>
    ) {
        unsafe self.targets = targets
        unsafe self.fills = fills
        self.log = log
        self.entryCount = entryCount
        self.fillCount = fillCount
        self.lock = lock
        unsafe spaceReference = space
    }

    private var space: Space { unsafe spaceReference }

    /// Where the line of an entry lies; nil if something else wrote another address into the log
    /// of a killed process since it was found sound.
    @inline(__always)
    private func target(_ index: Int) -> WriteTarget? {
        if let targets = unsafe targets { return unsafe targets[index] }
        return recoveredTarget(index)
    }

    private func recoveredTarget(_ index: Int) -> WriteTarget? {
        let address = log[index].address.load()
        let offset = Address(address).offset
        guard address % UInt64(Address.lineSize) == 0,
            let region = space.regions[containing: address],
            space.pages.isResident(Address(address), in: region)
        else { return nil }
        return WriteTarget(region, offset)
    }

    /// Calls `body` with each fill and its region, which is mapped.
    @inline(__always)
    private func forEachFill(_ body: (LogFill, RegionMapping) -> Void) {
        for index in 0..<fillCount {
            let fill = unsafe fills[index]
            guard let region = space.regions[containing: fill.start] else { continue }
            body(fill, region)
        }
    }

    /// Puts the logged bytes into all lines that are still locked: fills first, entries over them.
    func writeBack() {
        forEachFill { fill, region in writeBack(fill, region) }
        for index in 0..<entryCount {
            let entry = log[index]
            guard let target = target(index), target.lineWord.loadRelaxed() == lock else {
                continue
            }
            var mask = entry.mask.loadRelaxed()
            if mask == .max {
                for byte in stride(from: 0, to: UInt64(Address.lineSize), by: 8) {
                    target.data[Int(byte)].store(entry.data(byte).loadRelaxed())
                }
                mask = 0
            }
            while mask != 0 {
                let byte = UInt64(mask.trailingZeroBitCount) & ~7
                let bytes = mask >> byte & 0xff
                mask &= ~(0xff << byte)
                let cell = target.data[Int(byte)]
                let value = entry.data(byte).loadRelaxed()
                // Releasing: a reader who sees these bytes sees the lock when it looks again.
                cell.store(
                    bytes == 0xff ? value : LineBytes.merge(value, into: cell.loadRelaxed(), bytes))
            }
            space.failpoints.hit(.writeBackSome)
        }
    }

    private func writeBack(_ fill: LogFill, _ region: RegionMapping) {
        let (start, end, stride) = (fill.start, fill.end, fill.stride)
        let (headerOffset, header) = (fill.headerOffset, fill.header)
        var position = start
        var inObject: UInt64 = 0
        while position < end {
            let lineEnd = min((position | 63) + 1, end)
            let offset = Address(position).offset
            let isLocked = region.lineWord(offset).loadRelaxed() == lock
            var target = offset
            while position < lineEnd {
                if isLocked {
                    region.dataWord(target).store(inObject == headerOffset ? header : 0)
                }
                target += 8
                position += 8
                inObject += 8
                if inObject == stride { inObject = 0 }
            }
            space.failpoints.hit(.writeBackSome)
        }
    }

    /// Unlocks all lines that are still locked, with the commit's version.
    func unlock(version: UInt64) {
        forEachFill { fill, region in
            for line in fill.firstLine..<fill.lineEnd {
                let word = region.lineWord(ofLine: line)
                if word.loadRelaxed() == lock { word.store(version) }
                space.failpoints.hit(.unlockSome)
            }
        }
        for index in 0..<entryCount {
            guard let word = target(index)?.lineWord else { continue }
            if word.loadRelaxed() == lock { word.store(version) }
            space.failpoints.hit(.unlockSome)
        }
    }

    /// Unlocks all lines that are locked, with the words they had before: the commit never was.
    func rollBack() {
        // A line that a fill covers was locked through the fill, which keeps its old word.
        forEachFill { fill, region in
            for line in fill.firstLine..<fill.lineEnd {
                let word = region.lineWord(ofLine: line)
                if word.loadRelaxed() == lock {
                    word.store(log.oldWord(of: fill, line: line).loadRelaxed())
                }
                space.failpoints.hit(.abortSome)
            }
        }
        for index in 0..<entryCount {
            guard let word = target(index)?.lineWord else { continue }
            if word.loadRelaxed() == lock { word.store(log[index].oldWord.loadRelaxed()) }
            space.failpoints.hit(.abortSome)
        }
    }

    /// Calls `body` with each page written and the mask of its lines; a page may come twice.
    @inline(__always)
    func forEachPage(_ body: (_ page: UInt64, _ lines: UInt64) -> Void) {
        var page = UInt64.max
        var lines: UInt64 = 0
        for index in 0..<entryCount {
            let line = log[index].address.loadRelaxed() >> Address.lineShift
            if line >> 6 != page {
                if lines != 0 { body(page, lines) }
                page = line >> 6
                lines = 0
            }
            lines |= 1 << (line & 63)
        }
        if lines != 0 { body(page, lines) }
        for index in 0..<fillCount {
            let fill = unsafe fills[index]
            var line = fill.firstLine
            while line < fill.lineEnd {
                let next = min((line | 63) + 1, fill.lineEnd)
                let count = next - line
                body(line >> 6, LineBytes.bits(count, from: line & 63))
                line = next
            }
        }
    }
}

extension LoggedCommit {
    /// Whether the log names only lines that have memory, as every log does that a commit wrote.
    /// Maps the regions that it names.
    /// - Throws: if the machine does not let this process look at one of them.
    func isSound() throws(SystemError) -> Bool {
        for index in 0..<entryCount {
            let address = log[index].address.load()
            guard address % UInt64(Address.lineSize) == 0, try hasMemory(address, 64) else {
                return false
            }
        }
        for index in 0..<fillCount {
            guard unsafe try isSound(fills[index]) else { return false }
        }
        return true
    }

    private func isSound(_ fill: LogFill) throws(SystemError) -> Bool {
        let (bytes, overflow) = fill.stride.multipliedReportingOverflow(by: fill.count)
        let limit = UInt64(Transaction.fillBytesMax)
        guard !overflow, bytes > 0, bytes <= limit, (fill.start | fill.stride) % 8 == 0,
            try hasMemory(fill.start, bytes)
        else { return false }
        let lines = fill.lineEnd - fill.firstLine
        return fill.firstOldWord <= UInt64(RedoLog.oldWordCountMax) - lines
    }

    /// Whether all pages of a range lie in one region of the space and have frames.
    private func hasMemory(_ start: UInt64, _ count: UInt64) throws(SystemError) -> Bool {
        let number = start >> Address.regionShift
        guard number < SpaceLayout.regionCountMax,
            (start + count - 1) >> Address.regionShift == number,
            let region = try region(Int(number))
        else { return false }
        let pages = start >> Address.pageShift...(start + count - 1) >> Address.pageShift
        return pages.allSatisfy {
            space.pages.isResident(Address(page: $0), in: region)
        }
    }

    /// A region; nil if the space does not have it.
    private func region(_ number: Int) throws(SystemError) -> RegionMapping? {
        do throws(RegionFailure) {
            return try space.mapRegion(number)
        } catch {
            guard case .unavailable(let cause) = error else { return nil }
            throw cause
        }
    }
}
