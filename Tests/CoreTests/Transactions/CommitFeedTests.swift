import Glibc
import Synchronization
import TestSupport
import Testing

@testable import RainbowCore

extension TransactionalMemory {
    /// What a follower of the commit ring gets to see.
    @Suite struct CommitFeedTests {
        static let start = Address(region: 1, offset: 0x10000)

        /// The pages of a commit with their lines; nil for "any".
        static func lines(_ news: CommitNews) -> [UInt64: UInt64]? {
            news.pages.map { pages in
                pages.reduce(into: [:]) { $0[$1.page, default: 0] |= $1.lines }
            }
        }

        /// All events that are there, up to the newest version.
        static func events(_ feed: CommitFeed, _ space: Space) -> (commits: [CommitNews], lost: Int)
        {
            var commits: [CommitNews] = []
            var lost = 0
            while true {
                switch feed.next() {
                case .commit(let news): commits.append(news)
                case .lost: lost += 1
                case nil: return (commits, lost)
                }
            }
        }

        @Test("Each commit is seen once, in order, with the lines that it wrote")
        func content() throws {
            let seed = printedSeed("the feed's content")
            var generator = SeededGenerator(seed: seed)
            try withTestSpace("core") { space in
                let feed = space.commitFeed()
                for _ in 0..<2000 {
                    var expected: [UInt64: UInt64] = [:]
                    let count = [1, 2, 3, 4, 60].randomElement(using: &generator)!
                    let lines = (0..<count).map { _ in Int.random(in: 0..<4096, using: &generator) }
                    let fill = Int.random(in: 0..<10, using: &generator) == 0
                    try space.transact { tx throws(TransactionError) in
                        for line in lines {
                            try tx.store(1 as UInt8, at: Self.start + (line * 64 + line % 64))
                        }
                        if fill {
                            try tx.fill(
                                start: Self.start + 0x100_0040, stride: 64, count: 100,
                                headerOffset: 0, header: 1)
                        }
                    }
                    let filled = fill ? (0x40001..<0x40001 + 100).map { $0 } : []
                    for line in lines + filled {
                        let address = Self.start + line * 64
                        expected[address.page, default: 0] |= 1 << (address.line & 63)
                    }
                    guard case .commit(let news) = feed.next() else {
                        Issue.record("the commit is missing")
                        return
                    }
                    #expect(Self.lines(news) == expected)
                    #expect(news.version == space.usage.version)
                    #expect(news.node == space.node)
                    #expect(news.committer == .current)
                    #expect(feed.next() == nil)
                }
            }
        }

        @Test(
            "A commit tells for whom its thread made it, however many pages it wrote",
            arguments: [1, 2, 3, 4, 100, SpaceLayout.ringExtentCount / 4 + 1])
        func committers(pages: Int) throws {
            try withTestSpace("core") { space in
                let feed = space.commitFeed()
                let most = Committer(processID: 1 << 22 - 1, userID: .max - 1)
                for committer in [most, Committer(processID: 0, userID: 0), .current] {
                    space.committer = committer
                    try space.transact { tx throws(TransactionError) in
                        for page in 0..<pages { try tx.store(1, at: Self.start + page * 4096) }
                    }
                    let open = try space.begin(name: "open")
                    try open.perform { tx in try tx.store(2, at: Self.start) }
                    try open.commit()
                    let (commits, lost) = Self.events(feed, space)
                    #expect(lost == 0)
                    #expect(commits.map(\.committer) == [committer, committer])
                    guard let found = commits.first?.pages else { continue }
                    #expect(found.count == pages)
                    #expect(Set(found.map(\.page)).count == pages)
                }
                // Another thread commits for its process, though the one before it did not.
                space.committer = most
                onThreads(1) { _ in
                    try? space.transact { tx throws(TransactionError) in
                        try tx.store(3, at: Self.start)
                    }
                }
                #expect(Self.events(feed, space).commits.map(\.committer) == [.current])
            }
        }

