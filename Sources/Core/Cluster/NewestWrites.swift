/// The position that wrote a line last, for all lines written within a window of the log.
///
/// An open-addressing hash table. What left the window stays until the table is full: a stamp that
/// could be compared with it is older than the window.
struct NewestWrites: Sendable {
    private struct Cell {
        /// The line's number + 1; 0: the cell is free.
        var key: UInt64
        var position: UInt64
    }

    private static let capacityMin = 1024

    private var cells = [Cell](
        repeating: Cell(key: 0, position: 0), count: NewestWrites.capacityMin)
    private var count = 0

    /// The cell of a line, or the free one where it would go.
    @inline(__always)
    private func cell(ofLine line: UInt64) -> Int {
        let key = line + 1
        let last = cells.count - 1
        var cell = Int(truncatingIfNeeded: (key &* 0x9e37_79b9_7f4a_7c15) >> 32) & last
        while cells[cell].key != key, cells[cell].key != 0 { cell = (cell + 1) & last }
        return cell
    }

    /// The position that wrote a line last; 0 or any older than the window if none within it did.
    @inline(__always)
    subscript(line: UInt64) -> UInt64 { cells[cell(ofLine: line)].position }

    /// Whether a line of ascending ranges was written after a position within the window. Looks at
    /// each line, or once at the whole table if that is less.
    func isAnyLine(of ranges: [Range<UInt64>], newerThan position: UInt64) -> Bool {
        var lineCount = 0
        for range in ranges where lineCount < cells.count { lineCount += range.count }
        if lineCount < cells.count {
            return ranges.contains { lines in lines.contains { self[$0] > position } }
        }
        return cells.contains { cell in
            cell.position > position && NewestWrites.isLine(cell.key - 1, in: ranges)
        }
    }

    private static func isLine(_ line: UInt64, in ranges: [Range<UInt64>]) -> Bool {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound <= line { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].contains(line)
    }

    /// Notes a write.
    /// - Parameter windowStart: what was written up to this position is needed no more.
    mutating func note(_ line: UInt64, at position: UInt64, windowStart: UInt64) {
        let found = cell(ofLine: line)
        if cells[found].key != 0 {
            cells[found].position = position
            return
        }
        cells[found] = Cell(key: line + 1, position: position)
        count += 1
        if count * 2 > cells.count { rebuild(windowStart) }
    }

    private mutating func rebuild(_ windowStart: UInt64) {
        let needed = cells.filter { $0.position > windowStart }
        var capacity = NewestWrites.capacityMin
        while capacity < needed.count * 4 { capacity *= 2 }
        cells = [Cell](repeating: Cell(key: 0, position: 0), count: capacity)
        count = needed.count
        for kept in needed { cells[cell(ofLine: kept.key - 1)] = kept }
    }
}
