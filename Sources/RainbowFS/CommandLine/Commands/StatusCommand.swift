import ArgumentParser
import Glibc
import RainbowCore

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show a mount: its memory, nodes and regions.",
        discussion: """
            Example: rainbowfs status -m /mnt/rainbow
            """)

    @OptionGroup var mount: MountChoice
    @OptionGroup var json: JSONOption

    func run() throws {
        let mount = try mount.find().whole
        let status = try mount.withFailures { () throws(FileError) in try MountStatus(mount) }
        StandardOutput.print(json.isOn ? status.json.description : status.text)
    }
}

/// What the files of a mount say of the space.
struct MountStatus {
    typealias Facts = [(key: String, value: String)]

    var space: String
    var mountPoint: String
    var memoryUsedBytes: UInt64
    var memoryTotalBytes: UInt64
    /// The facts of each file of `nodes/`, by its name.
    var nodes: [(name: String, facts: Facts)]
    /// The facts of each region's `status`.
    var regions: [(name: String, facts: Facts)]

    init(_ mount: MountedSpace) throws(FileError) {
        space = mount.space
        mountPoint = mount.path
        var memory = statvfs()
        guard unsafe mount.path.withSystemText({ unsafe statvfs($0, &memory) }) == 0 else {
            throw FileError(path: mount.path, errno: errno)
        }
        // Whatever is mounted there says these numbers: they need not fit together.
        let unit = UInt64(memory.f_frsize)
        memoryTotalBytes = UInt64(memory.f_blocks) &* unit
        memoryUsedBytes = UInt64(memory.f_blocks &- memory.f_bfree) &* unit
        nodes = try MountStatus.facts(ofEach: mount.path + "/nodes")
        regions = try MountStatus.facts(ofEach: mount.path + "/regions", in: "/status")
    }

    /// The facts of each entry of a folder, or of a file in each.
    private static func facts(
        ofEach folder: String, in file: String = ""
    ) throws(FileError) -> [(name: String, facts: Facts)] {
        var found: [(String, Facts)] = []
        for name in try FileText.names(inDirectory: folder) {
            do throws(FileError) {
                found.append((name, facts(try FileText.readText("\(folder)/\(name)\(file)"))))
            } catch {
                // It left since the folder was read.
                guard [ENOENT, ESTALE].contains(error.errno) else { throw error }
            }
        }
        return found
    }

    /// Lines of a key, a colon and a value.
    static func facts(_ text: String) -> Facts {
        text.parts(at: "\n").map { line in
            let utf8 = line.utf8
            let key = utf8.prefix { $0 != UInt8(ascii: ":") }
            let value = utf8[key.endIndex...].drop {
                $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: " ")
            }
            return (String(Substring(key)), String(Substring(value)))
        }
    }

    var text: String {
        var lines = [
            "space        \(space)",
            "mount point  \(mountPoint)",
            "memory       \(ByteText.describe(memoryUsedBytes)) of "
                + ByteText.describe(memoryTotalBytes),
        ]
        for (kind, entries) in [("node", nodes), ("region", regions)] {
            for (name, facts) in entries {
                let facts = facts.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
                lines.append("\(kind) \(name): \(facts)")
            }
        }
        return lines.joined(separator: "\n")
    }

    var json: JSON {
        func list(_ entries: [(name: String, facts: Facts)]) -> JSON {
            .array(
                entries.map { name, facts in
                    .object(
                        [("file", .string(name))]
                            + facts.map {
                                (MountStatus.jsonKey($0.key), MountStatus.json($0))
                            })
                })
        }
        return .object([
            ("space", .string(space)), ("mount_point", .string(mountPoint)),
            ("memory_used_bytes", .integer(memoryUsedBytes)),
            ("memory_total_bytes", .integer(memoryTotalBytes)),
            ("nodes", list(nodes)), ("regions", list(regions)),
        ])
    }

    private static func jsonKey(_ key: String) -> String {
        String(key.map { $0 == " " || $0 == "-" ? "_" : $0 })
    }

    /// Each key has one type, whatever a node or a host is called.
    static func json(_ fact: (key: String, value: String)) -> JSON {
        switch fact.key {
        case "slots": .array(fact.value.split(separator: " ").map { number(String($0)) })
        case "host", "name", "mount point", "since", "base", "model": .string(fact.value)
        default: number(fact.value)
        }
    }

    private static func number(_ text: String) -> JSON {
        Int64(text).map { .integer($0) } ?? .string(text)
    }
}
