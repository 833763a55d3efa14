import Glibc

/// Whose spaces a process may attach to besides its own and those of root. Only for root this makes
/// a difference.
public enum SpaceOwner: Sendable, Equatable {
    /// Nobody's.
    case own
    /// Those of one other user.
    case user(UInt32)
    case anyone

    func includes(_ user: UInt32) -> Bool {
        let caller = SystemCalls.user
        if user == caller || user == 0 { return true }
        guard caller == 0 else { return false }
        switch self {
        case .own: return false
        case .user(let named): return named == user
        case .anyone: return true
        }
    }
}

/// Why a folder or file found in shared memory is not taken for one of a space.
public enum Distrust: Sendable, Equatable {
    /// A symbolic link, or anything else that is no folder.
    case notFolder
    case notFile
    /// It belongs to this user.
    case owner(UInt32)
    /// Its owner is this user, that of its folder is another one.
    case ownerOfFile(UInt32, folder: UInt32)
    /// Others than its owner may write it; the permission bits.
    case mode(UInt32)
    /// It has several names.
    case names(Int)
}

extension Distrust: CustomStringConvertible {
    public var description: String {
        switch self {
        case .notFolder: "is no folder, as a space is"
        case .notFile: "is no regular file, as those of a space are"
        case .owner(let user): "belongs to user \(user), neither to you nor to root"
        case .ownerOfFile(let user, let folder):
            "belongs to user \(user), but its folder to user \(folder)"
        case .mode(let mode):
            "may be written by others than its owner (mode 0\(String(mode, radix: 8)))"
        case .names(let count): "has \(count) names (hard links)"
        }
    }
}

/// The folder of a space, held open.
///
/// Shared memory is a place where everybody makes what he likes. So a space is reached by its
/// folder's descriptor alone: what has been looked at is what is used, whatever becomes of the
/// names. Symbolic links are followed nowhere. The folder must belong to somebody whose spaces the
/// caller accepts, each file to the folder's owner, and nobody else may write them: then it is only
/// the owner who can put something else there.
///
/// Making, attaching and destroying take the folder's lock. Who has it asks whether the name still
/// stands for this folder; if not, somebody destroyed the space before.
@safe
struct SpaceFolder: Sendable {
    let name: String
    let descriptor: Int32
    /// Owner and group.
    let user: UInt32
    let group: UInt32

    var path: String { SpaceDirectory.path(name) }

    /// - Parameter mode: the permissions of the folder to make if there is none; nil: make none.
    /// - Throws: `notFound`, `untrusted`.
    static func open(
        _ name: String, _ owner: SpaceOwner, makingWith mode: UInt16? = nil
    ) throws(SpaceError) -> SpaceFolder {
        let parent = try openParent()
        defer { SystemCalls.close(parent) }
        while true {
            let found = try folder(name, in: parent)
            guard let descriptor = found else {
                guard let mode else { throw .notFound(name) }
                try make(name, in: parent, mode)
                continue
            }
            do throws(SpaceError) {
                return try SpaceFolder(name, descriptor, owner)
            } catch {
                SystemCalls.close(descriptor)
                throw error
            }
        }
    }

    private init(_ name: String, _ descriptor: Int32, _ owner: SpaceOwner) throws(SpaceError) {
        let status = try SpaceError.system { () throws(SystemError) in
            try SystemCalls.status(of: descriptor)
        }
        self.name = name
        self.descriptor = descriptor
        (user, group) = (status.user, status.group)
        guard owner.includes(user) else { throw .untrusted(path, .owner(user)) }
        guard status.mode & 0o022 == 0 else { throw .untrusted(path, .mode(status.mode)) }
    }

    private static func openParent() throws(SpaceError) -> Int32 {
        try SpaceError.system { () throws(SystemError) in
            try SystemCalls.openFolder(SpaceDirectory.parent)
        }
    }

    /// A descriptor of the folder; nil if there is none.
    private static func folder(_ name: String, in parent: Int32) throws(SpaceError) -> Int32? {
        do throws(SystemError) {
            return try SystemCalls.open(
                in: parent, SpaceDirectory.folder(name), flags: O_RDONLY | O_DIRECTORY)
        } catch {
            let path = SpaceDirectory.path(name)
            switch error.errno {
            case ENOENT: return nil
            case ENOTDIR, ELOOP: throw .untrusted(path, .notFolder)
            default: throw .system(SystemError(errno: error.errno, action: "open \(path)"))
            }
        }
    }

    /// Nobody but its owner may write the folder, whatever the mode says.
    private static func make(
        _ name: String, in parent: Int32, _ mode: UInt16
    ) throws(SpaceError) {
        do throws(SystemError) {
            try SystemCalls.makeFolder(
                in: parent, SpaceDirectory.folder(name), mode: mode_t(mode & ~0o022))
        } catch  where error.errno == EEXIST {
            return
        } catch {
            throw .system(error)
        }
    }

    func close() { SystemCalls.close(descriptor) }

    /// Waits for the lock, under which spaces of this name are made, attached and destroyed. It
    /// goes with the descriptor.
    func lock() throws(SpaceError) {
        try SpaceError.system { () throws(SystemError) in try FolderLock.take(descriptor) }
    }

    func unlock() { FolderLock.release(descriptor) }

    /// Whether somebody removed the folder. Files cannot be made in it then.
    func isGone() throws(SpaceError) -> Bool {
        try SpaceError.system { () throws(SystemError) in
            try SystemCalls.status(of: descriptor).linkCount == 0
        }
    }

