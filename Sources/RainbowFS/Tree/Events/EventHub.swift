import RainbowCore
import Synchronization

/// The open `events` of a mount, and how they learn of commits: the follower of the commits
/// hands them in one by one, and each line is made once for all readers who want it.
final class EventHub: Sendable {
    private let space: Space
    private let streams = Mutex<[EventStream]>([])
    private let count = Atomic<Int>(0)
    /// The newest version that was handed in.
    private let newest: Atomic<UInt64>
    private let lostByReaders = Atomic<UInt64>(0)
    private let lostByMount = Atomic<UInt64>(0)

    init(_ space: Space) {
        self.space = space
        newest = Atomic(space.version)
    }

    var isEmpty: Bool { count.load(ordering: .relaxed) == 0 }

    /// Commits that readers did not get to know, each counted once a reader: because the reader was
    /// too slow, or because the mount could not keep up.
    var lostCounts: (byReaders: UInt64, byMount: UInt64) {
        (lostByReaders.load(ordering: .relaxed), lostByMount.load(ordering: .relaxed))
    }

    func add(_ stream: EventStream) {
        streams.withLock { streams in
            streams.append(stream)
            // The follower sees it at the latest with the first commit that is newer.
            count.store(streams.count, ordering: .sequentiallyConsistent)
            stream.begin(after: space.version)
        }
    }

    func remove(_ stream: EventStream) {
        streams.withLock { streams in
            streams.removeAll { $0 === stream }
            count.store(streams.count, ordering: .relaxed)
        }
    }

    /// Lets the readers know of what happened.
    func take(_ event: CommitFeed.Event) {
        let streams = streams.withLock { $0 }
        let known = newest.exchange(event.version, ordering: .relaxed)
        guard !streams.isEmpty else { return }
        switch event {
        case .lost(let version):
            for stream in streams { note(stream.lose(upTo: version, knownUpTo: known)) }
        case .commit(let news):
            let pages = news.sortedPages
            var line: [UInt8]?
            for stream in streams {
                switch stream.want(news, pages: pages) {
                case .nothing: continue
                case .tooLate: lostByReaders.add(1, ordering: .relaxed)
                case .everything where stream.seesEverything:
                    line = line ?? self.line(news, pages)
                    note(stream.append(line ?? [], version: news.version))
                case .everything:
                    guard let pages else {
                        // Nobody can say whether it is any of this reader's business.
                        note(stream.lose(upTo: news.version, knownUpTo: known))
                        continue
                    }
                    guard let line = self.line(news, pages, for: stream) else { continue }
                    note(stream.append(line, version: news.version))
                case .objects(let objects):
                    guard let shown = shown(objects, news, to: stream) else { continue }
                    note(stream.append(self.line(news, shown), version: news.version))
                }
            }
        }
    }

    /// Those of the objects that a reader restricted itself to and may read; nil if it is not to
    /// know of the commit.
    ///
    /// - Parameter objects: nil: anything may have changed.
    private func shown(
        _ objects: [EventText.Object]?, _ news: CommitNews, to stream: EventStream
    ) -> [EventText.Object]?? {
        guard !stream.seesEverything else { return .some(objects) }
        let found = try? space.transact { tx in
            try (objects ?? stream.watched).filter { object in
                guard let ownership = try tx.ownership(ofObjectAt: object.address),
                    stream.mayRead(ownership)
                else { return false }
                let memory = try tx.descriptor(of: object.address).memory(of: object.address)
                let count = Int(memory.upperBound.rawValue - memory.lowerBound.rawValue)
                return try objects != nil
                    || tx.version(of: memory.lowerBound, count: count) >= news.version
            }
        }
        guard let found, !found.isEmpty else { return .none }
        return .some(objects == nil ? nil : found)
    }

    private func note(_ effect: EventStream.Effect) {
        lostByReaders.add(effect.lostByReader, ordering: .relaxed)
        lostByMount.add(effect.lostByMount, ordering: .relaxed)
    }

    /// The line with all objects of a commit, as far as they are there now.
    private func line(
        _ news: CommitNews, _ pages: [(page: UInt64, lines: UInt64)]?
    ) -> [UInt8] {
        var changed = ChangedObjects()
        changed.isTruncated = true
        if let pages {
            let found = try? space.transact { tx in
                try tx.objects(onLinesOf: pages, limit: EventText.objectsMax)
            }
            changed = found ?? changed
        }
        let objects = changed.objects.lazy.map {
            EventText.Object(address: $0.address, className: $0.descriptor.name)
        }
        return EventText.commit(
            news, milliseconds: space.milliseconds(ofVersion: news.version),
            lines: news.lineCount, objects,
            isTruncated: changed.isTruncated)
    }

    /// The line for a reader who may not know of everything: with the objects that it may read,
    /// and without what only serves others that it may not.
    ///
    /// - Returns: nil if that leaves nothing.
    private func line(
        _ news: CommitNews, _ pages: [(page: UInt64, lines: UInt64)], for stream: EventStream
    ) -> [UInt8]? {
        var objects: [ObjectInfo] = []
        var (isTruncated, hidesObjects, hiddenLines) = (false, false, 0)
        do {
            try space.transact { tx in
                (objects, hidesObjects) = ([], false)
                let changed = try tx.objects(onLinesOf: pages, limit: EventText.objectsMax) {
                    stream.mayRead($0.ownership)
                }
                for object in changed.objects {
                    guard let ownership = try tx.ownership(of: object) else { continue }
                    if stream.mayRead(ownership) {
                        objects.append(object)
                    } else {
                        hidesObjects = true
                    }
                }
                (isTruncated, hiddenLines) = (changed.isTruncated, changed.skippedLines)
                if hiddenLines > 0 { hidesObjects = true }
                if !hidesObjects { objects = changed.objects }
            }
        } catch {
            return nil
        }
        guard !hidesObjects || !objects.isEmpty else { return nil }
        let shown = objects.lazy.map {
            EventText.Object(address: $0.address, className: $0.descriptor.name)
        }
        let lines = pages.reduce(0) { $0 + $1.lines.nonzeroBitCount } - hiddenLines
        return EventText.commit(
            news, milliseconds: space.milliseconds(ofVersion: news.version), lines: lines, shown,
            isTruncated: isTruncated)
    }

    private func line(_ news: CommitNews, _ objects: [EventText.Object]?) -> [UInt8] {
        let shown = objects?.prefix(EventText.objectsMax) ?? []
        return EventText.commit(
            news, milliseconds: space.milliseconds(ofVersion: news.version),
            lines: news.lineCount, shown,
            isTruncated: objects.map { $0.count > shown.count } ?? true)
    }
}

extension CommitNews {
    /// How many lines were written, if that is known.
    fileprivate var lineCount: Int? {
        sortedPages.map { $0.reduce(0) { $0 + $1.lines.nonzeroBitCount } }
    }
}

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
