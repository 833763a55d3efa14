import ArgumentParser

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

    @OptionGroup var mount: MountOption
    @OptionGroup var json: JSONOption

    func validate() throws {
        guard count > 0 else { throw ValidationError("The number of objects must be at least 1.") }
        guard !className.contains(where: \.isWhitespace) else {
            throw ValidationError("The name of a class has no blanks.")
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
