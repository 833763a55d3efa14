import ArgumentParser
import RainbowCore

struct GetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Print fields of an object.",
        discussion: """
            With one field, its value alone; otherwise a line FIELD=VALUE for each. The values are \
            those of one moment. bytes fields are shown in hexadecimal, elements of arrays are \
            separated by commas.

            Example: rainbowfs get names/alice balance
            """)

    @Argument(help: "An object: names/NAME, objects/0x..., or its raw file.", completion: .file())
    var path: String

    @Argument(help: "Names of fields; all if none is given.")
    var fields: [String] = []

    @OptionGroup var mount: MountOption
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
        let values = try object.atOneMoment { () throws(FileError) in
            var values: [(FieldDeclaration, ShownValue)] = []
            for declaration in fields.isEmpty ? declared : wanted {
                values.append((declaration, try ShownValue.read(declaration, in: object.folder)))
            }
            return values
        }
        guard let values else {
            throw CommandFailure(
                .refused, "\(object.name) is written without pause; no moment could be read.")
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
            throw CommandFailure(.refused, error.message)
        }
    }
}
