@testable import RainbowCore

/// A look at the shared structures themselves, for what no transaction can see.
struct SpaceInspection {
    let space: Space

    init(_ space: Space) { self.space = space }

    func slot(_ index: Int) -> Slot { Slot(meta: space.meta, index: index) }

    /// Whether some process has, or had when it died, the space to itself.
    var isSerial: Bool { space.meta[SpaceLayout.serialOffset].load() != 0 }

    /// Addresses of the lines from `offset` that are locked.
    func lockedLines(offset: UInt64 = 0x8000, count: UInt64 = 1 << 20) -> [UInt64] {
        guard let region = try? space.mapRegion(1) else { return [] }
        return stride(from: offset, to: offset + count, by: 64).filter {
            region.isPresent($0) && LineWord.isLocked(region.lineWord($0).load())
        }
    }

    /// What a killed process left and nobody recovered; nobody else may be attached.
    func leftovers() -> [String] {
        var found = lockedLines().map { "the line at \($0) is locked" }
        for index in 0..<SpaceLayout.slotCountMax {
            let slot = slot(index)
            let owner = slot.owner.load()
            if owner != 0, owner != space.nodes.ownIncarnation {
                found.append("slot \(index) belongs to node \(NodeTable.index(of: owner))")
            }
            if slot.info.phase != .idle || slot.ticket.load() != 0 || slot.recoverer.load() != 0 {
                found.append("slot \(index) is not at rest")
            }
        }
        if let (counted, frames) = space.countedFrames() {
            if counted != frames { found.append("\(counted) frames are counted, \(frames) are") }
        } else {
            found.append("the frames cannot be counted")
        }
        if isSerial { found.append("serial mode has not ended") }
        for index in 0..<SpaceLayout.snapshotCountMax
        where space.snapshotTable[index].owner.load() != 0
            || space.snapshotTable[index].version.load() != 0
        {
            found.append("the snapshot \(space.snapshotTable[index].name) is open")
        }
        if space.snapshotMemory.bytesUsed != 0 { found.append("old versions are kept for nobody") }
        return found
    }
}
