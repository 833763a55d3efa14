import ArgumentParser
import Glibc

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

    @OptionGroup var mount: MountOption

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