        @Test("Transactions that read, fail or lose are no news")
        func silence() throws {
            struct GivenUp: Error {}
            try withTestSpace("core") { space in
                let rival = try Space.attach(space.name)
                defer { rival.detach() }
                let feed = space.commitFeed()
                _ = try space.transact { tx throws(TransactionError) in
                    try tx.load(Self.start, as: Int.self)
                }
                #expect(throws: GivenUp.self) {
                    try space.transact { tx in
                        try tx.store(1, at: Self.start)
                        throw GivenUp()
                    }
                }
                #expect(feed.next() == nil)
                var runs = 0
                try space.transact { tx in
                    runs += 1
                    let value: Int = try tx.load(Self.start)
                    if runs == 1 {
                        try rival.transact { tx throws(TransactionError) in
                            try tx.store(7, at: Self.start)
                        }
                    }
                    try tx.store(value + 1, at: Self.start)
                }
                #expect(runs == 2)
                let (commits, lost) = Self.events(feed, space)
                #expect(lost == 0)
                #expect(commits.map(\.node) == [rival.node, space.node])
            }
        }

        @Test("Large commits keep their pages, and huge ones say that anything may have changed")
        func largeCommits() throws {
            try withTestSpace("core") { space in
                let feed = space.commitFeed()
                let most = SpaceLayout.ringExtentCount / 4
                for count in [4, 1000, most, most + 1] {
                    try space.transact { tx throws(TransactionError) in
                        try tx.reserve(Self.start, count: count * 4096)
                        for page in 0..<count {
                            try tx.store(
                                1 as UInt8, at: Self.start + (page * 4096 + page % 64 * 64))
                        }
                    }
                    guard case .commit(let news) = feed.next() else {
                        Issue.record("the commit of \(count) pages is missing")
                        return
                    }
                    guard count <= most else {
                        #expect(news.pages == nil)
                        continue
                    }
                    let pages = (0..<count).map {
                        (Self.start.page + UInt64($0), UInt64(1) << UInt64($0 % 64))
                    }
                    #expect(Self.lines(news) == Dictionary(uniqueKeysWithValues: pages))
                }
                // Further large ones overwrite the pages of earlier ones: lost, not wrong.
                for _ in 0..<6 {
                    try space.transact { tx throws(TransactionError) in
                        for page in 0..<most - 1 {
                            try tx.store(2 as UInt8, at: Self.start + page * 4096)
                        }
                    }
                }
                let (commits, lost) = Self.events(feed, space)
                #expect(commits.isEmpty && lost == 1)
            }
        }

        @Test("An extent that a writer of another lap overwrote is not believed")
        func extents() throws {
            try withTestSpace("core") { space in
                let lap = UInt64(SpaceLayout.ringExtentCount)
                let place = RingExtent(meta: space.meta, position: 5 * lap + 77)
                let page: UInt64 = 0x1_2345_6789
                let lines: UInt64 = 0x8765_4321_0fed_cba9
                place.store(page: page, lines: lines)
                let found = try #require(place.load())
                #expect(found == (page, lines))
                #expect(RingExtent(meta: space.meta, position: 4 * lap + 77).load() == nil)
                #expect(RingExtent(meta: space.meta, position: 6 * lap + 77).load() == nil)
                #expect(RingExtent(meta: space.meta, position: 5 * lap + 78).load() == nil)
            }
        }

        @Test("A follower that stays within the ring gets all, one that is too slow is told")
        func overrun() throws {
            try withTestSpace("core") { space in
                let steady = space.commitFeed()
                let slow = space.commitFeed()
                func commit(_ count: Int) throws {
                    for _ in 0..<count {
                        try space.transact { tx throws(TransactionError) in
                            try tx.store(1, at: Self.start)
                        }
                    }
                }
                try commit(SpaceLayout.ringEntryCount)
                let first = Self.events(steady, space)
                #expect(first.commits.count == SpaceLayout.ringEntryCount && first.lost == 0)
                try commit(1)
                let second = Self.events(steady, space)
                #expect(second.commits.count == 1 && second.lost == 0)
                guard case .lost(let version) = slow.next() else {
                    Issue.record("the follower was not told that it lost commits")
                    return
                }
                #expect(version == space.usage.version)
                try commit(2)
                let third = Self.events(slow, space)
                #expect(third.commits.count == 2 && third.lost == 0)
            }
        }

