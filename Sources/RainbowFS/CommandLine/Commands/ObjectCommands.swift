import ArgumentParser
import Glibc
import RainbowCore

struct NewCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "new",
        abstract: "Make objects and print their paths below the mount.",
        discussion: """
            Fields that are not given are zero, empty or null. A batch is made by one command of \
            the allocator.

            Example: rainbowfs new regions/transactional/bank Account balance=100
            """)

    @Argument(help: "The allocator's folder.", completion: .directory)
    var allocator: String

    @Argument(help: "The name of a class.")
    var className: String

    @Argument(help: ArgumentHelp("Values of fields.", valueName: "field=value"))
    var fields: [AssignmentArgument] = []

    @Option(name: [.customShort("n"), .long], help: "How many objects to make.")
    var count = 1

    @OptionGroup var mount: MountChoice
    @OptionGroup var json: JSONOption

    func validate() throws {
        guard count > 0 else { throw ValidationError("The number of objects must be at least 1.") }
        guard ClassText.isIdentifier(className) else {
            throw ValidationError("The name of a class is letters, digits and _.")
        }
    }

    func run() throws {
        let mount = try mount.find(path: allocator)
        let file = mount.resolve(allocator, isBelowMount: self.mount.path != nil) + "/allocator"
        var words = ["new", className]
        if count > 1 { words.append("*\(count)") }
        words += fields.map(\.commandWord)
        let command = words.joined(separator: " ") + "\n"
        let answer = try mount.withFailures { () throws(FileError) in
            try FileText.ask(file, command)
        }
        if json.isOn {
            let paths = answer.split(separator: "\n").map { JSON.string(String($0)) }
            StandardOutput.print(JSON.object([("objects", .array(paths))]))
        } else {
            StandardOutput.print(answer, terminator: answer.hasSuffix("\n") ? "" : "\n")
        }
        do {
            try StandardOutput.flush()
        } catch {
            throw CommandFailure(error.status, "\(error) The objects were made all the same.")
        }
    }
}

struct GetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Print fields of an object.",
        discussion: """
            With one field, its value alone; otherwise a line FIELD=VALUE for each. The values are \
            those of one version. bytes fields are shown in hexadecimal, elements of arrays are \
            separated by commas.

            Example: rainbowfs get names/alice balance
            """)

    @Argument(help: "An object: names/NAME, objects/0x..., or its raw file.", completion: .file())
    var path: String

    @Argument(help: "Names of fields; all if none is given.")
    var fields: [String] = []

    @OptionGroup var mount: MountChoice
    @OptionGroup var json: JSONOption

    func run() throws {
        let mount = try mount.find(path: path)
        let object = try ObjectFiles(
            mount.resolve(path, isBelowMount: self.mount.path != nil), mount: mount)
        let declared = try declarations(of: object, mount)
        let wanted = try fields.map { field in
            guard let declaration = declared.first(where: { $0.name == field }) else {
                let all = declared.map(\.name).joined(separator: ", ")
                throw CommandFailure(
                    .refused, "\(object.name) has no field \(field); it has: \(all)")
            }
            return declaration
        }
        let values = try object.atOneVersion { () throws(FileError) in
            var values: [(FieldDeclaration, ShownValue)] = []
            for declaration in fields.isEmpty ? declared : wanted {
                values.append((declaration, try ShownValue.read(declaration, in: object.folder)))
            }
            return values
        }
        guard let values else {
            throw CommandFailure(
                .refused,
                "\(object.name) is written without pause; no single version could be read.")
        }
        if json.isOn {
            let className = try mount.withFailures { () throws(FileError) in try object.className }
            StandardOutput.print(
                JSON.object([
                    ("object", .string(object.name)), ("class", .string(className)),
                    ("fields", .object(values.map { ($0.name, $1.json($0)) })),
                ]))
        } else {
            for (declaration, value) in values {
                StandardOutput.print(
                    fields.count == 1 ? value.text : "\(declaration.name)=\(value.text)")
            }
        }
    }

    private func declarations(
        of object: ObjectFiles, _ mount: MountedSpace
    ) throws -> [FieldDeclaration] {
        do {
            return try object.declarations()
        } catch let error as FileError {
            throw mount.failure(error)
        } catch let error as ObjectError {
            throw CommandFailure(.refused, error.explanation)
        }
    }
}

struct SetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Set fields of an object, all in one transaction.",
        discussion: """
            Example: rainbowfs set names/alice balance=7 heir=objects/0x0000009000000008
            """)

    @Argument(help: "An object: names/NAME, objects/0x..., or its raw file.", completion: .file())
    var path: String

    @Argument(help: ArgumentHelp("Values of fields.", valueName: "field=value"))
    var fields: [AssignmentArgument]

    @OptionGroup var mount: MountChoice

    func run() throws {
        let mount = try mount.find(path: path)
        let object = try ObjectFiles(
            mount.resolve(path, isBelowMount: self.mount.path != nil), mount: mount)
        guard !object.mount.isSnapshot else {
            throw CommandFailure(
                .refused,
                "\(object.mount.path) is a snapshot, which stays as it is. Set the fields in the"
                    + " present, or in a transaction.")
        }
        let words = ["set", object.name] + fields.map(\.commandWord)
        _ = try mount.withFailures { () throws(FileError) in
            try FileText.ask(object.mount.path + "/control", words.joined(separator: " ") + "\n")
        }
    }
}

/// `FIELD=VALUE` or `FIELD[I]=VALUE` as typed.
struct AssignmentArgument: ExpressibleByArgument, Equatable {
    var field: String
    var value: String

    init?(argument: String) {
        let utf8 = argument.utf8
        guard let equals = utf8.firstIndex(of: UInt8(ascii: "=")) else { return nil }
        let name = argument[..<equals].prefix { $0 != "[" }
        let index = argument[name.endIndex..<equals]
        // Nothing else is one word of one command.
        guard ClassText.isIdentifier(name), index.isEmpty || Self.isIndex(index) else { return nil }
        field = String(argument[..<equals])
        value = String(argument[utf8.index(after: equals)...])
    }

    /// Whether it is a number in brackets.
    private static func isIndex(_ text: Substring) -> Bool {
        let digits = text.utf8.dropFirst().dropLast()
        return text.utf8.last == UInt8(ascii: "]") && !digits.isEmpty
            && digits.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    /// The word of a command of the tree: quoted if the value would not be one word otherwise.
    var commandWord: String {
        let isPlain = value.unicodeScalars.allSatisfy { scalar in
            scalar.value > 32 && scalar.value != 127 && !"\"'\\#".unicodeScalars.contains(scalar)
        }
        guard !isPlain || value.isEmpty else { return "\(field)=\(value)" }
        return "\(field)=\"\(QuotedText.escaped(value))\""
    }
}
