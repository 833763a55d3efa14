import CLinux
import Glibc

/// The error number of a failed system call, with what was being done.
public struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
    public let errno: Int32
    public let action: String

    public var description: String { unsafe "\(action): \(String(cString: strerror(errno)))" }
}

/// The Linux calls that Core makes, with errors as values. No other file of Core calls the kernel.
enum SystemCalls {
    static func open(_ path: String, flags: Int32, mode: mode_t = 0) throws(SystemError) -> Int32 {
        let descriptor = unsafe Glibc.open(path, flags | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw SystemError(errno: errno, action: "open \(path)") }
        return descriptor
    }

    /// Opens a file of the folder that `folder` has open, wherever that folder is by now.
    static func open(
        in folder: Int32, _ name: String, flags: Int32, mode: mode_t = 0
    ) throws(SystemError) -> Int32 {
        let descriptor = unsafe openat(folder, name, flags | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw SystemError(errno: errno, action: "open \(name)") }
        return descriptor
    }

    static func close(_ descriptor: Int32) { _ = Glibc.close(descriptor) }

    /// The size of an open file in bytes.
    static func size(of descriptor: Int32) throws(SystemError) -> UInt64 {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw SystemError(errno: errno, action: "look at a file of the space")
        }
        return UInt64(clamping: status.st_size)
    }

    static func truncate(_ descriptor: Int32, size: UInt64) throws(SystemError) {
        guard ftruncate(descriptor, off_t(size)) == 0 else {
            throw SystemError(errno: errno, action: "set the size of a file of the space")
        }
    }

    /// Reserves memory for `[offset, offset + count)`; the range reads as zeros if it was new.
    /// - Throws: ENOSPC when the file system is full; nothing is reserved then.
    static func reserve(_ descriptor: Int32, offset: UInt64, count: UInt64) throws(SystemError) {
        let keepSize = rainbow_fallocate_keep_size
        while fallocate(descriptor, keepSize, off_t(offset), off_t(count)) != 0 {
            guard errno == EINTR else {
                throw SystemError(errno: errno, action: "reserve memory")
            }
        }
    }

    /// Gives the memory of a range back; it reads as zeros then.
    static func punch(_ descriptor: Int32, offset: UInt64, count: UInt64) {
        let mode = rainbow_fallocate_punch_hole | rainbow_fallocate_keep_size
        while fallocate(descriptor, mode, off_t(offset), off_t(count)) != 0, errno == EINTR {}
    }

    /// Maps a file's range for reading and writing, at `hint` if that range is free.
    static func map(
        _ descriptor: Int32, offset: UInt64, count: UInt64, hint: UInt = 0
    ) throws(SystemError) -> UnsafeMutableRawPointer {
        let protection = PROT_READ | PROT_WRITE
        let flags = MAP_SHARED | rainbow_map_noreserve
        if hint != 0 {
            let wanted = unsafe UnsafeMutableRawPointer(bitPattern: hint)
            let address = unsafe mmap(
                wanted, Int(count), protection, flags | rainbow_map_fixed_noreplace, descriptor,
                off_t(offset))
            if let address = unsafe address, unsafe address != MAP_FAILED {
                if unsafe address == wanted { return unsafe address }
                unsafe unmap(address, count: count)
            }
        }
        let address = unsafe mmap(nil, Int(count), protection, flags, descriptor, off_t(offset))
        guard let address = unsafe address, unsafe address != MAP_FAILED else {
            throw SystemError(errno: errno, action: "map a file of the space")
        }
        return unsafe address
    }

    static func unmap(_ address: UnsafeMutableRawPointer, count: UInt64) {
        unsafe munmap(address, Int(count))
    }

    /// Enters pages that were reserved before into this process's page table, all at once.
    static func populate(_ address: UnsafeMutableRawPointer, count: Int) {
        _ = unsafe madvise(address, count, rainbow_madvise_populate_write)
    }

    static func yield() { sched_yield() }

    static func sleep(microseconds: Int) {
        var time = timespec(tv_sec: 0, tv_nsec: microseconds * 1000)
        unsafe nanosleep(&time, nil)
    }

    /// Nanoseconds of a clock.
    static func nanoseconds(of clock: Int32) -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Milliseconds since 1970, as of the last timer tick: some nanoseconds to get.
    @inline(__always)
    static func coarseMilliseconds() -> UInt64 { coarseMilliseconds(of: CLOCK_REALTIME_COARSE) }

    /// Milliseconds of the clock that nobody sets, as of the last timer tick.
    @inline(__always)
    static func coarseMonotonicMilliseconds() -> UInt64 {
        coarseMilliseconds(of: CLOCK_MONOTONIC_COARSE)
    }

    @inline(__always)
    private static func coarseMilliseconds(of clock: Int32) -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return UInt64(truncatingIfNeeded: time.tv_sec) &* 1000
            &+ UInt64(truncatingIfNeeded: time.tv_nsec) / 1_000_000
    }

    static func randomWord() -> UInt64 { UInt64.random(in: 1...UInt64.max) }
}

/// A write lock on one byte of an open file. It belongs to the open file description, so the
/// kernel drops it when the last process that has it open is gone, however that ended.
enum ByteLock {
    /// True if the lock was free and is now held.
    static func tryTake(_ descriptor: Int32, byte: UInt64) -> Bool {
        var request = description(of: byte, type: F_WRLCK)
        return unsafe fcntl(descriptor, rainbow_ofd_setlk, &request) == 0
    }

    static func take(_ descriptor: Int32, byte: UInt64) throws(SystemError) {
        var request = description(of: byte, type: F_WRLCK)
        while unsafe fcntl(descriptor, rainbow_ofd_setlkw, &request) != 0 {
            guard errno == EINTR else {
                throw SystemError(errno: errno, action: "lock the space")
            }
        }
    }

    static func release(_ descriptor: Int32, byte: UInt64) {
        var request = description(of: byte, type: F_UNLCK)
        _ = unsafe fcntl(descriptor, rainbow_ofd_setlk, &request)
    }

    /// True if another open file holds the lock.
    static func isHeldElsewhere(_ descriptor: Int32, byte: UInt64) -> Bool {
        var request = description(of: byte, type: F_WRLCK)
        guard unsafe fcntl(descriptor, rainbow_ofd_getlk, &request) == 0 else { return true }
        return request.l_type != Int16(F_UNLCK)
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
