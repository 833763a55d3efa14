import ArgumentParser
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
        do { spaces = try Space.list() } catch { throw CommandFailure(.refused, error.description) }
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
                ("problem", space.problem.map { .string($0) } ?? .null),
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
                limit(space), space.problem ?? "",
            ]
        }
        return TextTable.render(head: ["SPACE", "NODES", "MEMORY", "LIMIT", ""], rows: rows)
    }
}
