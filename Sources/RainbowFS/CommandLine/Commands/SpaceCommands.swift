import ArgumentParser
import Glibc
import RainbowCore

struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls",
        abstract: "List the spaces of this machine.",
        discussion: """
            Example: rainbowfs ls --json
            """)

    @OptionGroup var json: JSONOption

    func run() throws {
        let spaces: [SpaceSummary]
        do { spaces = try Space.list() } catch { throw CommandFailure(.refused, error.explanation) }
        StandardOutput.print(
            json.isOn ? ListCommand.json(spaces).description : ListCommand.table(spaces))
    }

    private static func json(_ spaces: [SpaceSummary]) -> JSON {
        let rows = spaces.map { space in
            JSON.object([
                ("space", .string(space.name)),
                ("live_nodes", space.nodes < 0 ? .null : .integer(space.nodes)),
                ("memory_bytes", space.problem == nil ? .integer(space.bytesUsed) : .null),
                ("memory_bytes_max", space.bytesMax == 0 ? .null : .integer(space.bytesMax)),
                ("problem", space.problem.map { .string($0.explanation) } ?? .null),
            ])
        }
        return .object([("spaces", .array(rows))])
    }

    private static func limit(_ space: SpaceSummary) -> String {
        if space.problem != nil { return "?" }
        return space.bytesMax == 0 ? "none" : ByteText.describe(space.bytesMax)
    }

    private static func table(_ spaces: [SpaceSummary]) -> String {
        let rows = spaces.map { space in
            [
                space.name, space.nodes < 0 ? "?" : String(space.nodes),
                space.problem == nil ? ByteText.describe(space.bytesUsed) : "?",
                limit(space), space.problem?.explanation ?? "",
            ]
        }
        return TextTable.lines(head: ["SPACE", "NODES", "MEMORY", "LIMIT", ""], rows: rows)
            .joined(separator: "\n")
    }
}

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
            throw CommandFailure(.refused, error.explanation)
        }
        defer { space.detach() }
        var problems: [String] = []
        space.checkMemory { problems.append($0) }
        var objects: ObjectCheck?
        // On unsound memory a transaction might wait forever; without memory there are no objects.
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
                else { throw CommandFailure(.refused, error.explanation) }
                usleep(20_000)
            }
        }
    }

    /// An unmounted daemon detaches shortly after `fusermount3 -u` has returned, on a busy machine
    /// a long one. While each process that uses the space has it mounted, nobody is about to.
    private func patienceSeconds(_ nodes: Int) -> Double {
        let mounts = MountedSpace.all(in: MountTable.lines()).count { $0.space == space }
        return nodes > mounts ? 10 : 0
    }
}
