import Glibc
import RainbowCore

/// A name that no other test uses, for a space of its own.
public func uniqueSpaceName(_ prefix: String) -> String {
    "\(prefix)-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
}

/// Attaches to a new space, and removes it at the end however the body ends.
public func withTestSpace<R>(
    _ prefix: String, _ options: SpaceOptions = SpaceOptions(), _ body: (Space) throws -> R
) throws -> R {
    let name = uniqueSpaceName(prefix)
    let space = try Space.attach(name, options)
    defer {
        space.detach()
        try? Space.destroy(name, force: true)
    }
    return try body(space)
}
