import Glibc
import Synchronization
import TestSupport
import Testing

@testable import RainbowCore

extension TransactionalMemory {
    /// When a version was committed.
    @Suite struct TimelineTests {
        static let place = Address(region: 1, offset: 0x8000)

        static func wallMilliseconds(_ clock: clockid_t = CLOCK_REALTIME) -> UInt64 {
            var time = timespec()
            unsafe clock_gettime(clock, &time)
            return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
        }

        static func commit(_ space: Space) throws -> UInt64 {
            try space.transact { tx throws(TransactionError) in
                try tx.store(try tx.load(place, as: Int.self) + 1, at: place)
            }
            return space.usage.version
        }

        @Test("The time of a version is that of its commit, to some milliseconds")
        func accuracy() throws {
            try withTestSpace("core") { space in
                var commits: [(version: UInt64, before: UInt64, after: UInt64)] = []
                let end = Self.wallMilliseconds() + 500
                while Self.wallMilliseconds() < end {
                    // The clock of ticks shows earlier times, more so on a busy machine.
                    let before = Self.wallMilliseconds(CLOCK_REALTIME_COARSE)
                    let version = try Self.commit(space)
                    commits.append((version, before, Self.wallMilliseconds()))
                    if commits.count % 50 == 0 { usleep(3000) }
                }
                var last: UInt64 = 0
                for commit in commits {
                    let time = space.milliseconds(ofVersion: commit.version)
                    // There is a sample each 16 ms.
                    #expect(time + Timeline.interval >= commit.before && time <= commit.after)
                    #expect(time >= last)
                    last = time
                }
            }
        }

        @Test("Versions that nobody has made yet or that are older than all have a time too")
        func unknownVersions() throws {
            let begin = Self.wallMilliseconds()
            try withTestSpace("core") { space in
                let birth = space.milliseconds(ofVersion: 0)
                #expect(birth / 1000 <= Self.wallMilliseconds() / 1000)
                #expect(birth + 2000 > begin)
                let version = try Self.commit(space)
                let time = space.milliseconds(ofVersion: version)
                #expect(space.milliseconds(ofVersion: version + 1000) == time)
                #expect(space.milliseconds(ofVersion: .max) == time)
            }
        }

        @Test("The first of several that commit at once after a pause all have the time of then")
        func afterPause() throws {
            try withTestSpace("core") { space in
                _ = try Self.commit(space)
                let round = Atomic<Int>(0)
                for number in 1...20 {
                    usleep(40_000)
                    let began = Self.wallMilliseconds(CLOCK_REALTIME_COARSE)
                    onThreads(4) { thread in
                        // All draw their versions as closely together as they can.
                        round.add(1, ordering: .sequentiallyConsistent)
                        while round.load(ordering: .acquiring) < number * 4 { sched_yield() }
                        let own = Self.place + thread * 64
                        try? space.transact { tx throws(TransactionError) in
                            try tx.store(number, at: own)
                        }
                    }
                    for version in space.version - 3...space.version {
                        let time = space.milliseconds(ofVersion: version)
                        #expect(time + Timeline.interval >= began)
                    }
                }
            }
        }

        @Test("Beside threads that commit, later versions never have earlier times")
        func monotone() throws {
            try withTestSpace("core") { space in
                onThreads(4) { thread in
                    let end = Self.wallMilliseconds() + 400
                    let own = Self.place + thread * 64
                    while Self.wallMilliseconds() < end || space.usage.version <= 1000 {
                        try? space.transact { tx throws(TransactionError) in
                            try tx.store(try tx.load(own, as: Int.self) + 1, at: own)
                        }
                    }
                }
                let newest = space.usage.version
                #expect(newest > 1000)
                var last: UInt64 = 0
                for version in stride(from: 2, through: newest, by: Int(newest / 1000)) {
                    let time = space.milliseconds(ofVersion: version)
                    #expect(time >= last)
                    last = time
                }
            }
        }

