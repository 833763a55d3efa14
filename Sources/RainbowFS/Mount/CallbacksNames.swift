import CFuse
import Glibc

/// Making, removing and renaming what has a name.
extension Callbacks {
    static func addNames(to table: inout fuse_lowlevel_ops) {
        addMaking(to: &table)
        addRemoving(to: &table)
    }

    private static func addMaking(to table: inout fuse_lowlevel_ops) {
        unsafe table.mkdir = { request, parent, name, mode in
            unsafe Callbacks.serve(request, .mkdir) { call throws(TreeError) in
                try call.require([.write, .search], NodeID(parent))
                return try call.forest.makeDirectory(
                    NodeID(parent), unsafe text(name), mode: mode, call.caller)
            } answer: { reply, entry in
                reply.entry(entry)
            }
        }
        unsafe table.symlink = { request, target, parent, name in
            unsafe Callbacks.serve(request, .symlink) { call throws(TreeError) in
                try call.require([.write, .search], NodeID(parent))
                return try call.forest.symlink(
                    NodeID(parent), unsafe text(name), target: unsafe text(target),
                    call.caller)
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
            unsafe Callbacks.serve(request, .unlink) { call throws(TreeError) in
                unsafe try call.requireRemoval(of: text(name), from: NodeID(parent))
                try call.forest.unlink(NodeID(parent), unsafe text(name))
            } answer: { reply, _ in
                reply.succeed()
            }
        }
        unsafe table.rmdir = { request, parent, name in
            unsafe Callbacks.serve(request, .rmdir) { call throws(TreeError) in
                unsafe try call.requireRemoval(of: text(name), from: NodeID(parent))
                try call.forest.removeDirectory(NodeID(parent), unsafe text(name))
            } answer: { reply, _ in
                reply.succeed()
            }
        }
        unsafe table.rename = { request, parent, name, newParent, newName, flags in
            unsafe Callbacks.serve(request, .rename) { call throws(TreeError) in
                unsafe try call.requireRemoval(of: text(name), from: NodeID(parent))
                try call.require([.write, .search], NodeID(newParent))
                try call.forest.rename(
                    NodeID(parent), unsafe text(name), to: NodeID(newParent),
                    unsafe text(newName), flags: flags)
            } answer: { reply, _ in
                reply.succeed()
            }
        }
    }
}
