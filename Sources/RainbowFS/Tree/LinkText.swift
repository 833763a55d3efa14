import Core

/// The text of the tree's own symbolic links.
enum LinkText {
    /// What a reference to nothing shows.
    static let null = "null"

    /// From a directory that lies `up` levels below `objects/`, to an object's directory.
    static func toObject(_ target: Address, up: Int) -> String {
        target == .null ? null : String(repeating: "../", count: up) + target.description
    }

    static func fromNames(_ target: Address) -> String {
        "../objects/\(target)"
    }

    /// The name of an object's raw file in its allocator's directory.
    static func rawName(_ object: Address, _ descriptor: ClassDescriptor) -> String {
        object.description + "." + descriptor.name
    }
}
