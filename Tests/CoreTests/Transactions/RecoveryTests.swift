import Glibc
import TestSupport
import Testing

@testable import RainbowCore

extension TransactionalMemory {
    /// Processes killed while they recover others, or hold the space for themselves.
    @Suite struct RecoveryTests {
        static let victimPoints: [Failpoint] = [
            .lockSome, .lockAll, .ticketDrawn, .validated, .committed, .writeBackSome,
            .writeBackAll, .unlockSome,
        ]

        /// Where who recovers a process killed at `victim` can be killed itself.
        static func recovererPoints(_ victim: Failpoint) -> [Failpoint] {
            let common: [Failpoint] = [.recoverBegin, .recoverSome, .recoverEnd]
            return switch victim {
            case .committed, .writeBackSome, .writeBackAll:
                common + [.writeBackSome, .unlockSome, .ringClaimed]
            case .unlockSome: common + [.unlockSome, .ringClaimed]
            default: common + [.abortSome]
            }
        }

        @Test(
            "A recoverer killed in turn is taken over, also when numbers of nodes are reused",
            arguments: victimPoints)
        func chain(victim: Failpoint) throws {
            let seed = printedSeed("recoverers killed after \(victim.rawValue)")
            let scene = try CrashScene(workers: 3, seed: seed)
            defer { scene.close() }
            for point in Self.recovererPoints(victim) {
                for isNumberReused in [true, false] {
                    try withDeadline(seconds: 60, "recovery after \(victim) and \(point)") {
                        // Another one on the first number moves the others to the next.
                        if !isNumberReused {
                            try scene.start(2, command: "hold")
                            _ = scene.waitForNode(2)
                        }
                        try scene.start(0, failpoint: victim.spelled(at: scene.random(1...30)))
                        #expect(scene.waitForDeath(0) == .signaled(SIGKILL))
                        try scene.start(1, failpoint: point.rawValue)
                        #expect(scene.waitForDeath(1) == .signaled(SIGKILL))
                        try scene.start(1, failpoint: Failpoint.recoverEnd.rawValue)
                        #expect(scene.waitForDeath(1) == .signaled(SIGKILL))
                        try scene.expectSoundAfterAttach()
                        if !isNumberReused { _ = scene.kill(2) }
                    }
                }
            }
            print("killed \(scene.killCount)")
        }

        @Test(
            "Who cannot look at a region now leaves the log of a killed process as it is",
            arguments: [Failpoint.committed, .writeBackSome, .writeBackAll],
            ["descriptors", "addresses"])
        func poorRecoverer(victim: Failpoint, lack: String) throws {
            let name = uniqueSpaceName("core")
            let space = try Space.attach(name)
            defer {
                space.detach()
                try? Space.destroy(name, force: true)
            }
            try space.createRegionFile(5)
            let board = try Scoreboard()
            func run(_ command: String, _ seed: Int, _ count: Int, _ failpoint: Failpoint?)
                throws -> Child
            {
                try Child(
                    builtProgram("space-worker"), [command, name, "0", "\(seed)", "\(count)"],
                    environment: failpoint.map { ["RAINBOWFS_FAILPOINT": $0.rawValue] } ?? [:],
                    descriptor: board.descriptor)
            }
            #expect(try run("two-regions", 3, 0, nil).wait() == .exited(0))
            #expect(try run("two-regions", 4, 0, victim).wait() == .signaled(SIGKILL))
            let poor = try run("poor", lack == "descriptors" ? 0 : 1, 4, nil)
            withDeadline(seconds: 120, "a process with too few \(lack)") {
                while board[BoardPlace.result(0)] == 0, !poor.hasEnded { sched_yield() }
                // This one is rich, and has looked at nothing so far.
                let owners = (0..<SpaceLayout.slotCountMax).filter {
                    Slot(meta: space.meta, index: $0).info.phase == .committed
                }
                #expect(owners.count == 1)
                board[BoardPlace.shared] = 1
                #expect(poor.wait() == .exited(0))
            }
            #expect(SpaceInspection(space).lockedLines() == [])
        }

        @Test(
            "Who waits for a dead process's lock recovers it, and who waits for the recoverer too",
            arguments: [Failpoint.lockAll, .validated, .committed, .writeBackAll],
            [Failpoint.recoverBegin, .recoverSome, .recoverEnd])
        func waiters(victim: Failpoint, recoverer: Failpoint) throws {
            let seed = printedSeed("waiters killed at \(recoverer.rawValue)")
            let scene = try CrashScene(workers: 3, seed: seed)
            defer { scene.close() }
            try withDeadline(seconds: 60, "who waits after \(victim) and \(recoverer)") {
                try scene.start(1, failpoint: recoverer.rawValue)
                #expect(scene.waitForSteps(1, 1))
                try scene.start(0, failpoint: "\(victim.rawValue):20")
                #expect(scene.waitForDeath(0) == .signaled(SIGKILL))
                // All work shares the accounts and the ring: the other one meets the locks.
                #expect(scene.waitForDeath(1) == .signaled(SIGKILL))
                try scene.expectSoundAfterAttach()
                // With a third one that is there all the time; either of them may recover.
                try scene.start(1, failpoint: recoverer.rawValue)
                try scene.start(2)
                #expect(scene.waitForSteps(2, 1))
                try scene.start(0, failpoint: "\(victim.rawValue):20")
                #expect(scene.waitForDeath(0) == .signaled(SIGKILL))
                #expect(scene.waitForSteps(2, scene.board[BoardPlace.steps(2)] + 20))
                for worker in [1, 2] { _ = scene.kill(worker) }
                try scene.expectSoundAfterAttach()
            }
        }

        @Test(
            "A process killed in serial mode lets the others go on",
            arguments: [nil, "commit-begin:9", "lock-all:9", "committed", "unlock-some"])
        func serialHolder(failpoint: String?) throws {
            let seed = printedSeed("serial holders killed")
            let scene = try CrashScene(workers: 2, seed: seed)
            defer { scene.close() }
            for isAnotherRunning in [false, true] {
                try withDeadline(seconds: 60, "the others of a dead serial holder") {
                    let space = try Space.attach(scene.name)
                    defer { space.detach() }
                    if isAnotherRunning {
                        try scene.start(1)
                        #expect(scene.waitForSteps(1, 1))
                    }
                    try scene.start(
                        0, command: "serial", count: failpoint == nil ? 0 : 1,
                        failpoint: failpoint)
                    #expect(scene.waitForDeath(0) == .signaled(SIGKILL))
                    #expect(scene.board[BoardPlace.result(0)] == 9)
                    if isAnotherRunning {
                        let steps = scene.board[BoardPlace.steps(1)]
                        #expect(scene.waitForSteps(1, steps + 20))
                        _ = scene.kill(1)
                    } else {
                        #expect(SpaceInspection(space).isSerial)
                    }
                    try scene.expectSound(space)
                }
                try scene.expectSoundAfterAttach()
            }
        }
    }
}
