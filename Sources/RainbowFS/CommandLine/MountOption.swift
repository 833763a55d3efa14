import ArgumentParser

/// What every command that works on a mount takes.
struct MountOption: ParsableArguments {
    @Option(
        name: [.customShort("m"), .customLong("mount")],
        help: ArgumentHelp(
            "The mount to work on, or a transaction or snapshot of it; without it, the one "
                + "around the working directory.",
            valueName: "mountpoint"),
        completion: .directory)
    var path: String?

    func find(path other: String? = nil) throws -> MountedSpace {
        try MountedSpace.find(option: path, path: other)
    }
}

struct JSONOption: ParsableArguments {
    @Flag(name: .customLong("json"), help: "Print JSON.")
    var isOn = false
}
