/// The first page of a space: magic, format, identity, limit. The magic number is written last.
@safe
struct SpaceHeader {
    let meta: SharedMemory
    let name: String

    /// Gives `meta` its size and the memory of its fixed part; repeated harmlessly.
    static func layOut(_ descriptor: Int32, _ name: String) throws(SpaceError) {
        let size = UInt64(SpaceLayout.metaSize)
        let found = try SpaceError.system { () throws(SystemError) in
            try SystemCalls.status(of: descriptor).size
        }
        if found >= size { return }
        // A smaller file that is not blank is another format's, or was cut short, or is no space.
        switch try start(descriptor) {
        case (0, _): break
        case (SpaceLayout.magic, 0), (SpaceLayout.magic, SpaceLayout.formatVersion):
            throw .damaged(name, "its meta file is too short")
        case (SpaceLayout.magic, let found):
            throw .otherFormat(name, found: found, known: SpaceLayout.formatVersion)
        default: throw .damaged(name, "its meta file does not begin with the magic number")
        }
        try SpaceError.system { () throws(SystemError) in
            try SystemCalls.checkLimit(ofSize: size)
            try SystemCalls.reserve(descriptor, offset: 0, count: UInt64(SpaceLayout.fixedSize))
            try SystemCalls.truncate(descriptor, size: size)
        }
    }

    var isBlank: Bool { meta[SpaceLayout.magicOffset].load() == 0 }

    /// Whether nobody has finished making the space of this `meta`, nor put anything else there.
    static func isBlank(_ descriptor: Int32) throws(SpaceError) -> Bool {
        try start(descriptor).magic == 0
    }

    /// The first two words of a `meta`, zeros past its end.
    private static func start(
        _ descriptor: Int32
    ) throws(SpaceError) -> (magic: UInt64, version: UInt64) {
        var start: (magic: UInt64, version: UInt64) = (0, 0)
        try SpaceError.system { () throws(SystemError) in
            try unsafe withUnsafeMutableBytes(of: &start) { bytes throws(SystemError) in
                _ = unsafe try SystemCalls.read(descriptor, into: bytes, offset: 0)
            }
        }
        return start
    }

    func initialise() {
        meta[SpaceLayout.versionOffset].store(SpaceLayout.formatVersion)
        meta[SpaceLayout.pageSizeOffset].store(UInt64(Address.pageSize))
        meta[SpaceLayout.identityOffset].store(SystemCalls.randomWord())
        meta[SpaceLayout.identityOffset + 8].store(SystemCalls.randomWord())
        meta[SpaceLayout.createdOffset].store(SystemCalls.secondsSince1970)
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
