import ArgumentParser
import Core

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fsck",
        abstract: "Check every invariant of a space, in use or not.",
        discussion: """
            Nothing is changed, but that commits of killed processes are finished or undone first.

            Example: rainbowfs fsck demo
            """)

    @Argument(help: "The name of a space.", completion: .spaces)
    var space: String

    @OptionGroup var json: JSONOption

    func run() throws {
        var options = SpaceOptions()
        options.create = false
        options.nodeName = "fsck"
        let space: Space
        do {
            space = try Space.attach(self.space, options)
        } catch {
            throw CommandFailure(.refused, error.description)
        }
        defer { space.detach() }
        var problems: [String] = []
        space.checkMemory { problems.append($0) }
        report(problems, isAlone: space.isAlone)
        if !problems.isEmpty { throw ExitCode(CommandFailure.Status.damaged.rawValue) }
    }

    private func report(_ problems: [String], isAlone: Bool) {
        if json.isOn {
            print(
                JSON.object([
                    ("space", .string(space)), ("clean", .bool(problems.isEmpty)),
                    ("in_use", .bool(!isAlone)),
                    ("problems", .array(problems.map { .string($0) })),
                ]))
        } else {
            for problem in problems { print("\(space): \(problem)") }
            if problems.isEmpty { print("\(space): clean") }
        }
    }
}
