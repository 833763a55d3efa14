import CFuse
import Glibc

/// Looking nodes up, and what is known about them.
extension Callbacks {
    static func addNodes(to table: inout fuse_lowlevel_ops) {
        unsafe table.lookup = { request, parent, name in
            unsafe Callbacks.serve(request, .lookup) { call throws(TreeError) in
                var entry = try call.forest.lookup(
                    NodeID(parent), unsafe text(name), call.caller)
                if let seconds = call.system.kept.keepDirectory(entry.node) {
                    // Read again, now that a commit would be noticed.
                    entry.attributes = try call.forest
                        .attributes(entry.node, call.caller).0
                    entry.attributeSeconds = seconds
                }
                return entry
            } answer: { reply, entry in
                reply.entry(entry)
            }
        }
        // Node numbers are computed from addresses, so there is nothing to count or forget.
        unsafe table.forget = { request, _, _ in
            guard let request = unsafe request else { return }
            unsafe Reply(request).nothing()
        }
        unsafe table.forget_multi = { request, _, _ in
            guard let request = unsafe request else { return }
            unsafe Reply(request).nothing()
        }
        unsafe table.getattr = { request, node, info in
            unsafe Callbacks.serve(request, .getattr) { call throws(TreeError) in
                let kept = call.system.kept.keepDirectory(NodeID(node))
                var (attributes, seconds) = try call.forest.attributes(NodeID(node), call.caller)
                if attributes.isRegularFile {
                    unsafe try Callbacks.showOwnSize(in: &attributes, node, info, call)
                }
                return (attributes, kept ?? seconds)
            } answer: { reply, found in
                reply.attributes(found.0, seconds: found.1)
            }
        }
        addChecks(to: &table)
    }

    private static func addChecks(to table: inout fuse_lowlevel_ops) {
        unsafe table.access = { request, node, wanted in
            unsafe Callbacks.serve(request, .access) { call throws(TreeError) in
                try call.forest.access(
                    NodeID(node), Access(rawValue: UInt32(wanted & 7)), call.caller)
            } answer: { reply, _ in
                reply.succeed()
            }
        }
        unsafe table.setattr = { request, node, wanted, change, file in
            let node = NodeID(node)
            var wanted = unsafe AttributeChange(wanted?.pointee ?? stat(), flags: change)
            wanted.isOpen = unsafe file != nil
            let asked = wanted
            if asked.truncatesOnly {
                return unsafe Callbacks.truncate(request, node, asked.isOpen ? Handle(file) : nil)
            }
            unsafe Callbacks.serve(request, .setattr) { call throws(TreeError) in
                try call.forest.setAttributes(node, asked, call.caller)
            } answer: { reply, found in
                reply.attributes(found.0, seconds: found.seconds)
            }
        }
        unsafe table.readlink = { request, node in
            unsafe Callbacks.serve(request, .readlink) { call throws(TreeError) in
                try call.forest.readLink(NodeID(node), call.caller)
            } answer: { reply, target in
                reply.link(target)
            }
        }
        unsafe table.statfs = { request, _ in
            unsafe Callbacks.serve(request, .statfs) { call throws(TreeError) in
                try call.forest.fileSystemStatistics()
            } answer: { reply, statistics in
                reply.statistics(statvfs(statistics))
            }
        }
    }
}

extension Callbacks {
    /// A truncation to nothing, which commits nothing: the next write through the open file that it
    /// belongs to replaces the content.
    fileprivate static func truncate(
        _ request: fuse_req_t?, _ node: NodeID, _ handle: Handle<OpenFile>?
    ) {
        unsafe serve(request, .setattr) { call throws(TreeError) in
            var file = call.system.fresh.file(node, thread: call.caller.pid)
            if let handle { file = try handle.get() }
            guard let file else {
                return try call.forest.setAttributes(node, AttributeChange(size: 0), call.caller)
            }
            try file.truncate()
            return try call.forest.attributes(node, call.caller)
        } answer: { reply, found in
            reply.attributes(found.0, seconds: found.seconds)
        }
    }

    /// Puts in the size that only the caller is to see. The kernel names the open file only when a
    /// program seeks to its end.
    fileprivate static func showOwnSize(
        in attributes: inout Attributes, _ node: fuse_ino_t,
        _ info: UnsafeMutablePointer<fuse_file_info>?, _ call: Call
    ) throws(TreeError) {
        let (node, followed, process) = (NodeID(node), call.system.followed, call.caller.pid)
        var size: UInt64?
        if unsafe info == nil {
            size =
                followed.size(of: node, for: process)
                ?? call.system.texts.size(of: node, for: call.caller, call.forest)
        } else {
            let file = unsafe try Handle<OpenFile>(info).get()
            size = followed.seekEnd(of: file, node, process: process)
        }
        if let size { attributes.size = size }
    }
}

extension AttributeChange {
    /// Whether all that it wants is an empty file, as of open(2) with O_TRUNC.
    fileprivate var truncatesOnly: Bool { size == 0 && mode == nil && uid == nil && gid == nil }

    /// What a setattr request wants changed.
    fileprivate init(_ values: stat, flags: Int32) {
        self.init()
        if flags & FUSE_SET_ATTR_MODE != 0 { mode = values.st_mode }
        if flags & FUSE_SET_ATTR_UID != 0 { uid = values.st_uid }
        if flags & FUSE_SET_ATTR_GID != 0 { gid = values.st_gid }
        if flags & FUSE_SET_ATTR_SIZE != 0 { size = UInt64(max(values.st_size, 0)) }
        let both = FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME
        let now = FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW
        guard flags & both != 0 else { return }
        times = flags & (both | now) == both | now ? .now : .given
    }
}
