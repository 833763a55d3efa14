import CAllocationCount
import Glibc
import RainbowCore
import TestSupport

/// The process that the tests of many processes start, and mostly kill.
///
///     space-worker COMMAND SPACE WORKER SEED COUNT
///
/// It leaves its news on the scoreboard that it inherits. A violation of what must hold ends it
/// with status 3, any error with status 4; a worker that hangs ends by SIGALRM.
@main
enum SpaceWorker {
    struct Request {
        var space: String
        var worker: Int
        var seed: UInt64
        /// Rounds to do; 0: until told to stop.
        var count: UInt64
        var board: Scoreboard

        func isDone(after rounds: UInt64) -> Bool {
            // Tests that were killed cannot end their workers.
            if rounds % 256 == 0, getppid() != SpaceWorker.parent {
                SpaceWorker.fail("the tests are gone")
            }
            return count != 0 && rounds >= count || board[BoardPlace.stop] != 0
        }
    }

    private static let parent = getppid()

    static func main() {
        _ = parent
        alarm(UInt32(environmentNumber("SPACE_WORKER_SECONDS", default: 600)))
        let arguments = CommandLine.arguments
        guard arguments.count == 6, let worker = Int(arguments[3]), let seed = UInt64(arguments[4]),
            let count = UInt64(arguments[5])
        else { fail("usage: space-worker COMMAND SPACE WORKER SEED COUNT") }
        do {
            let board = try Scoreboard(descriptor: Scoreboard.inheritedDescriptor)
            let request = Request(
                space: arguments[2], worker: worker, seed: seed, count: count, board: board)
            try run(arguments[1], request)
        } catch {
            fail("\(error)")
        }
    }

    private static func run(_ command: String, _ request: Request) throws {
        switch command {
        case "steps": try CrashCommands.steps(request)
        case "hold": try CrashCommands.hold(request)
        case "attach": try CrashCommands.attach(request)
        case "serial": try CrashCommands.serial(request)
        case "invariants": try InvariantCommands.invariants(request)
        case "history": try InvariantCommands.history(request)
        case "views": try ViewCommands.views(request)
        case "hold-serial": try ViewCommands.holdSerial(request)
        case "registers": try RegisterCommands.run(request)
        case "long-history": try InvariantCommands.longHistory(request)
        case "objects": try ObjectCommands.objects(request)
        case "two-regions": try DamageCommands.twoRegions(request)
        case "poor": try DamageCommands.poor(request)
        case "damaged": FuzzCommands.work(request)
        case "committers": try NewsCommands.committers(request)
        case "reserve-two": try MemoryCommands.reserveTwo(request)
        case "evict-in-full-memory": try MemoryCommands.evictInFullMemory(request)
        case "fill-memory": try MemoryCommands.fillMemory(request)
        case "allocations": try MemoryCommands.allocations(request)
        default: fail("there is no command \(command)")
        }
    }

    static func fail(_ message: String, status: Int32 = 4) -> Never {
        let text = Array("space-worker: \(message)\n".utf8)
        _ = unsafe write(STDERR_FILENO, text, text.count)
        exit(status)
    }

    /// Ends the process if something that must hold does not.
    static func require(_ holds: Bool, _ message: @autoclosure () -> String) {
        if !holds { fail(message(), status: 3) }
    }
}
