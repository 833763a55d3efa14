import CLinux
import Glibc

/// The error number of a failed system call, with what was being done.
public struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
    public let errno: Int32
    public let action: String

    package init(errno: Int32, action: String) {
        self.errno = errno
        self.action = action
    }

    public var description: String {
        unsafe "\(action): \(String(cString: strerror(errno)))"
    }
}

/// What the kernel knows of a file or folder.
struct FileStatus {
    private let status: stat

    fileprivate init(_ status: stat) { self.status = status }

    var isFile: Bool { status.st_mode & S_IFMT == S_IFREG }
    var user: UInt32 { status.st_uid }
    var group: UInt32 { status.st_gid }
    /// The permission bits.
    var mode: UInt32 { status.st_mode & 0o7777 }
    var linkCount: Int { Int(status.st_nlink) }
    var size: UInt64 { UInt64(max(0, status.st_size)) }

    func isSame(as other: FileStatus) -> Bool {
        status.st_dev == other.status.st_dev && status.st_ino == other.status.st_ino
    }
}

/// The Linux calls that Core makes, with errors as values. Those for locks are in `Locks.swift`,
/// which makes them with `make`, too; elsewhere Core only asks who the process is.
///
/// A call that a signal interrupts is made again. Tests let calls fail (`Faults`), except for those
/// that the kernel never refuses: to close, to unmap a whole mapping, and the clocks.
enum SystemCalls {
    /// Makes a call until it is not interrupted.
    /// - Parameter call: gives a negative number and sets `errno` if it fails.
    @discardableResult
    @inline(__always)
    static func make(
        _ action: @autoclosure () -> String, _ call: () -> Int
    ) throws(SystemError) -> Int {
        while true {
            let error: Int32
            if let fault = Faults.next() {
                error = fault
            } else {
                let result = call()
                if result >= 0 { return result }
                error = errno
            }
            guard error == EINTR else { throw SystemError(errno: error, action: action()) }
        }
    }

    /// Opens a folder by its path.
    static func openFolder(_ path: String) throws(SystemError) -> Int32 {
        Int32(
            try make("open \(path)") {
                Int(
                    unsafe path.withSystemText {
                        unsafe Glibc.open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                    })
            })
    }

    /// Opens a file of the folder that `folder` has open, wherever that folder is by now. A
    /// symbolic link is not followed, and nothing is waited for.
    static func open(
        in folder: Int32, _ name: String, flags: Int32, mode: mode_t = 0
    ) throws(SystemError) -> Int32 {
        let always = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
        return Int32(
            try make("open \(name)") { Int(unsafe openat(folder, name, flags | always, mode)) })
    }

    static func close(_ descriptor: Int32) { _ = Glibc.close(descriptor) }

    static func status(of descriptor: Int32) throws(SystemError) -> FileStatus {
        var status = stat()
        try make("look at a file of the space") { Int(unsafe fstat(descriptor, &status)) }
        return FileStatus(status)
    }

