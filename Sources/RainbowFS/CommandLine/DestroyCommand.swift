import ArgumentParser
import Glibc
import RainbowCore

struct DestroyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "destroy",
        abstract: "Remove a space and all that it holds.",
        discussion: """
            A space that is in use stays, unless --force is given: then processes that have it go \
            on with memory that nobody else can reach.

            Example: rainbowfs destroy demo
            """)

    @Argument(help: "The name of a space.", completion: .spaces)
    var space: String

    @Flag(help: "Even if it is mounted or in use.")
    var force = false

    func run() throws {
        let begin = SystemClock.monotonicSeconds
        while true {
            do throws(SpaceError) {
                return try Space.destroy(space, force: force)
            } catch {
                guard case .inUse(_, let nodes) = error,
                    SystemClock.monotonicSeconds < begin + patienceSeconds(nodes)
                else { throw CommandFailure(.refused, error.description) }
                usleep(20_000)
            }
        }
    }

    /// An unmounted daemon detaches a moment after `fusermount3 -u` has returned, on a busy machine
    /// a long one. While each process that uses the space has it mounted, nobody is about to.
    private func patienceSeconds(_ nodes: Int) -> Double {
        let mounts = MountedSpace.all(in: MountTable.lines()).count { $0.space == space }
        return nodes > mounts ? 10 : 0
    }
}

extension CompletionKind {
    /// Names of the spaces of this machine.
    static var spaces: CompletionKind {
        .custom { _, _, _ in ((try? Space.list()) ?? []).map(\.name) }
    }
}