    /// Whether the name of the space still stands for this folder. Sure for the lock's holder.
    func isCurrent() throws(SpaceError) -> Bool {
        let parent = try SpaceFolder.openParent()
        defer { SystemCalls.close(parent) }
        do throws(SystemError) {
            let own = try SystemCalls.status(of: descriptor)
            return try SystemCalls.status(in: parent, SpaceDirectory.folder(name)).isSame(as: own)
        } catch  where error.errno == ENOENT {
            return false
        } catch {
            throw .system(error)
        }
    }
}

/// The files of a space.
extension SpaceFolder {
    /// Opens a file of the space for reading and writing; nil if there is none.
    func openFile(_ file: String) throws(SpaceError) -> Int32? {
        let descriptor: Int32
        do throws(SystemError) {
            descriptor = try SystemCalls.open(in: self.descriptor, file, flags: O_RDWR)
        } catch {
            switch error.errno {
            case ENOENT: return nil
            case ELOOP, EISDIR, ENXIO: throw .untrusted("\(path)/\(file)", .notFile)
            default: throw .system(SystemError(errno: error.errno, action: "open \(path)/\(file)"))
            }
        }
        do throws(SpaceError) {
            try check(descriptor, file)
        } catch {
            SystemCalls.close(descriptor)
            throw error
        }
        return descriptor
    }

    /// Opens a file of the space, made if there is none.
    func openOrMakeFile(_ file: String) throws(SpaceError) -> Int32 {
        while true {
            if let descriptor = try openFile(file) { return descriptor }
            if let descriptor = try makeFile(file) { return descriptor }
        }
    }

    private func check(_ descriptor: Int32, _ file: String) throws(SpaceError) {
        let path = "\(path)/\(file)"
        let status = try SpaceError.system { () throws(SystemError) in
            try SystemCalls.status(of: descriptor)
        }
        guard status.isFile else { throw .untrusted(path, .notFile) }
        guard status.user == user else {
            throw .untrusted(path, .ownerOfFile(status.user, folder: user))
        }
        guard status.mode & 0o022 == 0 else { throw .untrusted(path, .mode(status.mode)) }
        // Of none there is no name any more: the space was destroyed.
        guard status.linkCount <= 1 else { throw .untrusted(path, .names(status.linkCount)) }
    }

    /// Makes a file that belongs to the owner of the folder; nil if there is one by now.
    private func makeFile(_ file: String) throws(SpaceError) -> Int32? {
        let made: Int32
        do throws(SystemError) {
            made = try SystemCalls.open(
                in: descriptor, file, flags: O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
        } catch {
            switch error.errno {
            case EEXIST: return nil
            case ENOENT: throw .filesGone(name)
            default:
                throw .system(SystemError(errno: error.errno, action: "create \(path)/\(file)"))
            }
        }
        guard user != SystemCalls.user else { return made }
        do throws(SystemError) {
            try SystemCalls.setOwner(made, user: user, group: group)
        } catch {
            SystemCalls.close(made)
            try? SystemCalls.remove(in: descriptor, file, isFolder: false)
            throw .system(error)
        }
        return made
    }

    /// Makes the file of a region; harmless if it is there. The region has no pages yet.
    func makeRegionFile(_ region: Int) throws(SpaceError) {
        let file = try openOrMakeFile(SpaceDirectory.regionFile(region))
        defer { SystemCalls.close(file) }
        try SpaceError.system { () throws(SystemError) in
            // The size comes last: a file that has it has the memory of its directory as well.
            if try SystemCalls.status(of: file).size >= SpaceLayout.regionFileSize { return }
            try SystemCalls.checkLimit(ofSize: SpaceLayout.regionFileSize)
            try SystemCalls.reserve(
                file, offset: SpaceLayout.regionDirectoryOffset,
                count: SpaceLayout.regionDirectorySize)
            try SystemCalls.truncate(file, size: SpaceLayout.regionFileSize)
        }
    }

    /// Whether there are files of regions.
    func hasRegions() throws(SpaceError) -> Bool {
        try ownNames().contains { $0.hasPrefix(SpaceDirectory.regionPrefix) }
    }

    /// The names of files in the folder that are those of a space's.
    private func ownNames() throws(SpaceError) -> [String] {
        let names = try SpaceError.system { () throws(SystemError) in
            try SystemCalls.names(in: descriptor, path: path)
        }
        return names.filter { SpaceDirectory.isOwn($0) }
    }

    /// Removes the files of the space and the folder, for the lock's holder. With `meta`, which
    /// goes first, the space is gone; what an error or a kill leaves of the others is removed by
    /// the next call.
    func remove() throws(SpaceError) {
        let names = try ownNames()
        try removeFile(SpaceDirectory.metaFile)
        for name in names where name != SpaceDirectory.metaFile { try removeFile(name) }
        try removeFolder()
    }

    /// Removes the folder of a space if it is empty.
    static func removeIfEmpty(_ name: String) {
        guard let parent = try? openParent() else { return }
        defer { SystemCalls.close(parent) }
        try? SystemCalls.remove(in: parent, SpaceDirectory.folder(name), isFolder: true)
    }

    /// Removes the folder, which must be empty.
    private func removeFolder() throws(SpaceError) {
        let parent = try SpaceFolder.openParent()
        defer { SystemCalls.close(parent) }
        do throws(SystemError) {
            try SystemCalls.remove(in: parent, SpaceDirectory.folder(name), isFolder: true)
        } catch {
            throw .system(SystemError(errno: error.errno, action: "remove \(path)"))
        }
    }

    private func removeFile(_ file: String) throws(SpaceError) {
        do throws(SystemError) {
            try SystemCalls.remove(in: descriptor, file, isFolder: false)
        } catch  where error.errno == ENOENT {
            return
        } catch {
            throw .system(SystemError(errno: error.errno, action: "remove \(path)/\(file)"))
        }
    }
}

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
    /// Undo versions of lines, for snapshots.
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
