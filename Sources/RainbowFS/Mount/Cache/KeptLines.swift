import Synchronization

/// The lines of memory that attributes were made from which the kernel may still keep, by page.
///
/// It is bounded: what finds no room is not kept. What was noted goes when a commit takes it, or
/// with its generation, when the kernel has forgotten it anyway. The table is in parts with a lock
/// each, since every look at a file passes here.
///
/// Invariant: what was noted and is not told to the kernel yet, `take` returns. So two that take
/// the same lines may both tell, and none goes on while the kernel has been told by neither.
final class KeptLines: Sendable {
    private struct Pages {
        var newer: [UInt64: UInt64] = [:]
        var older: [UInt64: UInt64] = [:]
        /// Taken by somebody who has not told the kernel yet.
        var untold: [UInt64: UInt64] = [:]
    }

    /// Heap cells, since locks cannot move.
    private final class Part: Sendable {
        let pages = Mutex(Pages())
    }

    private static let partCount = 64
    /// Pages of a generation in a part: those of 256 MiB of objects in all.
    private static let partPagesMax = 1024

    private let parts = (0..<partCount).map { _ in Part() }
    /// Pages in all three, or some more.
    private let count = Atomic<Int>(0)

    var isEmpty: Bool { count.load(ordering: .sequentiallyConsistent) == 0 }

    private func part(_ page: UInt64) -> Part {
        parts[Int(truncatingIfNeeded: page) & (Self.partCount - 1)]
    }

    /// - Returns: false if there is no room.
    func insert(_ page: UInt64, _ lines: UInt64) -> Bool {
        part(page).pages.withLock { pages in
            if let known = pages.newer[page] {
                if known | lines != known { pages.newer[page] = known | lines }
                return true
            }
            guard pages.newer.count < Self.partPagesMax else { return false }
            pages.newer[page] = lines
            count.wrappingAdd(1, ordering: .sequentiallyConsistent)
            return true
        }
    }

    /// Takes those of the lines out that are noted; `told` is to be called when the kernel knows.
    func take(_ page: UInt64, _ lines: UInt64) -> UInt64 {
        guard !isEmpty else { return 0 }
        return part(page).pages.withLock { pages in
            let untold = pages.untold[page] ?? 0
            // First here, then gone there: the table is never empty in between.
            let noted = ((pages.newer[page] ?? 0) | (pages.older[page] ?? 0)) & lines
            if noted != 0 {
                if untold == 0 { count.wrappingAdd(1, ordering: .sequentiallyConsistent) }
                pages.untold[page] = untold | noted
                _ = take(page, lines, &pages.newer)
                _ = take(page, lines, &pages.older)
            }
            return noted | untold & lines
        }
    }

    /// The kernel was told that these lines have changed.
    func told(_ told: [(page: UInt64, lines: UInt64)]) {
        for (page, lines) in told {
            part(page).pages.withLock { pages in _ = take(page, lines, &pages.untold) }
        }
    }

    private func take(_ page: UInt64, _ lines: UInt64, _ pages: inout [UInt64: UInt64]) -> UInt64 {
        guard let known = pages[page], known & lines != 0 else { return 0 }
        if known & ~lines == 0 {
            pages[page] = nil
            count.wrappingSubtract(1, ordering: .sequentiallyConsistent)
        } else {
            pages[page] = known & ~lines
        }
        return known & lines
    }

    /// Takes out the lines of which `changed` returns any.
    func takeAll(
        where changed: (_ page: UInt64, _ lines: UInt64) -> UInt64
    ) -> [(page: UInt64, lines: UInt64)] {
        var taken: [(page: UInt64, lines: UInt64)] = []
        for part in parts {
            let known = part.pages.withLock { pages in
                pages.newer.merging(pages.older) { $0 | $1 }
            }
            for (page, lines) in known {
                let changed = changed(page, lines)
                if changed != 0 { taken.append((page, take(page, changed))) }
            }
        }
        return taken
    }

    /// Forgets what was noted before the last call.
    func age() {
        for part in parts {
            part.pages.withLock { pages in
                count.wrappingSubtract(pages.older.count, ordering: .sequentiallyConsistent)
                pages.older = pages.newer
                pages.newer = [:]
            }
        }
    }
}
