import CFuse
import Glibc
import RainbowCore

extension Callbacks {
    static func addExtendedAttributes(to table: inout fuse_lowlevel_ops) {
        unsafe table.getxattr = { request, node, name, size in
            unsafe Callbacks.serve(request, .getxattr) { call throws(TreeError) in
                let name = unsafe try text(name)
                if name == CallerSentences.attribute {
                    return try call.system.sentences.sentence(for: call.caller, isLast: size > 0)
                }
                return try call.forest.extendedAttribute(NodeID(node), name, call.caller)
            } answer: { reply, value in
                reply.extendedAttribute(value, size: size)
            }
        }
        unsafe table.listxattr = { request, node, size in
            unsafe Callbacks.serve(request, .listxattr) { call throws(TreeError) in
                try call.forest.extendedAttributeNames(NodeID(node), call.caller)
            } answer: { reply, names in
                reply.extendedAttribute(names.flatMap { $0.systemBytes + [0] }, size: size)
            }
        }
        unsafe table.setxattr = { request, node, name, value, size, _ in
            unsafe Callbacks.serve(request, .setxattr) { call throws(TreeError) in
                // So much the kernel passes; the request's memory has room for it.
                guard size <= 65536 else { throw TreeError(E2BIG, "The value is too long.") }
                // So much the kernel passes; the request's memory has room for it.
                guard size <= 65536 else { throw TreeError(E2BIG, "The value is too long.") }
                let bytes = unsafe Array(UnsafeRawBufferPointer(start: value, count: size))
                try call.forest.setExtendedAttribute(
                    NodeID(node), unsafe text(name), to: bytes, call.caller)
            } answer: { reply, _ in
                reply.succeed()
            }
        }
        unsafe table.removexattr = { request, node, name in
            unsafe Callbacks.serve(request, .removexattr) { call throws(TreeError) in
                try call.forest.removeExtendedAttribute(NodeID(node), unsafe text(name))
            } answer: { reply, _ in
                reply.succeed()
            }
        }
    }
}
