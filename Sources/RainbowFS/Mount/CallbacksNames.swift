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
            let (parent, name) = (NodeID(parent), unsafe RequestText(name))
            unsafe Callbacks.serve(request, .mkdir) { call throws(TreeError) in
                try call.forest.makeDirectory(parent, name.get(), mode: mode, call.caller)
            } answer: { reply, entry in
                reply.entry(entry)
            }
        }
        unsafe table.symlink = { request, target, parent, name in
            let (parent, name) = (NodeID(parent), unsafe RequestText(name))
            let target = unsafe RequestText(target)
            unsafe Callbacks.serve(request, .symlink) { call throws(TreeError) in
                try call.forest.symlink(
                    parent, name.get(), target: target.get(), call.caller)
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
            let (parent, name) = (NodeID(parent), unsafe RequestText(name))
            unsafe Callbacks.serve(request, .unlink) { call throws(TreeError) in
                try call.forest.unlink(parent, name.get(), call.caller)
            } answer: { reply, _ in
                reply.succeed()
            }
        }
        unsafe table.rmdir = { request, parent, name in
            let (parent, name) = (NodeID(parent), unsafe RequestText(name))
            unsafe Callbacks.serve(request, .rmdir) { call throws(TreeError) in
                try call.forest.removeDirectory(parent, name.get(), call.caller)
            } answer: { reply, _ in
                reply.succeed()
            }
        }
        unsafe table.rename = { request, parent, name, newParent, newName, flags in
            let (parent, name) = (NodeID(parent), unsafe RequestText(name))
            let (newParent, newName) = (NodeID(newParent), unsafe RequestText(newName))
            unsafe Callbacks.serve(request, .rename) { call throws(TreeError) in
                try call.forest.rename(
                    parent, name.get(), to: newParent, newName.get(), flags: flags, call.caller)
            } answer: { reply, _ in
                reply.succeed()
            }
        }
    }
}
