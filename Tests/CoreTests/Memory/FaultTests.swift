import Glibc
import TestSupport
import Testing

@testable import RainbowCore

extension TransactionalMemory {
    /// Each call into the kernel fails once, with each error that it may have. What was to be done
    /// is done, or is not and says so with that error; either way nothing is damaged or left.
    @Suite struct FaultTests {
        static let errors = [EMFILE, ENOMEM, EIO, EINTR, ENOSPC]
        static let address = Address(region: 1, offset: 0x2000_0000)

        /// Runs `body` with the first call failing, then with the second, until it makes no more.
        static func forEachCall(
            _ error: Int32, _ body: (FaultPlan) throws -> Void
        ) rethrows {
            for number in 1..<5000 {
                let plan = FaultPlan(error, atCall: number)
                try body(plan)
                guard plan.hasStruck else {
                    #expect(number > 1, "no call was made")
                    return
                }
            }
            Issue.record("there is no end of calls")
        }

        /// Runs what may fail with the plan's error only.
        /// - Returns: nil if it failed.
        static func attempt<R>(
            _ plan: FaultPlan, _ error: Int32, _ body: () throws -> R
        ) throws -> R? {
            do {
                return try Faults.with(plan, body)
            } catch SpaceError.system(let failure) {
                #expect(failure.errno == error, "\(failure)")
            } catch TransactionError.outOfMemory {
            }
            #expect(plan.hasStruck)
            #expect(error != EINTR, "a call that is interrupted is made again")
            return nil
        }

        static func expectSound(_ space: Space, at location: SourceLocation = #_sourceLocation) {
            var problems: [String] = []
            space.checkMemory { problems.append($0) }
            #expect(problems == [], sourceLocation: location)
        }

        /// Opens a space without faults, and all is well.
        static func expectSound(
            _ name: String, at location: SourceLocation = #_sourceLocation
        ) throws {
            let space = try Space.open(name)
            defer { space.detach() }
            expectSound(space, at: location)
            var problems: [String] = []
            _ = try space.checkObjects { problems.append($0) }
            #expect(problems == [], sourceLocation: location)
        }

        static func isThere(_ name: String) -> Bool {
            unsafe access(SpaceDirectory.path(name), F_OK) == 0
        }

        @Test("Making a space: it is there, or nothing of it", arguments: errors)
        func making(error: Int32) throws {
            try Self.forEachCall(error) { plan in
                let name = uniqueSpaceName("core")
                defer { try? Space.destroy(name, force: true) }
                if let space = try Self.attempt(plan, error, { try Space.open(name) }) {
                    space.detach()
                } else {
                    // An empty folder, whose lock was not to be had, is no space.
                    _ = unsafe rmdir(SpaceDirectory.path(name))
                    #expect(!Self.isThere(name))
                }
                try Self.expectSound(name)
                #expect(AttachTests.openFiles(below: SpaceDirectory.path(name)) == 0)
            }
        }

        @Test("Attaching to a space: who cannot leaves it as it was", arguments: errors)
        func attaching(error: Int32) throws {
            try withTestSpace("core") { first in
                try SystemArea.bootstrap(first)
                let before = AttachTests.openFiles(below: first.directory)
                try Self.forEachCall(error) { plan in
                    try Self.attempt(plan, error, { try Space.open(first.name) })?.detach()
                    #expect(AttachTests.openFiles(below: first.directory) == before)
                    #expect(first.liveNodes.count == 1)
                }
                try Self.expectSound(first.name)
            }
        }

        @Test("A commit: all of it is done, or nothing", arguments: errors)
        func commit(error: Int32) throws {
            try withTestSpace("core") { space in
                var next = Self.address
                try Self.forEachCall(error) { plan in
                    let start = next
                    next = next + (1 << 20)
                    let done: Bool? = try Self.attempt(plan, error) {
                        // A thread of its own has a log without memory.
                        try space.transact { tx in
                            for line in 0..<3000 { try tx.store(7, at: start + line * 64) }
                            try tx.fill(
                                start: start + (512 << 10), stride: 64, count: 64, headerOffset: 0,
                                header: 9)
                        }
                        return true
                    }
                    let found: [Int] = try space.transact { tx in
                        [try tx.load(start), try tx.load(start + 2999 * 64)]
                    }
                    #expect(found == (done == nil ? [0, 0] : [7, 7]))
                }
                Self.expectSound(space)
            }
        }