        @Test("A follower beside threads misses nothing and sees nothing twice")
        func concurrent() throws {
            try withTestSpace("core") { space in
                let feed = space.commitFeed()
                // Within one round of the ring even if the follower does not run until they are
                // done, though versions that were given up take place, too.
                let commits = SpaceLayout.ringEntryCount / 16
                let running = Atomic<Int>(4)
                let threads = (0..<4).map { thread in
                    startThread {
                        for round in 0..<commits {
                            // Some meet on a line, so that some versions are given up.
                            let line = round % 8 == 0 ? 99 : thread
                            try? space.transact { tx throws(TransactionError) in
                                let place = Self.start + line * 4096
                                try tx.store(try tx.load(place, as: Int.self) + 1, at: place)
                            }
                        }
                        running.wrappingSubtract(1, ordering: .sequentiallyConsistent)
                    }
                }
                var seen: [UInt64: Int] = [:]
                var last: UInt64 = 0
                var isLast = false
                while !isLast {
                    isLast = running.load(ordering: .sequentiallyConsistent) == 0
                    while let event = feed.next(milliseconds: isLast ? 0 : 1) {
                        guard case .commit(let news) = event else {
                            Issue.record("commits were lost within one round of the ring")
                            continue
                        }
                        #expect(news.version > last)
                        last = news.version
                        for page in news.pages ?? [] { seen[page.page, default: 0] += 1 }
                    }
                }
                for thread in threads { pthread_join(thread, nil) }
                #expect(seen[Self.start.page + 99] == commits / 8 * 4)
                for thread in 0..<4 {
                    #expect(seen[Self.start.page + UInt64(thread)] == commits - commits / 8)
                }
            }
        }

        @Test(
            "A killed publisher neither stops a follower nor hides a commit",
            arguments: [
                Failpoint.lockAll, .ticketAnnounced, .ticketDrawn, .validated, .committed,
                .unlockAll, .ringClaimed, .ringPublished,
            ])
        func killedPublisher(point: Failpoint) throws {
            let seed = printedSeed("publishers killed at \(point.rawValue)")
            let scene = try CrashScene(workers: 1, seed: seed)
            defer { scene.close() }
            let space = try Space.attach(scene.name)
            defer { space.detach() }
            for _ in 0..<5 {
                try withDeadline(seconds: 60, "a follower of a killed publisher") {
                    let before = try scene.workload.count(space, worker: 0)
                    let feed = space.commitFeed()
                    let hits = scene.random(1...20)
                    try scene.start(0, failpoint: "\(point.rawValue):\(hits)")
                    #expect(scene.waitForDeath(0) == .signaled(SIGKILL))
                    let (commits, lost) = Self.events(feed, space)
                    #expect(lost == 0)
                    let after = try scene.workload.count(space, worker: 0)
                    #expect(commits.count == Int(after - before))
                    #expect(commits.allSatisfy { $0.committer == CrashWorkload.committer(0) })
                    // A commit from now on is the next to be seen.
                    try space.transact { tx throws(TransactionError) in
                        try tx.store(1, at: Address(region: 1, offset: 0x8000))
                    }
                    #expect(Self.events(feed, space).commits.map(\.node) == [space.node])
                    try scene.expectSound(space)
                }
            }
        }

        @Test("Waiting for a commit ends with the commit, or with the time")
        func waiting() throws {
            try withTestSpace("core") { space in
                let feed = space.commitFeed()
                #expect(feed.next(milliseconds: 5) == nil)
                let isWaiting = Atomic<Bool>(false)
                let thread = startThread {
                    while !isWaiting.load(ordering: .acquiring) { sched_yield() }
                    // The waiter says so in shared memory before it sleeps.
                    let waiters = space.meta[SpaceLayout.ringWaitersOffset]
                    while waiters.load() == 0 { sched_yield() }
                    try? space.transact { tx throws(TransactionError) in
                        try tx.store(1, at: Self.start)
                    }
                }
                let began = monotonicNanoseconds()
                isWaiting.store(true, ordering: .releasing)
                let event = feed.next(milliseconds: 120_000)
                pthread_join(thread, nil)
                guard case .commit = event else {
                    Issue.record("the wait ended without the commit")
                    return
                }
                #expect(monotonicNanoseconds() - began < 60_000_000_000)
            }
        }
    }
}
