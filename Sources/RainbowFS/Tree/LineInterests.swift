import RainbowCore

/// Ranges of memory that somebody watches, each with a key, found by the lines of a commit.
struct LineInterests<Key: Hashable> {
    private var pages: [UInt64: [(lines: UInt64, key: Key)]] = [:]

    mutating func insert(_ range: Range<Address>, _ key: Key) {
        Self.forEachPage(of: range) { page, lines in pages[page, default: []].append((lines, key)) }
    }

    /// Removes what was inserted with the same range and key.
    mutating func remove(_ range: Range<Address>, _ key: Key) {
        Self.forEachPage(of: range) { page, _ in
            pages[page]?.removeAll { $0.key == key }
            if pages[page]?.isEmpty == true { pages[page] = nil }
        }
    }

    /// Calls `body` with the key of each range that has a byte on one of the lines; for a range of
    /// several pages perhaps several times.
    func forEachTouched(by news: [(page: UInt64, lines: UInt64)], _ body: (Key) -> Void) {
        for (page, lines) in news {
            guard let interests = pages[page] else { continue }
            for interest in interests where interest.lines & lines != 0 { body(interest.key) }
        }
    }

    static func forEachPage(
        of range: Range<Address>, _ body: (_ page: UInt64, _ lines: UInt64) -> Void
    ) {
        guard !range.isEmpty else { return }
        let (firstLine, lastLine) = (range.lowerBound.line, (range.upperBound - 1).line)
        for page in range.lowerBound.page...(range.upperBound - 1).page {
            let first = max(firstLine, page << 6) & 63
            let last = min(lastLine, page << 6 | 63) & 63
            body(page, ~0 << first & ~0 >> (63 - last))
        }
    }
}
