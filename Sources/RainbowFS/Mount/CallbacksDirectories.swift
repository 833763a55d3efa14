import CFuse
import Glibc

/// Listing directories, page by page through the thread's buffer.
extension Callbacks {
    static func addDirectories(to table: inout fuse_lowlevel_ops) {
        unsafe table.opendir = { request, node, _ in
            unsafe Callbacks.serve(request, .opendir) { call throws(TreeError) in
                try call.tree.openDirectory(NodeID(node), call.caller)
            } answer: { reply, directory in
                let handle = Handle(retaining: directory)
                if !reply.openDirectory(handle: handle.number) {
                    _ = handle.take()
                }
            }
        }
        unsafe table.readdir = { request, _, size, offset, info in
            unsafe Callbacks.list(request, size: size, from: offset, info, withAttributes: false)
        }
        unsafe table.readdirplus = { request, _, size, offset, info in
            unsafe Callbacks.list(request, size: size, from: offset, info, withAttributes: true)
        }
        unsafe table.releasedir = { request, _, info in
            guard let request = unsafe request, let info = unsafe info else { return }
            unsafe _ = Handle<OpenDirectory>(info).take()
            unsafe Reply(request).succeed()
        }
        unsafe table.fsyncdir = { request, _, _, _ in
            guard let request = unsafe request else { return }
            unsafe Reply(request).succeed()
        }
    }

    fileprivate static func list(
        _ request: fuse_req_t?, size: Int, from offset: off_t,
        _ info: UnsafeMutablePointer<fuse_file_info>?, withAttributes: Bool
    ) {
        unsafe Callbacks.serve(request, .readdir) { _ throws(TreeError) in
            guard let request = unsafe request, let info = unsafe info,
                let buffer = unsafe ReplyBuffer.current()
            else { throw TreeError(ENOMEM, "the mount has no memory for an answer") }
            var page = unsafe DirectoryPage(
                request: request, buffer: buffer, size: size, withAttributes: withAttributes)
            let directory = unsafe Handle<OpenDirectory>(info).object
            try directory.entries(from: UInt64(bitPattern: Int64(offset)), plus: withAttributes) {
                name, next, item in
                page.add(name, next, item)
            }
            return unsafe page.bytes
        } answer: { reply, bytes in
            unsafe reply.bytes(bytes)
        }
    }
}

/// Entries of a directory in the kernel's layout, as many as fit the request.
@safe struct DirectoryPage {
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
        let room = unsafe buffer.count - used
        guard let start = unsafe buffer.baseAddress else { return false }
        let place = unsafe (start + used).assumingMemoryBound(to: CChar.self)
        let offset = off_t(Int64(bitPattern: next))
        let needed: Int
        if withAttributes {
            var parameters = fuse_entry_param(item)
            needed = unsafe fuse_add_direntry_plus(request, place, room, name, &parameters, offset)
        } else {
            var status = stat(item)
            needed = unsafe fuse_add_direntry(request, place, room, name, &status, offset)
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
