import Glibc

/// Where spaces lie: a folder each, `rainbowfs.NAME`, in shared memory.
enum SpaceDirectory {
    static let prefix = "rainbowfs."

    /// The folder of all spaces: `RAINBOWFS_DIR`, or shared memory.
    static var parent: String {
        guard let path = unsafe getenv("RAINBOWFS_DIR"), unsafe path.pointee != 0 else {
            return "/dev/shm"
        }
        return unsafe String(systemText: path)
    }

    static func folder(_ name: String) -> String { prefix + name }
    static func path(_ name: String) -> String { "\(parent)/\(folder(name))" }
    static let metaFile = "meta"
    static let regionPrefix = "region-"
    static func regionFile(_ region: Int) -> String { "\(regionPrefix)\(region)" }
    /// Old versions of lines, for snapshots.
    static let shadowFile = "shadow"

    /// Whether a file of this name in the folder of a space is one of the space's.
    static func isOwn(_ file: String) -> Bool {
        if file == metaFile || file == shadowFile { return true }
        guard file.hasPrefix(regionPrefix), let region = Int(file.dropFirst(regionPrefix.count))
        else { return false }
        return 0..<SpaceLayout.regionCountMax ~= region && file == regionFile(region)
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
        do throws(SystemError) {
            return try SystemCalls.names(path: parent).filter { $0.hasPrefix(prefix) }
                .map { String($0.dropFirst(prefix.count)) }.sorted()
        } catch {
            throw .system(error)
        }
    }
}
