import CFuse
import Glibc

/// poll(2), select(2) and epoll(7) on open files.
extension Callbacks {
    static func addPolling(to table: inout fuse_lowlevel_ops) {
        unsafe table.poll = { request, _, info, handle in
            unsafe Callbacks.serve(request, .poll) { call throws(TreeError) in
                guard let file = unsafe try? Handle<OpenFile>(info).get() else {
                    if let handle = unsafe handle { unsafe fuse_pollhandle_destroy(handle) }
                    throw TreeError(EBADF, "The request asks for an open file that is not open.")
                }
                // First registered, then looked at: no commit comes between unnoticed.
                if let handle = unsafe handle {
                    unsafe call.system.polls.register(handle, for: file)
                }
                do throws(TreeError) {
                    return try file.readiness()
                } catch {
                    if error.wait != nil { throw error }
                    // What is wrong, a read tells: an error here would end every wait for ever.
                    return [.readable, .writable]
                }
            } answer: { reply, readiness in
                reply.poll(readiness)
            }
        }
    }
}

extension Readiness {
    /// As poll(2) has it.
    var events: UInt32 {
        var events: Int32 = 0
        if contains(.readable) { events |= POLLIN | POLLRDNORM }
        if contains(.urgent) { events |= POLLPRI }
        if contains(.writable) { events |= POLLOUT | POLLWRNORM }
        return UInt32(events)
    }
}