    /// What a name in a folder stands for; a symbolic link is not followed.
    static func status(in folder: Int32, _ name: String) throws(SystemError) -> FileStatus {
        var status = stat()
        try make("look at \(name)") {
            Int(unsafe fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW))
        }
        return FileStatus(status)
    }

    static func makeFolder(
        in folder: Int32, _ name: String, mode: mode_t
    ) throws(SystemError) {
        try make("create \(name)") { Int(unsafe mkdirat(folder, name, mode)) }
    }

    static func remove(in folder: Int32, _ name: String, isFolder: Bool) throws(SystemError) {
        try make("remove \(name)") {
            Int(unsafe unlinkat(folder, name, isFolder ? AT_REMOVEDIR : 0))
        }
    }

    static func setOwner(
        _ descriptor: Int32, user: UInt32, group: UInt32
    ) throws(SystemError) {
        try make("give a file to the owner of the space") { Int(fchown(descriptor, user, group)) }
    }

    /// The names in a folder.
    /// - Parameter path: where it is; nil: `folder` itself.
    static func names(
        in folder: Int32? = nil, path: String
    ) throws(SystemError) -> [String] {
        let descriptor: Int32
        if let folder {
            descriptor = Int32(
                try make("list \(path)") {
                    Int(unsafe openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC))
                })
        } else {
            descriptor = try openFolder(path)
        }
        guard let stream = unsafe fdopendir(descriptor) else {
            let error = errno
            close(descriptor)
            throw SystemError(errno: error, action: "list \(path)")
        }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while true {
            let next = try make("list \(path)") {
                Glibc.errno = 0
                guard let entry = unsafe readdir(stream) else { return errno == 0 ? 0 : -1 }
                names.append(
                    unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                        unsafe String(systemBytes: bytes.prefix { $0 != 0 })
                    })
                return 1
            }
            if next == 0 { return names }
        }
    }

    /// Reads up to `bytes.count` bytes at an offset; fewer only at the end of the file.
    static func read(
        _ descriptor: Int32, into bytes: UnsafeMutableRawBufferPointer, offset: UInt64
    ) throws(SystemError) -> Int {
        try make("read a file of the space") {
            unsafe pread(descriptor, bytes.baseAddress, bytes.count, off_t(offset))
        }
    }

    /// Gives a file its size, which it has at least from then on.
    ///
    /// A process that may not have files so large is told so before the kernel would: that sends
    /// SIGXFSZ, which ends programs.
    static func truncate(_ descriptor: Int32, size: UInt64) throws(SystemError) {
        try checkLimit(ofSize: size)
        try make("set the size of a file of the space") {
            Int(ftruncate(descriptor, off_t(size)))
        }
    }

    /// - Throws: EFBIG if this process may not make a file so large.
    static func checkLimit(ofSize size: UInt64) throws(SystemError) {
        var limit = rlimit()
        let kind = __rlimit_resource_t(RLIMIT_FSIZE.rawValue)
        guard unsafe getrlimit(kind, &limit) == 0, limit.rlim_cur < size else { return }
        throw SystemError(errno: EFBIG, action: "make a file of \(size >> 20) MiB")
    }

    /// Reserves memory for `[offset, offset + count)`; the range reads as zeros if it was new.
    /// - Throws: ENOSPC when the file system is full; nothing is reserved then.
    static func reserve(_ descriptor: Int32, offset: UInt64, count: UInt64) throws(SystemError) {
        try make("reserve memory") {
            Int(fallocate(descriptor, rainbow_fallocate_keep_size, off_t(offset), off_t(count)))
        }
    }

    /// Gives the memory of a range back; it reads as zeros then.
    static func punch(
        _ descriptor: Int32, offset: UInt64, count: UInt64
    ) throws(SystemError) {
        let mode = rainbow_fallocate_punch_hole | rainbow_fallocate_keep_size
        try make("give memory back") {
            Int(fallocate(descriptor, mode, off_t(offset), off_t(count)))
        }
    }

    /// Bytes that are free in the file system that holds an open file.
    static func bytesFree(around descriptor: Int32) throws(SystemError) -> UInt64 {
        var status = statvfs()
        try make("ask for the memory of the machine") { Int(unsafe fstatvfs(descriptor, &status)) }
        let (bytes, isTooLarge) = UInt64(status.f_bavail)
            .multipliedReportingOverflow(by: UInt64(status.f_frsize))
        return isTooLarge ? UInt64(Int64.max) : bytes
    }
}

/// Mappings.
extension SystemCalls {
    /// Maps a file's range for reading and writing, at `hint` if that range is free.
    static func map(
        _ descriptor: Int32, offset: UInt64, count: UInt64, hint: UInt = 0
    ) throws(SystemError) -> UnsafeMutableRawPointer {
        let flags = MAP_SHARED | rainbow_map_noreserve
        if hint != 0, let wanted = unsafe UnsafeMutableRawPointer(bitPattern: hint) {
            let fixed = flags | rainbow_map_fixed_noreplace
            // Refused where something else lies there, and by old kernels taken for a mere hint.
            if let address = unsafe try? map(wanted, descriptor, offset, count, fixed) {
                if unsafe address == wanted { return unsafe address }
                unsafe unmap(address, count: count)
            }
        }
        return unsafe try map(nil, descriptor, offset, count, flags)
    }

