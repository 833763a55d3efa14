/// Checks of everything below the objects, beside running transactions or
/// with the space to oneself. Nothing is changed, but that dead nodes are recovered first.
extension Space {
    /// Calls `report` with a sentence for each invariant that does not hold.
    /// - Complexity: one look at each line word of each resident page.
    public func checkMemory(_ report: (String) -> Void) {
        recoverAll()
        checkSlots(report)
        checkRing(report)
        checkSerial(report)
        checkSnapshots(report)
        timeline.check(report)
        var frames: UInt64 = 0
        for region in 0..<SpaceLayout.regionCountMax {
            do throws(RegionFailure) {
                frames += checkRegion(region, try mapRegion(region), report)
            } catch {
                guard case .unavailable(let cause) = error else { continue }
                return report("region \(region) could not be looked at (\(cause)); try again")
            }
        }
        let newest = clock.now
        if frames == 0, newest > 1, pages.source == nil,
            meta[SpaceLayout.evictionsOffset].load() == 0
        {
            report("there were \(newest - 1) commits, but their memory is gone or not found")
        }
        if isAlone, let (counted, found) = countedFrames(), counted != found {
            report("\(counted) frames are counted as used, but \(found) are")
        }
    }

    /// Whether no other process is attached.
    public var isAlone: Bool { nodes.isAlone }

    private func checkSlots(_ report: (String) -> Void) {
        for index in 0..<SpaceLayout.slotCountMax {
            let slot = Slot(meta: meta, index: index)
            guard slot.owner.load() == 0 else { continue }
            let state = slot.state.load()
            if Slot.phase(of: state) != .idle || slot.ticket.load() != 0, slot.owner.load() == 0 {
                report("slot \(index) is free, but in the middle of a commit")
            }
        }
    }

    private func checkRing(_ report: (String) -> Void) {
        for index in 0..<SpaceLayout.ringEntryCount {
            let sequence = ring.entry(UInt64(index))[0].load()
            let version = sequence & ~CommitRing.busyBit
            // Versions were given out before they could be published.
            if version > clock.now {
                report("the commit ring holds version \(version), which nobody has drawn")
            }
            if version != 0,
                Int(truncatingIfNeeded: version) & (SpaceLayout.ringEntryCount - 1) != index
            {
                report("version \(version) stands in the wrong place of the commit ring")
            }
        }
    }

    private func checkSerial(_ report: (String) -> Void) {
        let serial = meta[SpaceLayout.serialOffset]
        let holder = serial.load()
        guard holder != 0 else { return }
        guard holder <= SpaceLayout.slotCountMax else {
            return report("serial mode is held by slot \(holder - 1), which there is not")
        }
        let owner = Slot(meta: meta, index: Int(holder) - 1).owner.load()
        if owner == 0, serial.load() == holder {
            report("serial mode is held by slot \(holder - 1), which is free")
        }
    }

    /// Checks frame map and line words; gives the number of frames.
    private func checkRegion(
        _ region: Int, _ mapping: RegionMapping, _ report: (String) -> Void
    ) -> UInt64 {
        var frames: UInt64 = 0
        mapping.forEachFrameWord { first, word in
            var bits = word
            frames += UInt64(bits.nonzeroBitCount)
            while bits != 0 {
                let page = Int(first) + bits.trailingZeroBitCount
                bits &= bits - 1
                _ = whileTouching {
                    guard mapping.isPresent(UInt64(page * Address.pageSize)) else { return }
                    checkLines(of: page, region, mapping, report)
                }
            }
        }
        return frames
    }

    private func checkLines(
        of page: Int, _ region: Int, _ mapping: RegionMapping, _ report: (String) -> Void
    ) {
        for line in 0..<64 {
            let offset = UInt64(page * Address.pageSize + line * Address.lineSize)
            let word = mapping.lineWord(offset)
            let value = word.load()
            if LineWord.isLocked(value) {
                recoverIfDead(lock: value)
                if isLockSound(value, word) { continue }
            } else if value <= clock.now {
                continue
            }
            let address = Address(region: region, offset: offset)
            report(
                LineWord.isLocked(value)
                    ? "the line at \(address) is locked by slot \(LineWord.slot(of: value)), "
                        + "which is not committing"
                    : "the line at \(address) has version \(value), which nobody has drawn")
        }
    }
}
