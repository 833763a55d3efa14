import Glibc

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
