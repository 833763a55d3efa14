import Glibc

/// A folder in a memory file system of its own, which is gone with the object. Needs root.
public final class TemporaryMemory {
    public let path: String

    /// Nil for users who may not mount.
    public static func ifPossible(byteCount: Int) throws -> TemporaryMemory? {
        geteuid() == 0 ? try TemporaryMemory(byteCount: byteCount) : nil
    }

    public init(byteCount: Int) throws {
        let digits = String(repeating: "X", count: 6)
        var template = Array("/tmp/rainbowfs-memory-\(digits)".utf8CString)
        guard let folder = unsafe mkdtemp(&template) else { throw SystemFailure("make a folder") }
        path = unsafe String(cString: folder)
        let options = "size=\(byteCount),mode=0700"
        guard unsafe mount("rainbowfs-test", path, "tmpfs", 0, options) == 0 else {
            let failure = SystemFailure("mount a tmpfs")
            unsafe rmdir(path)
            throw failure
        }
    }

    deinit {
        // What is still attached goes on with it; the folder is free at once.
        _ = unsafe umount2(path, Int32(MNT_DETACH))
        _ = unsafe rmdir(path)
    }
}
