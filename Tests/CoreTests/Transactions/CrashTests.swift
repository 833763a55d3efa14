import Glibc
import RainbowCore
import TestSupport
import Testing

extension TransactionalMemory {
    /// Processes killed in the middle of what they do, and what the others find.
    @Suite struct CrashTests {
        static let randomKills = environmentNumber("RAINBOWFS_KILLS", default: 600)

        @Test("Workers killed at random times leave no torn sum, lost commit or lock")
        func randomTimes() throws {
            let seed = printedSeed("kills at random times")
            let scene = try CrashScene(workers: 3, seed: seed)
            defer { scene.close() }
            let space = try Space.attach(scene.name)
            for worker in 0..<3 { try scene.start(worker) }
            for _ in 0..<Self.randomKills {
                let victim = scene.random(0...2)
                try withDeadline(seconds: 60, "a worker or the survivor after a kill") {
                    #expect(scene.waitForSteps(victim, 1))
                    spin(microseconds: scene.random(0...2000))
                    #expect(scene.kill(victim) == .signaled(SIGKILL))
                    try scene.expectSound(space)
                }
                try scene.start(victim)
            }
            for worker in 0..<3 { _ = scene.kill(worker) }
            try scene.expectSound(space)
            print("killed \(scene.killCount), slots recovered here: \(space.recoveredSlots)")
            space.detach()
            try scene.expectSoundAfterAttach()
        }

        @Test("When all are killed at once, the next one to attach finds all well")
        func nobodySurvives() throws {
            let seed = printedSeed("kills of all")
            let scene = try CrashScene(workers: 3, seed: seed)
            defer { scene.close() }
            for _ in 0..<max(20, Self.randomKills / 20) {
                try withDeadline(seconds: 60, "attaching after all were killed") {
                    for worker in 0..<3 { try scene.start(worker) }
                    for worker in 0..<3 { #expect(scene.waitForSteps(worker, 1)) }
                    spin(microseconds: scene.random(0...2000))
                    for worker in 0..<3 { scene.child(worker).sendKill() }
                    for worker in 0..<3 { _ = scene.waitForDeath(worker) }
                    try scene.expectSoundAfterAttach()
                }
            }
            print("killed \(scene.killCount)")
        }

        @Test("Killed at a failpoint, alone or among others", arguments: Failpoint.commitPoints)
        func failpoints(point: Failpoint) throws {
            let seed = printedSeed("kills at \(point.rawValue)")
            let scene = try CrashScene(workers: 2, seed: seed)
            defer { scene.close() }
            let space = try Space.attach(scene.name)
            try scene.start(1)
            // Undo versions are saved for a snapshot only, and of lines that somebody had written.
            if point == .undoVersionSaved {
                try scene.start(0, count: 1)
                #expect(scene.waitForDeath(0) == .exited(0))
            }
            for round in 0..<10 {
                let snapshot =
                    point == .undoVersionSaved ? try space.takeSnapshot(named: "\(round)") : nil
                defer { snapshot?.end() }
                try withDeadline(seconds: 60, "the survivors of \(point.rawValue)") {
                    try scene.start(
                        0, failpoint: point.spelled(at: round == 0 ? 1 : scene.random(1...60)),
                        environment: [
                            "SPACE_WORKER_FRESH_PAGES": "1",
                            "SPACE_WORKER_EVICTS": point.isOfEviction ? "1" : "0",
                        ])
                    // It ends in no other way: so it was there.
                    #expect(scene.waitForDeath(0) == .signaled(SIGKILL))
                    try scene.expectSound(space)
                    // The other worker goes on.
                    let steps = scene.board[BoardPlace.steps(1)]
                    #expect(scene.waitForSteps(1, steps + 1))
                }
            }
            _ = scene.kill(1)
            space.detach()
            try scene.expectSoundAfterAttach()
        }
    }
}

/// Passes time without giving the processor away: a random time, not a wait for anything.
func spin(microseconds: Int) {
    let end = monotonicNanoseconds() + UInt64(microseconds) * 1000
    while monotonicNanoseconds() < end {}
}

extension Failpoint {
    var isOfEviction: Bool { rawValue.hasPrefix("eviction") }

    /// Those that a worker reaches by itself.
    static let commitPoints = allCases.filter {
        ![.recoverBegin, .recoverSome, .recoverEnd].contains($0)
    }

    /// As the environment names it. Few runs abort, one attaches once, and a worker's first step
    /// saves the undo versions of the six lines that are its own; most of the pages that it could
    /// evict are newer than a snapshot.
    func spelled(at hit: Int) -> String {
        switch self {
        case .attachLocked, .abortSome: rawValue
        case .undoVersionSaved, .evictionBegins, .evictionLeaving, .evictionPunching,
            .evictionPunched:
            "\(rawValue):\((hit - 1) % 6 + 1)"
        default: "\(rawValue):\(hit)"
        }
    }
}
