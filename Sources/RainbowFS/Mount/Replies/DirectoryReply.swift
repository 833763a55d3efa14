import CFuse
import Glibc
import RainbowCore

/// Entries of a directory in the kernel's layout, as many as fit the request.
@safe struct DirectoryReply {
    private let request: fuse_req_t
    private let buffer: UnsafeMutableRawBufferPointer
    private let withAttributes: Bool
    private var used = 0

    init(
        request: fuse_req_t, buffer: UnsafeMutableRawBufferPointer, size: Int,
        withAttributes: Bool
    ) {
        unsafe self.request = request
        unsafe self.buffer = UnsafeMutableRawBufferPointer(
            rebasing: buffer[..<min(size, buffer.count)])
        self.withAttributes = withAttributes
    }

    var bytes: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(rebasing: buffer[..<used])
    }

    /// False when the entry does not fit any more.
    mutating func add(_ name: String, _ next: UInt64, _ item: DirectoryItem) -> Bool {
        // Passing the string itself to C would copy it to the heap.
        unsafe name.withSystemText { name in unsafe add(name, next, item) }
    }

    private mutating func add(
        _ name: UnsafePointer<CChar>, _ next: UInt64, _ item: DirectoryItem
    ) -> Bool {
        let room = unsafe buffer.count - used
        guard let start = unsafe buffer.baseAddress else { return false }
        let location = unsafe (start + used).assumingMemoryBound(to: CChar.self)
        let offset = off_t(Int64(bitPattern: next))
        let needed: Int
        if withAttributes {
            var parameters = fuse_entry_param(item)
            needed = unsafe fuse_add_direntry_plus(
                request, location, room, name, &parameters, offset)
        } else {
            var status = stat(item)
            needed = unsafe fuse_add_direntry(request, location, room, name, &status, offset)
        }
        guard needed <= room else { return false }
        used += needed
        return true
    }
}

extension stat {
    fileprivate init(_ item: DirectoryItem) {
        switch item {
        case .entry(let entry):
            self.init(entry.attributes)
        case .brief(let type, let ino):
            self.init()
            st_mode = type
            st_ino = UInt(ino)
        }
    }
}

extension fuse_entry_param {
    fileprivate init(_ item: DirectoryItem) {
        switch item {
        case .entry(let entry):
            self.init(entry)
        case .brief:
            // Node 0: the kernel takes the name and type and looks nothing up.
            self.init()
            attr = stat(item)
        }
    }
}
