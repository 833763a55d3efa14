/// Owner, group and permission bits, as stored with regions, allocators, names and classes.
public struct Ownership: Hashable, Sendable {
    public var uid: UInt32
    public var gid: UInt32
    /// The lowest twelve bits of `st_mode`.
    public var mode: UInt16
    /// What it takes in an object.
    public static let byteCount = 10

    public init(uid: UInt32, gid: UInt32, mode: UInt16) {
        self.uid = uid
        self.gid = gid
        self.mode = mode & 0o7777
    }
}
