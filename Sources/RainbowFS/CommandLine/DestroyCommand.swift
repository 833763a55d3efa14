import ArgumentParser
import Core

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
        do {
            try Space.destroy(space, force: force)
        } catch {
            throw CommandFailure(.refused, error.description)
        }
    }
}

extension CompletionKind {
    /// Names of the spaces of this machine.
    static var spaces: CompletionKind {
        .custom { _, _, _ in ((try? Space.list()) ?? []).map(\.name) }
    }
}