        @Test("A snapshot: it is right, or given up, and goes", arguments: errors)
        func snapshot(error: Int32) throws {
            try withTestSpace("core") { space in
                try space.transact { tx in
                    for line in 0..<1500 { try tx.store(1, at: Self.address + line * 64) }
                }
                var value = 1
                try Self.forEachCall(error) { plan in
                    let before = value
                    let seen: Int? = try Self.attempt(plan, error) {
                        let snapshot = try space.takeSnapshot(named: "fault")
                        defer { snapshot.end() }
                        try space.transact { tx in
                            for line in 0..<1500 {
                                try tx.store(before + 1, at: Self.address + line * 64)
                            }
                        }
                        value = before + 1
                        do {
                            return try space.read(at: snapshot) { tx in try tx.load(Self.address) }
                        } catch TransactionError.stale {
                            return before
                        }
                    }
                    #expect(seen == nil || seen == before)
                    #expect(space.snapshot(named: "fault") == nil)
                    space.recoverSnapshots()
                    #expect(space.snapshotMemory.bytesUsed == 0)
                }
                Self.expectSound(space)
            }
        }

        @Test("Another region: it is there whole, or can be made again", arguments: errors)
        func region(error: Int32) throws {
            try withTestSpace("core") { space in
                var region = 1
                try Self.forEachCall(error) { plan in
                    region = region % 63 + 1
                    _ = try Self.attempt(plan, error) { try space.createRegionFile(region) }
                    try space.createRegionFile(region)
                }
                Self.expectSound(space)
            }
        }

        @Test(
            "Recovery: what cannot be done now is done by the next, and nobody is harmed",
            arguments: errors, [Failpoint.lockAll, .committed, .unlockSome])
        func recovery(error: Int32, point: Failpoint) throws {
            let seed = printedSeed("recovery with faults")
            let scene = try CrashScene(workers: 1, seed: seed)
            defer { scene.close() }
            let space = try Space.attach(scene.name)
            defer { space.detach() }
            try Self.forEachCall(error) { plan in
                try scene.start(0, failpoint: point.spelled(at: 3))
                #expect(scene.waitForDeath(0) == .signaled(SIGKILL))
                Faults.with(plan) {
                    space.recoverAll()
                    space.recoverSnapshots()
                }
                try scene.expectSound(space)
                space.recoverAll()
                space.recoverSnapshots()
                #expect(SpaceInspection(space).leftovers() == [])
            }
        }

        @Test("Destroying: the space is there as it was, or the next one removes the rest")
        func destroying() throws {
            for error in Self.errors {
                try Self.forEachCall(error) { plan in
                    let name = uniqueSpaceName("core")
                    try Space.open(name).detach()
                    let isDone = try Self.attempt(plan, error) { try Space.destroy(name) } != nil
                    if !isDone, unsafe access("\(SpaceDirectory.path(name))/meta", F_OK) == 0 {
                        try Self.expectSound(name)
                    }
                    if !isDone { try Space.destroy(name) }
                    #expect(!Self.isThere(name))
                }
            }
        }

        @Test("Listing names every space, with what is wrong if it cannot be looked at")
        func listing() throws {
            try withTestSpace("core") { space in
                for error in Self.errors {
                    for number in 1..<200 {
                        let plan = FaultPlan(error, atCall: number)
                        let found = try Self.attempt(plan, error) { try Space.list() }
                        #expect(found?.contains { $0.name == space.name } != false)
                    }
                }
            }
        }

        @Test("Nobody else's calls fail, and each thread has a plan of its own")
        func plans() throws {
            #expect(FaultPlan("EMFILE:3") != nil && FaultPlan("ENOMEM") != nil)
            #expect(FaultPlan("") == nil && FaultPlan("EMFILES:3") == nil)
            let plan = FaultPlan(EIO, atCall: 2, count: 2)
            Faults.with(plan) {
                #expect(Faults.next() == nil)
                onThreads(1) { _ in
                    for _ in 0..<10 { #expect(Faults.next() == nil) }
                }
                #expect(Faults.next() == EIO && Faults.next() == EIO && Faults.next() == nil)
            }
            #expect(plan.callCount == 4 && plan.hasStruck)
            #expect(Faults.next() == nil && plan.callCount == 4)
        }

        @Test("A lock that the kernel goes on refusing ends the call with its error")
        func refusedLock() throws {
            try withTestSpace("core") { space in
                let plan = FaultPlan(EIO, atCall: 1, count: 1_000_000)
                #expect(throws: SpaceError.self) {
                    try Faults.with(plan) { try space.takeSnapshot(named: "s") }
                }
                #expect(plan.hasStruck)
                try space.takeSnapshot(named: "s").end()
            }
        }

        @Test("A lock is given back, however often the kernel refuses that first")
        func refusedRelease() throws {
            try withTestSpace("core") { space in
                let other = try Space.attach(space.name)
                defer { other.detach() }
                let plan = FaultPlan(ENOMEM, atCall: 2, count: 1100)
                let snapshot = try Faults.with(plan) { try space.takeSnapshot(named: "s") }
                defer { snapshot.end() }
                #expect(plan.callCount == 1102)
                let byte = SpaceLayout.snapshotsLock
                #expect(try !ByteLock.isHeldElsewhere(other.metaDescriptor, byte: byte))
            }
        }
    }
}
