import CFuse
import Glibc
import RainbowCore

/// Looking nodes up, and what is known about them.
extension Callbacks {
    static func addNodes(to table: inout fuse_lowlevel_ops) {
        unsafe table.lookup = { request, parent, name in
            unsafe Callbacks.serve(request, .lookup) { call throws(TreeError) in
                let name = unsafe try text(name)
                var entry = try call.tree.withView(of: NodeID(parent), name) {
                    view, parent throws(TreeError) in
                    try view.lookup(parent, name, call.caller)
                }
                if let seconds = call.system.kept.keepDirectory(entry.node) {
                    // Read again, now that a commit would be noticed.
                    entry.attributes = try call.attributes(entry.node).0
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
                var (attributes, seconds) = try call.attributes(NodeID(node))
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
                try call.tree.withView(of: NodeID(node)) { view, node throws(TreeError) in
                    try view.access(node, Access(rawValue: UInt32(wanted & 7)), call.caller)
                }
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
                try call.tree.withView(of: node) { view, node throws(TreeError) in
                    try view.setAttributes(node, asked, call.caller)
                }
            } answer: { reply, found in
                reply.attributes(found.0, seconds: found.seconds)
            }
        }
        unsafe table.readlink = { request, node in
            unsafe Callbacks.serve(request, .readlink) { call throws(TreeError) in
                try call.tree.withView(of: NodeID(node)) { view, node throws(TreeError) in
                    try view.readLink(node, call.caller)
                }
            } answer: { reply, target in
                reply.link(target)
            }
        }
        unsafe table.statfs = { request, _ in
            unsafe Callbacks.serve(request, .statfs) { call throws(TreeError) in
                try call.tree.statistics()
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
            var file = call.system.fresh.file(node, openedBy: call.caller)
            if let handle { file = try handle.get() }
            guard let file else {
                return try call.tree.withView(of: node) { view, node throws(TreeError) in
                    try view.setAttributes(node, AttributeChange(size: 0), call.caller)
                }
            }
            try file.truncate()
            return try call.attributes(node)
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
        let (node, followed, caller) = (NodeID(node), call.system.followed, call.caller)
        var size: UInt64?
        if unsafe info == nil {
            size =
                followed.size(of: node, for: caller)
                ?? call.system.texts.size(of: node, for: caller, call.tree)
        } else {
            let file = unsafe try Handle<OpenFile>(info).get()
            size = followed.seekEnd(of: file, node, by: caller)
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

extension Call {
    fileprivate func attributes(_ node: NodeID) throws(TreeError) -> (Attributes, seconds: Double) {
        try tree.withView(of: node) { view, node throws(TreeError) in
            try view.attributes(node, caller)
        }
    }

    fileprivate func maySearch(_ directory: NodeID) -> Bool {
        let isAllowed: Void? = try? tree.withView(of: directory) { view, node throws(TreeError) in
            try view.access(node, .search, caller)
        }
        return isAllowed != nil
    }
}

/// Making, removing and renaming what has a name.
extension Callbacks {
    static func addNames(to table: inout fuse_lowlevel_ops) {
        addMaking(to: &table)
        addRemoving(to: &table)
    }

    private static func addMaking(to table: inout fuse_lowlevel_ops) {
        unsafe table.mkdir = { request, parent, name, mode in
            let parent = NodeID(parent)
            unsafe Callbacks.serve(request, .mkdir) { call throws(TreeError) in
                let name = unsafe try text(name)
                return try call.tree.withView(of: parent, name) {
                    view, parent throws(TreeError) in
                    try view.makeDirectory(parent, name, mode: mode, call.caller)
                }
            } answer: { reply, entry in
                reply.entry(entry)
            }
        }
        unsafe table.symlink = { request, target, parent, name in
            let parent = NodeID(parent)
            unsafe Callbacks.serve(request, .symlink) { call throws(TreeError) in
                let (name, target) = unsafe (try text(name), try text(target))
                return try call.tree.withView(of: parent, name) {
                    view, parent throws(TreeError) in
                    try view.symlink(parent, name, target: target, call.caller)
                }
            } answer: { reply, entry in
                reply.entry(entry)
            }
        }
        unsafe table.mknod = { request, _, _, _, _ in
            unsafe Callbacks.serve(request, .mknod) { _ throws(TreeError) -> Void in
                throw TreeError(EPERM, "A space holds no devices, pipes or sockets.")
            } answer: { reply, _ in
                reply.succeed()
            }
        }
        unsafe table.link = { request, _, _, _ in
            unsafe Callbacks.serve(request, .link) { _ throws(TreeError) -> Void in
                throw TreeError(EPERM, "A space has no hard links; bind another name with ln -s.")
            } answer: { reply, _ in
                reply.succeed()
            }
        }
    }

    private static func addRemoving(to table: inout fuse_lowlevel_ops) {
        unsafe table.unlink = { request, parent, name in
            unsafe Callbacks.remove(request, .unlink, parent, name) {
                view, parent, name, caller throws(TreeError) in
                try view.unlink(parent, name, caller)
            }
        }
        unsafe table.rmdir = { request, parent, name in
            unsafe Callbacks.remove(request, .rmdir, parent, name) {
                view, parent, name, caller throws(TreeError) in
                try view.removeDirectory(parent, name, caller)
            }
        }
        unsafe table.rename = { request, parent, name, newParent, newName, flags in
            let parent = NodeID(parent)
            let newParent = NodeID(newParent)
            unsafe Callbacks.serve(request, .rename) { call throws(TreeError) in
                let (name, newName) = unsafe (try text(name), try text(newName))
                try call.tree.withView(of: parent, name) { view, parent throws(TreeError) in
                    try view.rename(
                        parent, name, to: call.tree.view(of: newParent), newName, flags: flags,
                        call.caller)
                }
            } answer: { reply, _ in
                reply.succeed()
            }
        }
    }

    private static func remove(
        _ request: fuse_req_t?, _ operation: Operation, _ parent: fuse_ino_t,
        _ name: UnsafePointer<CChar>?,
        _ work: (View, NodeID, String, Caller) throws(TreeError) -> Void
    ) {
        unsafe serve(request, operation) { call throws(TreeError) in
            let name = unsafe try text(name)
            try call.tree.withView(of: NodeID(parent), name) { view, parent throws(TreeError) in
                try work(view, parent, name, call.caller)
            }
        } answer: { reply, _ in
            reply.succeed()
        }
    }
}

/// Listing directories, page by page through the thread's buffer.
extension Callbacks {
    static func addDirectories(to table: inout fuse_lowlevel_ops) {
        unsafe table.opendir = { request, node, _ in
            unsafe Callbacks.serve(request, .opendir) { call throws(TreeError) in
                try call.tree.withView(of: NodeID(node)) { view, node throws(TreeError) in
                    try view.openDirectory(node, call.caller)
                }
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
            let isFull = folder.map { call.maySearch($0) } ?? false
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

extension Callbacks {
    static func addExtendedAttributes(to table: inout fuse_lowlevel_ops) {
        unsafe table.getxattr = { request, node, name, size in
            unsafe Callbacks.serve(request, .getxattr) { call throws(TreeError) in
                let name = unsafe try text(name)
                if name == CallerSentences.attribute {
                    return try call.system.sentences.sentence(
                        for: call.caller, forgetsIt: size > 0)
                }
                return try call.tree.withView(of: NodeID(node)) { view, node throws(TreeError) in
                    try view.extendedAttribute(node, name, call.caller)
                }
            } answer: { reply, value in
                reply.extendedAttribute(value, size: size)
            }
        }
        unsafe table.listxattr = { request, node, size in
            unsafe Callbacks.serve(request, .listxattr) { call throws(TreeError) in
                try call.tree.withView(of: NodeID(node)) { view, node throws(TreeError) in
                    try view.extendedAttributeNames(node, call.caller)
                }
            } answer: { reply, names in
                reply.extendedAttribute(names.flatMap { $0.systemBytes + [0] }, size: size)
            }
        }
        unsafe table.setxattr = { request, node, name, value, size, _ in
            unsafe Callbacks.serve(request, .setxattr) { call throws(TreeError) in
                // So much the kernel passes; the request's memory has room for it.
                guard size <= 65536 else { throw TreeError(E2BIG, "The value is too long.") }
                let bytes = unsafe Array(UnsafeRawBufferPointer(start: value, count: size))
                let name = unsafe try text(name)
                try call.tree.withView(of: NodeID(node)) { view, node throws(TreeError) in
                    try view.setExtendedAttribute(node, name, to: bytes, call.caller)
                }
            } answer: { reply, _ in
                reply.succeed()
            }
        }
        unsafe table.removexattr = { request, node, name in
            unsafe Callbacks.serve(request, .removexattr) { call throws(TreeError) in
                let name = unsafe try text(name)
                try TreeError.about(NodeID(node)) { () throws(TreeError) in
                    try View.removeExtendedAttribute(name)
                }
            } answer: { reply, _ in
                reply.succeed()
            }
        }
    }
}