        @Test("What was said of a version beside threads that commit never changes")
        func stability() throws {
            try withTestSpace("core") { space in
                let rival = try Space.attach(space.name)
                defer { rival.detach() }
                let said = Mutex<[UInt64: UInt64]>([:])
                let end = Self.wallMilliseconds() + 1500
                onThreads(4) { thread in
                    let own = Self.place + thread * 64
                    var answers: [UInt64: UInt64] = [:]
                    let (mine, other) = thread % 2 == 0 ? (space, rival) : (rival, space)
                    var rounds = 0
                    while Self.wallMilliseconds() < end {
                        try? mine.transact { tx throws(TransactionError) in
                            try tx.store(try tx.load(own, as: Int.self) + 1, at: own)
                        }
                        // The version of another commit, which may have its sample just now.
                        let version = mine.version
                        let answer = other.milliseconds(ofVersion: version)
                        if let before = answers[version] { #expect(before == answer) }
                        answers[version] = answer
                        rounds += 1
                        if rounds % 100 == 0 { usleep(16_000) }
                    }
                    let found = answers
                    said.withLock { $0.merge(found) { $0 == $1 ? $0 : .max } }
                }
                let answers = said.withLock { $0 }
                #expect(answers.count > 100)
                for (version, time) in answers {
                    #expect(space.milliseconds(ofVersion: version) == time)
                }
            }
        }

        /// Samples as of clocks that the test sets.
        private struct Clocks {
            let timeline: Timeline
            let space: Space
            var now = Timeline.Instant(wall: 1_000_000, monotonic: 5_000)
            var said: [(version: UInt64, time: UInt64)] = []

            init(_ space: Space, descriptor: Int32? = nil) {
                self.space = space
                timeline = Timeline(
                    meta: space.meta, clock: space.clock,
                    descriptor: descriptor ?? space.metaDescriptor)
            }

            mutating func pass(_ milliseconds: UInt64) {
                now.wall += milliseconds
                now.monotonic += milliseconds
            }

            /// The time of a version that is drawn now.
            @discardableResult
            mutating func commit() -> UInt64 {
                timeline.noteIfDue(at: now)
                let version = space.clock.next()
                let time = space.milliseconds(ofVersion: version)
                said.append((version, time))
                return time
            }

            func expectSaid() {
                #expect(said.allSatisfy { space.milliseconds(ofVersion: $0.version) == $0.time })
                var problems: [String] = []
                timeline.check { problems.append($0) }
                #expect(problems == [])
            }
        }

        @Test("What was said of the versions of days never changes")
        func staysForDays() throws {
            try withTestSpace("core") { space in
                var generator = SeededGenerator(seed: printedSeed("days of commits"))
                var clocks = Clocks(space)
                for _ in 0..<100_000 {
                    clocks.pass(UInt64.random(in: 0...UInt64.random(in: 1...99), using: &generator))
                    let time = clocks.commit()
                    #expect(clocks.now.wall - time < Timeline.interval)
                }
                clocks.expectSaid()
            }
        }

        @Test("When the clock is set back times go on at half its speed until it has caught up")
        func clockSetBack() throws {
            try withTestSpace("core") { space in
                var clocks = Clocks(space)
                let before = clocks.commit()
                clocks.now.wall -= 10_000
                var last = before
                for _ in 0..<100 {
                    clocks.pass(50)
                    let time = clocks.commit()
                    #expect(time == last + 25)
                    last = time
                }
                // Ten seconds are caught up in twenty.
                for _ in 0..<400 {
                    clocks.pass(50)
                    clocks.commit()
                }
                #expect(clocks.commit() == clocks.now.wall)
                clocks.now.wall += 3_600_000
                clocks.pass(16)
                #expect(clocks.commit() == clocks.now.wall)
                // After a start of the machine the other clock begins again.
                clocks.now.monotonic = 1
                space.timeline.restart()
                clocks.pass(60_000)
                #expect(clocks.commit() == clocks.now.wall)
                clocks.expectSaid()
            }
        }

        @Test("Without memory for more samples times become coarse, and good again with it")
        func fullMemory() throws {
            try withTestSpace("core") { space in
                var clocks = Clocks(space)
                clocks.commit()
                // Nothing can be reserved in no file.
                var poor = Clocks(space, descriptor: -1)
                poor.now = clocks.now
                var begin = poor.now.wall
                for round in 0..<500_000 {
                    poor.pass(16)
                    poor.commit()
                    let left =
                        space.meta[SpaceLayout.timelineReservedOffset].load()
                        - space.meta[SpaceLayout.timelineCountOffset].load()
                    if left >= 256 { begin = poor.now.wall }
                    let elapsed = poor.now.wall - begin
                    // In error by a part of the time that memory is short, for an hour.
                    if round % 100 == 0, elapsed < 3_600_000 {
                        let time = space.milliseconds(ofVersion: space.clock.now)
                        #expect(poor.now.wall - time <= 1032 + elapsed / 8)
                    }
                }
                poor.expectSaid()
                clocks.now = poor.now
                clocks.pass(1000)
                #expect(clocks.commit() == clocks.now.wall)
                poor.expectSaid()
            }
        }

        @Test("A sample whose maker was killed between its steps is completed, and moves no time")
        func killedMaker() throws {
            try withTestSpace("core") { space in
                var clocks = Clocks(space)
                let count = space.meta[SpaceLayout.timelineCountOffset]
                for round in 0..<100 {
                    clocks.commit()
                    clocks.pass(20)
                    // The first step, and nothing else.
                    let place =
                        SpaceLayout.timelineOffset
                        + Int(count.load()) * SpaceLayout.timelineSampleSize
                    #expect(space.meta[place].compareExchange(0, clocks.now.wall))
                    if round % 2 == 0 { clocks.pass(round % 4 == 0 ? 30 : 5) }
                    let time = clocks.commit()
                    #expect(clocks.now.wall - time < Timeline.interval)
                }
                clocks.expectSaid()
            }
        }
    }
}
