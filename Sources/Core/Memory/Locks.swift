import CLinux
import Glibc

/// A write lock on one byte of an open file. It belongs to the open file description, so the
/// kernel drops it when the last process that has it open is gone, however that ended.
enum ByteLock {
    /// True if the lock was free and is now held.
    static func tryTake(_ descriptor: Int32, byte: UInt64) throws(SystemError) -> Bool {
        var request = description(of: byte, type: F_WRLCK)
        do throws(SystemError) {
            try SystemCalls.make("lock the space") {
                Int(unsafe fcntl(descriptor, rainbow_ofd_setlk, &request))
            }
            return true
        } catch {
            guard error.errno == EAGAIN || error.errno == EACCES else { throw error }
            return false
        }
    }

    static func take(_ descriptor: Int32, byte: UInt64) throws(SystemError) {
        var request = description(of: byte, type: F_WRLCK)
        try SystemCalls.make("lock the space") {
            Int(unsafe fcntl(descriptor, rainbow_ofd_setlkw, &request))
        }
    }

    static func release(_ descriptor: Int32, byte: UInt64) {
        var request = description(of: byte, type: F_UNLCK)
        makeUntilDone("unlock the space") {
            Int(unsafe fcntl(descriptor, rainbow_ofd_setlk, &request))
        }
    }

    /// Whether another open file holds the lock.
    static func isHeldElsewhere(_ descriptor: Int32, byte: UInt64) throws(SystemError) -> Bool {
        var request = description(of: byte, type: F_WRLCK)
        try SystemCalls.make("look at a lock of the space") {
            Int(unsafe fcntl(descriptor, rainbow_ofd_getlk, &request))
        }
        return request.l_type != Int16(F_UNLCK)
    }

    /// The bytes of a range that other open files have locked, in no order.
    ///
    /// The kernel names one lock of a range, so each answer leaves what is before and after it.
    static func heldElsewhere(
        _ descriptor: Int32, _ range: Range<UInt64>
    ) throws(SystemError) -> [UInt64] {
        var held: [UInt64] = []
        var open = [range]
        while let part = open.popLast() {
            guard !part.isEmpty else { continue }
            var request = description(of: part.lowerBound, type: F_WRLCK)
            request.l_len = off_t(part.count)
            try SystemCalls.make("look at the locks of the space") {
                Int(unsafe fcntl(descriptor, rainbow_ofd_getlk, &request))
            }
            guard request.l_type != Int16(F_UNLCK) else { continue }
            let start = max(part.lowerBound, UInt64(max(0, request.l_start)))
            // A length of 0 is one without end.
            let length = request.l_len > 0 ? UInt64(request.l_len) : .max
            let (end, overflow) = start.addingReportingOverflow(length)
            let last = overflow ? part.upperBound : min(end, part.upperBound)
            guard start < last else { return held }
            held += start..<last
            open += [part.lowerBound..<start, last..<part.upperBound]
        }
        return held
    }

    private static func description(of byte: UInt64, type: Int32) -> flock {
        var request = flock()
        request.l_type = Int16(type)
        request.l_whence = Int16(SEEK_SET)
        request.l_start = off_t(byte)
        request.l_len = 1
        return request
    }
}

/// The lock of an open folder, which belongs to the open file description, too.
enum FolderLock {
    static func take(_ descriptor: Int32) throws(SystemError) {
        try SystemCalls.make("lock the folder of the space") {
            Int(rainbow_flock(descriptor, rainbow_flock_exclusive))
        }
    }

    static func release(_ descriptor: Int32) {
        makeUntilDone("unlock the folder of the space") {
            Int(rainbow_flock(descriptor, rainbow_flock_unlock))
        }
    }
}

/// Makes the call that gives a lock back, however often the kernel refuses it for want of memory:
/// nobody could go on if the lock stayed.
private func makeUntilDone(_ action: String, _ call: () -> Int) {
    var backoff = Backoff()
    while true {
        do throws(SystemError) {
            try SystemCalls.make(action, call)
            return
        } catch {
            precondition(error.errno != EBADF, "a lock of a file that is closed")
            _ = backoff.wait()
        }
    }
}
