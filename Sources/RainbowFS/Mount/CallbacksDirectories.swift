import CFuse
import Glibc

/// Listing directories, page by page through the thread's buffer.
extension Callbacks {
    static func addDirectories(to table: inout fuse_lowlevel_ops) {
        unsafe table.opendir = { request, node, _ in
            unsafe Callbacks.serve(request, .opendir) { call throws(TreeError) in
                try call.forest.openDirectory(NodeID(node), call.caller)
            } answer: { reply, directory in
                let handle = Handle(retaining: directory)
                if !reply.openDirectory(handle: handle.number) {
                    handle.take()
                }
            }
        }
        unsafe table.readdir = { request, _, size, offset, info in
            unsafe Callbacks.list(request, nil, size: size, from: offset, info)
        }
        unsafe table.readdirplus = { request, node, size, offset, info in
            // The first of a listing are asked for with attributes before the kernel can know what
            // the program wants; it has few of them then.
            let few = offset == 0 ? min(size, Callbacks.firstEntriesBytes) : size
            unsafe Callbacks.list(request, NodeID(node), size: few, from: offset, info)
        }
        unsafe table.releasedir = { request, _, info in
            guard let request = unsafe request else { return }
            let isKnown = unsafe Handle<OpenDirectory>(info).take() != nil
            unsafe Reply(request).fail(isKnown ? 0 : EBADF)
        }
        unsafe table.fsyncdir = { request, _, _, _ in
            guard let request = unsafe request else { return }
            unsafe Reply(request).succeed()
        }
    }

    /// Some 160 entries with attributes.
    private static let firstEntriesBytes = 32 << 10

    /// - Parameter folder: whose entries are listed with their attributes, if the caller may look
    ///   them up; nil: names only.
    fileprivate static func list(
        _ request: fuse_req_t?, _ folder: NodeID?, size: Int, from offset: off_t,
        _ info: UnsafeMutablePointer<fuse_file_info>?
    ) {
        unsafe Callbacks.serve(request, .readdir) { call throws(TreeError) in
            guard let request = unsafe request, let buffer = unsafe ReplyBuffer.current() else {
                throw TreeError(ENOMEM, "The mount has no memory for an answer.")
            }
            var page = unsafe DirectoryReply(
                request: request, buffer: buffer, size: size, withAttributes: folder != nil)
            let directory = try unsafe Handle<OpenDirectory>(info).get()
            let isFull =
                folder.map { (try? call.forest.access($0, .search, call.caller)) != nil } ?? false
            try directory.entries(from: UInt64(bitPattern: Int64(offset)), plus: isFull) {
                name, next, item in
                page.add(name, next, item)
            }
            return unsafe page.bytes
        } answer: { reply, bytes in
            unsafe reply.bytes(bytes)
        }
    }
}
