import CFuse
import Glibc
import RainbowCore

/// Open files. Nothing of them is cached by the kernel: each read(2) and each write(2) comes here
/// and is one transaction. That also makes a shared mmap fail with ENODEV, as it must. The other
/// ways to read (sendfile, splice, private mmap) go through pages that the kernel keeps, see
/// `KeptPages`.
extension Callbacks {
    static func addFiles(to table: inout fuse_lowlevel_ops) {
        addOpening(to: &table)
        addTransfer(to: &table)
        addClosing(to: &table)
    }

    private static func addOpening(to table: inout fuse_lowlevel_ops) {
        unsafe table.open = { request, node, info in
            unsafe Callbacks.serve(request, .open) { call throws(TreeError) in
                try call.system.open(NodeID(node), unsafe openFlags(info), call.caller)
            } answer: { reply, file in
                let handle = Handle(retaining: file)
                let flags = OpenFlags.of(
                    file, isWritten: unsafe openFlags(info) & O_ACCMODE != O_RDONLY)
                let system = unsafe request.map { unsafe FileSystem.of($0) }
                if !reply.open(handle: handle.number, flags: flags) {
                    if let file = handle.take() { system?.close(file, NodeID(node)) }
                }
            }
        }
        unsafe table.create = { request, parent, name, mode, info in
            let parent = NodeID(parent)
            let flags = unsafe openFlags(info)
            unsafe Callbacks.serve(request, .create) { call throws(TreeError) in
                let name = unsafe try text(name)
                return try call.tree.withView(of: parent, name) {
                    view, parent throws(TreeError) in
                    try view.create(parent, name, mode: mode, flags: flags, call.caller)
                }
            } answer: { reply, made in
                let handle = Handle(retaining: made.1)
                let flags = OpenFlags.of(made.1, isWritten: true)
                if !reply.create(made.0, handle: handle.number, flags: flags) {
                    handle.take()?.close()
                }
            }
        }
    }

    private static func addTransfer(to table: inout fuse_lowlevel_ops) {
        unsafe table.read = { request, node, size, offset, info in
            let handle = unsafe Handle<OpenFile>(info)
            // Only read(2) and its kin have an owner: what fills the kernel's pages has none.
            if unsafe info?.pointee.lock_owner == 0, let file = try? handle.get() {
                return unsafe Callbacks.fill(request, NodeID(node), file, handle, size, offset)
            }
            if let stream = (try? handle.get())?.stream, let start = try? fileOffset(offset) {
                return unsafe Callbacks.read(stream, request, size, start, openFlags(info))
            }
            unsafe Callbacks.serve(request, .read) { _ throws(TreeError) in
                unsafe try Callbacks.read(handle, at: offset, size)
            } answer: { reply, bytes in
                unsafe reply.bytes(bytes)
            }
        }
        unsafe table.copy_file_range = {
            request, _, start, source, node, offset, target, count, _ in
            let copy = unsafe CopyRequest(
                source: Handle(source), start: start, target: Handle(target), offset: offset,
                count: count)
            unsafe Callbacks.serve(request, .copyFileRange) {
                _ throws(TreeError) in
                try copy.perform()
            } answer: { reply, count in
                reply.written(count)
            }
        }
        unsafe table.write = { request, node, bytes, size, offset, info in
            let write = unsafe WriteRequest(node, offset, info)
            unsafe Callbacks.write(
                request, write, UnsafeRawBufferPointer(start: bytes, count: size))
        }
    }

    /// What is read, in the buffer of this thread.
    fileprivate static func read(
        _ handle: Handle<OpenFile>, at offset: off_t, _ size: Int
    ) throws(TreeError) -> UnsafeRawBufferPointer {
        guard let buffer = unsafe ReplyBuffer.current() else {
            throw TreeError(ENOMEM, "The mount has no memory for an answer.")
        }
        let window = unsafe UnsafeMutableRawBufferPointer(
            rebasing: buffer[..<min(size, buffer.count)])
        let (file, offset) = (try handle.get(), try fileOffset(offset))
        let count = try file.about { () throws(TreeError) in
            unsafe try file.read(at: offset, into: window)
        }
        return unsafe UnsafeRawBufferPointer(rebasing: window[..<count])
    }

    /// A read that fills pages of the kernel.
    private static func fill(
        _ request: fuse_req_t?, _ node: NodeID, _ file: OpenFile, _ handle: Handle<OpenFile>,
        _ size: Int, _ offset: off_t
    ) {
        guard let request = unsafe request else { return }
        // Programs then use read(2): that is no news for `messages`.
        guard file.hasFixedSize else { return unsafe Reply(request).fail(EINVAL) }
        // Before it is read: no commit comes between unnoticed.
        unsafe FileSystem.of(request).pages.keep(file, node)
        unsafe serve(request, .read) { _ throws(TreeError) in
            unsafe try Callbacks.read(handle, at: offset, size)
        } answer: { reply, bytes in
            unsafe reply.bytes(bytes)
        }
    }

    /// A read of a stream: what it has is read at once; else the read is parked, unless the caller
    /// does not want to wait.
    fileprivate static func read(
        _ stream: EventStream, _ request: fuse_req_t?, _ size: Int, _ offset: UInt64, _ flags: Int32
    ) {
        guard let request = unsafe request else { return }
        let call = unsafe Call(request)
        let reply = unsafe Reply(request)
        guard let buffer = unsafe ReplyBuffer.current() else { return reply.fail(ENOMEM) }
        let window = unsafe UnsafeMutableRawBufferPointer(
            rebasing: buffer[..<min(size, buffer.count)])
        if let count = unsafe stream.take(at: offset, into: window) {
            return unsafe reply.bytes(UnsafeRawBufferPointer(rebasing: window[..<count]))
        }
        guard flags & O_NONBLOCK == 0 else { return reply.fail(EAGAIN) }
        unsafe call.system.parked.park(
            reply.handOver(), of: stream, at: offset, size: size)
    }