    private static func map(
        _ location: UnsafeMutableRawPointer?, _ descriptor: Int32, _ offset: UInt64,
        _ count: UInt64,
        _ flags: Int32
    ) throws(SystemError) -> UnsafeMutableRawPointer {
        var address: UnsafeMutableRawPointer?
        try make("map \(count >> 20) MiB of the space") {
            unsafe address = mmap(
                location, Int(count), PROT_READ | PROT_WRITE, flags, descriptor, off_t(offset))
            return unsafe address == MAP_FAILED ? -1 : 0
        }
        guard let address = unsafe address else {
            throw SystemError(errno: ENOMEM, action: "map a file of the space")
        }
        return unsafe address
    }

    static func unmap(_ address: UnsafeMutableRawPointer, count: UInt64) {
        unsafe munmap(address, Int(count))
    }

    /// Enters pages that were reserved before into this process's page table, all at once. Without
    /// it they are entered one by one, when they are touched.
    static func populate(_ address: UnsafeMutableRawPointer, count: Int) {
        _ = try? make("enter pages") {
            Int(unsafe madvise(address, count, rainbow_madvise_populate_write))
        }
    }
}

/// The process itself, and time.
extension SystemCalls {
    static var processID: Int32 { getpid() }
    static var user: UInt32 { geteuid() }

    static var hostName: String {
        var name = [UInt8](repeating: 0, count: 65)
        let result = unsafe name.withUnsafeMutableBytes { bytes -> Int32 in
            guard let start = bytes.baseAddress else { return -1 }
            return unsafe gethostname(start.assumingMemoryBound(to: CChar.self), 64)
        }
        return result == 0 ? String(decoding: name.prefix { $0 != 0 }, as: UTF8.self) : ""
    }

    /// Ends this process at once, as `kill -9` does.
    static func die() -> Never {
        kill(getpid(), SIGKILL)
        while true { pause() }
    }

    /// Stops this process as SIGSTOP does; this thread goes no step further.
    static func stopThread() { pthread_kill(pthread_self(), SIGSTOP) }

    static func yield() { sched_yield() }

    /// Lets this process take part in the barriers of others.
    static func registerForBarriers() throws(SystemError) {
        try make("register for memory barriers") { Int(rainbow_barrier(rainbow_barrier_register)) }
    }

    /// A full memory barrier on every thread that runs now in a process that has registered.
    static func barrier() throws(SystemError) {
        try make("make a memory barrier") { Int(rainbow_barrier(rainbow_barrier_now)) }
    }

    /// Sleeps while the 32-bit word at `word` is `expected`, until it is woken or the time is over.
    static func wait(_ word: UnsafeMutableRawPointer, whileIs expected: UInt32, milliseconds: Int) {
        unsafe rainbow_futex_wait(word, expected, Int64(milliseconds) * 1_000_000)
    }

    static func wakeAll(_ word: UnsafeMutableRawPointer) { unsafe rainbow_futex_wake(word) }

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

    /// When so much time will have passed, for `isOver`.
    static func deadline(milliseconds: Int) -> UInt64 {
        nanoseconds(of: CLOCK_MONOTONIC) + UInt64(milliseconds) * 1_000_000
    }

    static func isOver(_ deadline: UInt64) -> Bool { nanoseconds(of: CLOCK_MONOTONIC) > deadline }

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

    /// Milliseconds since the machine was started, its sleep included: the same clock for all
    /// processes, which is never set. Ages are measured with it.
    static func bootMilliseconds() -> UInt64 { nanoseconds(of: CLOCK_BOOTTIME) / 1_000_000 }

    static var secondsSince1970: UInt64 { coarseMilliseconds() / 1000 }

    static func randomWord() -> UInt64 { UInt64.random(in: 1...UInt64.max) }
}
