import Glibc

/// The first page of a space: magic, format, identity, limit. The magic number is written last.
@safe
struct SpaceHeader {
    let meta: SharedMemory
    let name: String

    /// Gives `meta` its size and the memory of its fixed part; repeated harmlessly.
    static func layOut(_ descriptor: Int32, _ name: String) throws(SpaceError) {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw .system(SystemError(errno: errno, action: "look at the space '\(name)'"))
        }
        if status.st_size >= SpaceLayout.metaSize { return }
        // A smaller file that is not blank is another format's, or was cut short, or is no space.
        var start: (magic: UInt64, version: UInt64) = (0, 0)
        _ = unsafe pread(descriptor, &start, 16, 0)
        switch start {
        case (0, _): break
        case (SpaceLayout.magic, 0), (SpaceLayout.magic, SpaceLayout.formatVersion):
            throw .damaged(name, "its meta file is too short")
        case (SpaceLayout.magic, let found):
            throw .otherFormat(name, found: found, known: SpaceLayout.formatVersion)
        default: throw .damaged(name, "its meta file does not begin with the magic number")
        }
        do throws(SystemError) {
            try SystemCalls.reserve(
                descriptor, offset: 0, count: UInt64(SpaceLayout.fixedSize))
            try SystemCalls.truncate(descriptor, size: UInt64(SpaceLayout.metaSize))
        } catch {
            throw .system(error)
        }
    }

    var isBlank: Bool { meta[SpaceLayout.magicOffset].load() == 0 }

    /// Whether nobody has finished making the space of this `meta`, nor put anything else there.
    static func isBlank(_ descriptor: Int32) -> Bool {
        var magic: UInt64 = 0
        let count = unsafe pread(descriptor, &magic, 8, 0)
        return count >= 0 && magic == 0
    }

    func initialise() {
        meta[SpaceLayout.versionOffset].store(SpaceLayout.formatVersion)
        meta[SpaceLayout.pageSizeOffset].store(UInt64(Address.pageSize))
        meta[SpaceLayout.identityOffset].store(SystemCalls.randomWord())
        meta[SpaceLayout.identityOffset + 8].store(SystemCalls.randomWord())
        meta[SpaceLayout.createdOffset].store(UInt64(time(nil)))
        // Versions 0 and 1 mean "none" and "being drawn" in a slot.
        meta[SpaceLayout.clockOffset].store(1)
        meta[SpaceLayout.magicOffset].store(SpaceLayout.magic)
    }

    func limit(_ bytes: UInt64) {
        let page = UInt64(Address.pageSize)
        meta[SpaceLayout.framesMaxOffset].store(max(1, bytes / page + (bytes % page == 0 ? 0 : 1)))
    }

    func check() throws(SpaceError) {
        guard meta[SpaceLayout.magicOffset].load() == SpaceLayout.magic else {
            throw .damaged(name, "its meta file does not begin with the magic number")
        }
        let found = meta[SpaceLayout.versionOffset].load()
        guard found == SpaceLayout.formatVersion else {
            throw .otherFormat(name, found: found, known: SpaceLayout.formatVersion)
        }
        guard meta[SpaceLayout.pageSizeOffset].load() == UInt64(Address.pageSize) else {
            throw .damaged(name, "its pages are not of \(Address.pageSize) bytes")
        }
    }
}