    private static func addClosing(to table: inout fuse_lowlevel_ops) {
        unsafe table.flush = { request, _, info in
            let owner = unsafe info?.pointee.lock_owner ?? 0
            unsafe Callbacks.finish(request, .flush, Handle<OpenFile>(info)) {
                file throws(TreeError) in try file.flush(by: owner)
            }
        }
        // There is no durable copy to wait for.
        unsafe table.fsync = { request, _, _, info in
            unsafe Callbacks.finish(request, .fsync, Handle<OpenFile>(info)) {
                file throws(TreeError) in try file.flush()
            }
        }
        unsafe table.release = { request, node, info in
            guard let request = unsafe request else { return }
            unsafe Callbacks.release(request, NodeID(node), Handle<OpenFile>(info))
        }
    }

    /// Carries out what an open file holds back.
    private static func finish(
        _ request: fuse_req_t?, _ operation: Operation, _ file: Handle<OpenFile>,
        _ work: (OpenFile) throws(TreeError) -> Void
    ) {
        unsafe serve(request, operation) { _ throws(TreeError) in
            let file = try file.get()
            try file.about { () throws(TreeError) in try work(file) }
        } answer: { reply, _ in
            reply.succeed()
        }
    }

    /// The last descriptor was closed. Nobody waits for the answer.
    private static func release(_ request: fuse_req_t, _ node: NodeID, _ handle: Handle<OpenFile>) {
        let system = unsafe FileSystem.of(request)
        guard let file = try? handle.get() else { return unsafe Reply(request).fail(EBADF) }
        if file.hasWorkAtEnd {
            // The kernel does not say for whom it closes a file: for its opener, by this process.
            let own = Committer.current.processID
            system.tree.space.committer = Committer(processID: own, userID: file.opener)
            let outcome = RequestScope.serving(UInt(bitPattern: request)) {
                Result { () throws(TreeError) in
                    try file.about { () throws(TreeError) in try file.finish() }
                }
            }
            if case .failure(let error) = outcome {
                if let wait = error.wait {
                    return unsafe system.waiting.add(request, .release, wait)
                }
                system.record(error, .release, by: nil, for: file.opener)
            }
        }
        handle.take()
        system.close(file, node)
        unsafe Reply(request).succeed()
    }
}

extension FileSystem {
    fileprivate func open(_ node: NodeID, _ flags: Int32, _ caller: Caller) throws(TreeError)
        -> OpenFile
    {
        let file: OpenFile
        if flags & O_ACCMODE == O_RDONLY {
            file = try texts.open(node, flags, for: caller, tree)
        } else {
            file = try tree.withView(of: node) { view, node throws(TreeError) in
                try view.open(node, flags: flags, caller)
            }
            fresh.add(file, node, by: caller)
        }
        pages.open(file, node)
        return file
    }

    fileprivate func close(_ file: OpenFile, _ node: NodeID) {
        pages.close(file, node)
        polls.forget(file)
        followed.forget(file)
        texts.forget(file)
        fresh.forget(file)
        file.close()
    }
}

/// What copy_file_range(2) wants.
private struct CopyRequest: Sendable {
    let source: Handle<OpenFile>
    let start: off_t
    let target: Handle<OpenFile>
    let offset: off_t
    let count: Int

    func perform() throws(TreeError) -> Int {
        guard let buffer = unsafe ReplyBuffer.current() else {
            throw TreeError(ENOMEM, "The mount has no memory for an answer.")
        }
        let window = unsafe UnsafeMutableRawBufferPointer(
            rebasing: buffer[..<min(max(count, 0), buffer.count)])
        return unsafe try OpenFile.copy(
            from: source.get(), at: fileOffset(start), to: target.get(), at: fileOffset(offset),
            through: window)
    }
}

/// Where a write request wants its bytes.
private struct WriteRequest: Sendable {
    let node: NodeID
    let offset: off_t
    /// The process's table of open files, by a number of the kernel.
    let owner: UInt64
    let file: Handle<OpenFile>
    let isAppend: Bool

    init(_ node: fuse_ino_t, _ offset: off_t, _ info: UnsafeMutablePointer<fuse_file_info>?) {
        self.node = NodeID(node)
        self.offset = offset
        unsafe owner = info?.pointee.lock_owner ?? 0
        unsafe file = Handle<OpenFile>(info)
        unsafe isAppend = openFlags(info) & O_APPEND != 0
    }
}

extension Callbacks {
    fileprivate static func write(
        _ request: fuse_req_t?, _ write: WriteRequest, _ bytes: UnsafeRawBufferPointer
    ) {
        unsafe serve(request, .write) { call throws(TreeError) in
            let (file, offset) = (try write.file.get(), try fileOffset(write.offset))
            file.noteWriter(write.owner)
            call.system.texts.forgetOffered(by: call.caller)
            return try file.about { () throws(TreeError) in
                unsafe try file.write(at: offset, bytes, isAppend: write.isAppend)
            }
        } answer: { reply, count in
            reply.written(count)
        }
    }
}

extension OpenFlags {
    static func of(_ file: OpenFile, isWritten: Bool) -> OpenFlags {
        let flags: OpenFlags =
            file.stream == nil ? [.directIO, .parallelDirectWrites] : [.directIO]
        return isWritten && file.wantsFlush ? flags : flags.union(.noFlush)
    }
}

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
                    // What is wrong, a read tells: an error here would end every wait forever.
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
