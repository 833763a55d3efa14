import RainbowCore

/// The text of the tree's own symbolic links.
enum LinkText {
    /// What a reference to nothing shows.
    static let null = "null"

    /// An object's directory, as seen from the top of the tree.
    static func path(of object: Address) -> String {
        (ObjectSystem.holds(object) ? "system/objects/" : "objects/") + object.description
    }

    /// The same of an address as text; one that is none is left as it is.
    static func path(ofText text: String) -> String {
        Address(text: text).map(path) ?? "objects/\(text)"
    }

    /// From a directory that lies `up` levels below the folder of objects that shows `origin`, to
    /// an object's directory.
    static func toObject(_ target: Address, from origin: Address, up: Int) -> String {
        guard target != .null else { return null }
        let isFromSystem = ObjectSystem.holds(origin)
        guard isFromSystem != ObjectSystem.holds(target) else {
            return String(repeating: "../", count: up) + target.description
        }
        let top = up + (isFromSystem ? 2 : 1)
        return String(repeating: "../", count: top) + path(of: target)
    }

    static func fromNames(_ target: Address) -> String {
        "../" + path(of: target)
    }

    /// The name of an object's raw file in its allocator's directory.
    static func rawName(_ object: Address, _ descriptor: ClassDescriptor) -> String {
        object.description + "." + descriptor.name
    }
}
