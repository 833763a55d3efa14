import Core
import Synchronization

/// The open `events` of a mount, and how they learn of commits: whoever follows the commits hands
/// them in one by one, and each line is made once for all readers who want it.
final class EventHub: Sendable {
    private let space: Space
    private let streams = Mutex<[EventStream]>([])
    private let count = Atomic<Int>(0)
    /// Bytes that readers who go by the size were given to read, and 1; 0 before the first of them.
    private let shownSize = Atomic<Int>(0)

    init(_ space: Space) {
        self.space = space
    }

    var isEmpty: Bool { count.load(ordering: .relaxed) == 0 }

    /// What stat(2) shows as the size.
    ///
    /// Like a pipe, `events` has none, so that archivers do not wait in it. But tail(1) takes a
    /// file without a size for a pipe and then waits for its end before it shows anything.
    var size: Int { isEmpty ? 0 : shownSize.load(ordering: .relaxed) }

    func add(_ stream: EventStream) {
        streams.withLock { streams in
            streams.append(stream)
            // Whoever follows sees that somebody listens with the first commit that is newer.
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

    func addSizeReader() {
        _ = shownSize.compareExchange(expected: 0, desired: 1, ordering: .relaxed)
    }

    /// Lets the readers know of what happened.
    func take(_ event: CommitFeed.Event) {
        let streams = streams.withLock { $0 }
        guard !streams.isEmpty else { return }
        switch event {
        case .lost(let version):
            for stream in streams { grow(stream.lose(upTo: version)) }
        case .commit(let news):
            let pages = news.sortedPages
            var line: [UInt8]?
            for stream in streams {
                switch stream.wish(news, pages: pages) {
                case .nothing: continue
                case .everything:
                    line = line ?? self.line(news, pages)
                    grow(stream.append(line ?? [], version: news.version))
                case .objects(let objects):
                    grow(stream.append(self.line(news, objects), version: news.version))
                }
            }
        }
    }

    private func grow(_ bytes: Int) {
        if bytes > 0 { shownSize.wrappingAdd(bytes, ordering: .relaxed) }
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
            news, milliseconds: space.milliseconds(ofVersion: news.version), objects,
            isTruncated: changed.isTruncated)
    }

    private func line(_ news: CommitNews, _ objects: [EventText.Object]?) -> [UInt8] {
        let shown = objects?.prefix(EventText.objectsMax) ?? []
        return EventText.commit(
            news, milliseconds: space.milliseconds(ofVersion: news.version), shown,
            isTruncated: objects.map { $0.count > shown.count } ?? true)
    }
}
