import ArgumentParser
import RainbowCore

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
        options.owner = .anyone
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
        var objects: ObjectCheck?
        // On unsound memory a transaction might wait for ever; without memory there are no objects.
        if problems.isEmpty, space.usage.bytesUsed > 0 {
            do {
                objects = try space.checkObjects { problems.append($0) }
            } catch {
                problems.append(TreeError(error).message)
            }
        }
        report(problems, objects, isAlone: space.isAlone)
        if !problems.isEmpty { throw ExitCode(CommandFailure.Status.damaged.rawValue) }
    }

    private func report(_ problems: [String], _ objects: ObjectCheck?, isAlone: Bool) {
        let counts = [
            ("regions", "region", objects?.regions),
            ("allocators", "allocator", objects?.allocators),
            ("classes", "class", objects?.classes), ("objects", "object", objects?.objects),
            ("names", "name", objects?.names),
        ]
        guard json.isOn else {
            for problem in problems { StandardOutput.print("\(space): \(problem)") }
            if problems.isEmpty {
                let text = counts.map { many, one, count in
                    "\(count ?? 0) \(count == 1 ? one : many)"
                }.joined(separator: ", ")
                StandardOutput.print("\(space): clean; \(text)")
            }
            return
        }
        StandardOutput.print(
            JSON.object(
                [
                    ("space", .string(space)), ("clean", .bool(problems.isEmpty)),
                    ("in_use", .bool(!isAlone)),
                    ("problems", .array(problems.map { .string($0) })),
                ] + counts.map { name, _, count in (name, count.map { .integer($0) } ?? .null) }))
    }
}
