import CFuse
import Glibc
import RainbowCore

/// The answer to one request of the kernel. It is given exactly once: every method that answers
/// consumes the value, and a reply that is dropped unanswered tells the caller EIO.
@safe struct Reply: ~Copyable {
    private let request: fuse_req_t

    init(_ request: fuse_req_t) {
        unsafe self.request = request
    }

    deinit {
        unsafe _ = fuse_reply_err(request, EIO)
    }

    consuming func fail(_ errno: Int32) {
        unsafe _ = fuse_reply_err(request, errno)
        discard self
    }

    consuming func succeed() {
        fail(0)
    }

    /// Leaves the answer to who gets the request.
    consuming func handOver() -> fuse_req_t {
        let request = unsafe request
        discard self
        return unsafe request
    }

    /// For the requests that the kernel does not wait for.
    consuming func nothing() {
        unsafe fuse_reply_none(request)
        discard self
    }

    consuming func entry(_ entry: Entry) {
        var parameters = fuse_entry_param(entry)
        unsafe _ = fuse_reply_entry(request, &parameters)
        discard self
    }

    consuming func attributes(_ attributes: Attributes, seconds: Double) {
        var status = stat(attributes)
        unsafe _ = fuse_reply_attr(request, &status, seconds)
        discard self
    }

    consuming func link(_ target: String) {
        unsafe _ = target.withSystemText { unsafe fuse_reply_readlink(request, $0) }
        discard self
    }

    /// False when the caller was interrupted: then no release will come for the handle.
    consuming func open(handle: UInt64, flags: OpenFlags) -> Bool {
        var answer = fuse_open_out()
        answer.fh = handle
        answer.open_flags = flags.rawValue
        let arrived =
            unsafe withUnsafeBytes(of: &answer) { unsafe Self.send($0, to: request) }
        discard self
        return arrived
    }

    /// False when the caller was interrupted: then no release will come for the handle.
    consuming func create(_ entry: Entry, handle: UInt64, flags: OpenFlags) -> Bool {
        var answer = CreateAnswer(entry: fuse_entry_out(entry), open: fuse_open_out())
        answer.open.fh = handle
        answer.open.open_flags = flags.rawValue
        let arrived =
            unsafe withUnsafeBytes(of: &answer) { unsafe Self.send($0, to: request) }
        discard self
        return arrived
    }

    consuming func openDirectory(handle: UInt64) -> Bool {
        open(handle: handle, flags: [])
    }

    consuming func bytes(_ bytes: UnsafeRawBufferPointer) {
        unsafe _ = Self.send(bytes, to: request)
        discard self
    }

    consuming func written(_ count: Int) {
        unsafe _ = fuse_reply_write(request, count)
        discard self
    }

    consuming func poll(_ readiness: Readiness) {
        unsafe _ = fuse_reply_poll(request, readiness.events)
        discard self
    }

    consuming func statistics(_ statistics: statvfs) {
        unsafe _ = withUnsafePointer(to: statistics) { unsafe fuse_reply_statfs(request, $0) }
        discard self
    }

    /// An extended attribute's value or the list of names: `size` 0 asks how long it is.
    consuming func extendedAttribute(_ value: [UInt8], size: Int) {
        guard size == 0 || value.count <= size else { return fail(ERANGE) }
        unsafe _ =
            size == 0
            ? fuse_reply_xattr(request, value.count) == 0
            : value.withUnsafeBytes { unsafe Self.send($0, to: request) }
        discard self
    }

    private static func send(_ bytes: UnsafeRawBufferPointer, to request: fuse_req_t) -> Bool {
        let start = unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
        return unsafe fuse_reply_buf(request, start, bytes.count) != -ENOENT
    }
}

/// What a create request is answered with, as the kernel lays it out.
private struct CreateAnswer {
    var entry: fuse_entry_out
    var open: fuse_open_out
}

/// How the kernel treats an open file. libfuse of Debian 12 knows no parallel direct writes, so
/// the answer to an open is built by hand.
struct OpenFlags: OptionSet {
    let rawValue: UInt32

    static let directIO = OpenFlags(rawValue: UInt32(FOPEN_DIRECT_IO))
    static let noFlush = OpenFlags(rawValue: UInt32(FOPEN_NOFLUSH))
    static let parallelDirectWrites = OpenFlags(
        rawValue: UInt32(FOPEN_PARALLEL_DIRECT_WRITES))
}

/// The memory that a thread puts its answers together in: one per thread of the loop, made at
/// the thread's first read and given back when it ends. Only pages that were used are resident.
enum ReplyBuffer {
    /// What one request can ask for.
    static let byteCount = 1 << 20

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let result = unsafe pthread_key_create(&key) { memory in
            unsafe munmap(memory, ReplyBuffer.byteCount)
        }
        precondition(result == 0, "no thread-specific key is left")
        return key
    }()

    /// This thread's buffer, or nil when there is no memory for it.
    static func current() -> UnsafeMutableRawBufferPointer? {
        if let memory = unsafe pthread_getspecific(key) {
            return unsafe UnsafeMutableRawBufferPointer(start: memory, count: byteCount)
        }
        let memory = unsafe mmap(
            nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let memory = unsafe memory, unsafe memory != MAP_FAILED,
            unsafe pthread_setspecific(key, memory) == 0
        else { return nil }
        return unsafe UnsafeMutableRawBufferPointer(start: memory, count: byteCount)
    }
}
