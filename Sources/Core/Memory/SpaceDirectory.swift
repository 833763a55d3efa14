import Glibc

/// Where spaces lie: a folder each, `rainbowfs.NAME`, in shared memory.
enum SpaceDirectory {
    static let prefix = "rainbowfs."

    /// The folder of all spaces: `RAINBOWFS_DIR`, or shared memory.
    static var parent: String {
        guard let path = unsafe getenv("RAINBOWFS_DIR"), unsafe path.pointee != 0 else {
            return "/dev/shm"
        }
        return unsafe String(cString: path)
    }

    static func path(_ name: String) -> String { "\(parent)/\(prefix)\(name)" }
    static func metaPath(_ name: String) -> String { "\(path(name))/meta" }
    static func regionFile(_ region: Int) -> String { "region-\(region)" }
    /// Old versions of lines, for snapshots; there once the first snapshot was taken.
    static let shadowFile = "shadow"
    static func regionPath(_ name: String, _ region: Int) -> String {
        "\(path(name))/\(regionFile(region))"
    }

    /// Whether a space's folder has files of regions.
    static func hasRegions(_ name: String) -> Bool {
        (0..<SpaceLayout.regionCountMax).contains {
            unsafe access(regionPath(name, $0), F_OK) == 0
        }
    }

    static func check(_ name: String) throws(SpaceError) {
        let isPlain = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "-"):
                return true
            default: return false
            }
        }
        guard isPlain, (1...64).contains(name.utf8.count), !name.hasPrefix("."),
            !name.hasPrefix("-")
        else { throw .badName(name) }
    }

    /// The names of all spaces of the machine, sorted.
    static func names() throws(SpaceError) -> [String] {
        guard let folder = unsafe opendir(parent) else {
            throw .system(SystemError(errno: errno, action: "list \(parent)"))
        }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasPrefix(prefix) { names.append(String(name.dropFirst(prefix.count))) }
        }
        return names.sorted()
    }

    static func create(_ name: String, mode: UInt16) throws(SpaceError) {
        guard unsafe mkdir(path(name), mode_t(mode)) == 0 || errno == EEXIST else {
            throw .system(SystemError(errno: errno, action: "create \(path(name))"))
        }
    }

    /// Removes a space's files and its folder.
    static func remove(_ name: String) throws(SpaceError) {
        for region in 0..<SpaceLayout.regionCountMax { unsafe unlink(regionPath(name, region)) }
        unsafe unlink("\(path(name))/\(shadowFile)")
        unsafe unlink(metaPath(name))
        // A folder with a `meta` again is a new space of that name.
        guard unsafe rmdir(path(name)) == 0 || access(metaPath(name), F_OK) == 0 else {
            throw .system(SystemError(errno: errno, action: "remove \(path(name))"))
        }
    }
}
