import Core
import Glibc
import TestSupport
import Testing

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
                // With a third one that is there all the time, whoever of them recovers.
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
