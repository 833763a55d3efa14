import Glibc
import RainbowCore
import TestSupport
import Testing

/// A space in which workers run and are killed, and what is known of them.
final class CrashScene {
    let name = uniqueSpaceName("core")
    let board: Scoreboard
    var workload: CrashWorkload
    private var children: [Child?]
    private var generator: SeededGenerator
    private(set) var killCount = 0

    init(workers: Int, seed: UInt64) throws {
        board = try Scoreboard()
        workload = CrashWorkload(workerCount: workers)
        children = Array(repeating: nil, count: workers)
        generator = SeededGenerator(seed: seed)
        let space = try Space.attach(name)
        try workload.prepare(space)
        space.detach()
    }

    /// Ends all workers and removes the space.
    func close() {
        for child in children { child?.kill() }
        try? Space.destroy(name, force: true)
    }

    deinit { close() }

    func random(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }

    func child(_ worker: Int) -> Child { children[worker]! }

    /// Starts a worker's process.
    /// - Parameters:
    ///   - count: rounds to do; 0 until it is killed.
    ///   - failpoint: `NAME:N` that it dies at.
    func start(
        _ worker: Int, command: String = "steps", count: UInt64 = 0, failpoint: String? = nil,
        environment: [String: String] = [:]
    ) throws {
        var environment = environment
        environment["RAINBOWFS_FAILPOINT"] = failpoint
        board[BoardPlace.steps(worker)] = 0
        board[BoardPlace.node(worker)] = 0
        let seed = UInt64.random(in: 0...UInt64.max, using: &generator)
        children[worker] = try Child(
            builtProgram("space-worker"),
            [command, name, "\(worker)", "\(seed)", "\(count)"], environment: environment,
            descriptor: board.descriptor)
    }

    /// Waits until the worker's process has done some steps; false if it ended before.
    func waitForSteps(_ worker: Int, _ count: UInt64) -> Bool {
        while board[BoardPlace.steps(worker)] < count {
            if child(worker).hasEnded { return false }
            sched_yield()
        }
        return true
    }

    /// Waits until the worker is attached, and gives its node.
    func waitForNode(_ worker: Int) -> Int {
        board.wait { $0[BoardPlace.node(worker)] != 0 }
        return Int(board[BoardPlace.node(worker)]) - 1
    }

    /// Kills a worker, as `kill -9` does, and waits until it is gone.
    func kill(_ worker: Int) -> ChildStatus {
        killCount += 1
        return child(worker).kill()
    }

    /// Waits until a worker has died at its failpoint.
    func waitForDeath(_ worker: Int) -> ChildStatus {
        killCount += 1
        return child(worker).wait()
    }

    /// All holds now: an acknowledged commit is there, and of a worker that is dead at most the one
    /// after it.
    func expectSound(_ space: Space, at location: SourceLocation = #_sourceLocation) throws {
        let counts = children.indices.map { worker in
            let isDead = children[worker]?.hasEnded ?? true
            let acknowledged = board[BoardPlace.acknowledged(worker)]
            return acknowledged...(isDead ? acknowledged + 1 : UInt64.max)
        }
        let found = try workload.violations(space, counts: counts)
        #expect(found == [], sourceLocation: location)
        // What was seen once is as good as acknowledged.
        for worker in children.indices where children[worker]?.hasEnded ?? true {
            let count = try workload.count(space, worker: worker)
            board[BoardPlace.acknowledged(worker)] = count
        }
    }

    /// Attaches beside others, and all holds.
    func expectSoundBesideOthers(at location: SourceLocation = #_sourceLocation) throws {
        let space = try Space.attach(name)
        defer { space.detach() }
        try expectSound(space, at: location)
    }

    /// Attaches again, so that all that is left is recovered; then all holds, and nothing is left.
    func expectSoundAfterAttach(at location: SourceLocation = #_sourceLocation) throws {
        let space = try Space.attach(name)
        defer { space.detach() }
        try expectSound(space, at: location)
        #expect(SpaceInspection(space).leftovers() == [], sourceLocation: location)
    }
}
