import Core
import Glibc
import TestSupport
import Testing

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
                    // The clock of ticks is behind the other one, more so on a busy machine.
                    let before = Self.wallMilliseconds(CLOCK_REALTIME_COARSE)
                    let version = try Self.commit(space)
                    commits.append((version, before, Self.wallMilliseconds()))
                    if commits.count % 50 == 0 { usleep(3000) }
                }
                var last: UInt64 = 0
                for commit in commits {
                    let time = space.milliseconds(ofVersion: commit.version)
                    // There is a sample each 4 ms.
                    #expect(time + 4 >= commit.before && time <= commit.after)
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
    }
}
