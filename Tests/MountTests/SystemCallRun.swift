import CLinux
import Glibc
import TestSupport

/// Makes system calls on the files of a mount with numbers that a program may pass.
@safe struct SystemCallRun {
    private let root: String
    private var random: SeededGenerator
    private(set) var count = 0
    private(set) var last = ""
    private let buffer: UnsafeMutableRawBufferPointer
    /// Numbers and names that calls take by address.
    private let numbers: UnsafeMutablePointer<Int>
    private let name: UnsafeMutablePointer<CChar>?

    private static let bufferBytes = 1 << 20
    private static let paths = [
        "", "objects", "regions", "regions/transactional", "regions/transactional/bank",
        "regions/transactional/bank/allocator", "regions/transactional/status", "classes",
        "classes/Account", "names", "names/a", "names/a/balance", "names/a/heir",
        "names/a/history", "names/a/history/0", "names/a/samples", "names/a/label",
        "names/a/data", "names/a/class", "names/a/raw", "nodes", "metrics", "messages", "control",
        "transactions", "transactions/t", "transactions/t/objects",
        "transactions/t/names/a/balance", "snapshots", "snapshots/s", "snapshots/s/objects",
        "snapshots/s/names/a/balance", "names/a/.tmp1", "names/none",
    ]
    private static let edges: [Int] = [
        0, 1, 2, 3, 511, 4095, 4096, 1 << 20, 1 << 31 - 1, 1 << 31, 1 << 32 - 1, 1 << 32, 65 << 39,
        63 << 39, 64 << 39 - 8, 1 << 45, 1 << 60, .max - 8, .max, .min, -1, -4096,
    ]

    init(_ mount: TestMount, _ random: SeededGenerator) {
        root = mount.one
        self.random = random
        unsafe buffer = .allocate(byteCount: Self.bufferBytes, alignment: 4096)
        unsafe _ = buffer.initializeMemory(as: UInt8.self, repeating: UInt8(ascii: "7"))
        unsafe numbers = .allocate(capacity: 4)
        unsafe name = strdup("user.rainbow.class")
    }

    func end() {
        unsafe buffer.deallocate()
        unsafe numbers.deallocate()
        unsafe free(name)
    }

    private mutating func number() -> Int {
        switch Int.random(in: 0..<5, using: &random) {
        case 0: Self.edges.randomElement(using: &random) ?? 0
        case 1:
            1 << Int.random(in: 0..<63, using: &random) &+ Int.random(in: -8...8, using: &random)
        case 2: Int.random(in: .min ... .max, using: &random)
        case 3: Int.random(in: 0...70, using: &random) << 39 &+ 0x1000
        default: Int.random(in: 0...5000, using: &random)
        }
    }

    /// Of bytes, that the buffer has room for, or of none that there could be.
    private mutating func size() -> Int {
        Int.random(in: 0..<8, using: &random) == 0
            ? 0 : Int.random(in: 0...Self.bufferBytes, using: &random)
    }

    private mutating func path() -> String {
        "\(root)/\(Self.paths.randomElement(using: &random) ?? "")"
    }

    private mutating func call(_ name: String, _ number: Int32, _ arguments: Int...) {
        let all = arguments + repeatElement(0, count: 6 - arguments.count)
        last = "\(name) \(arguments)"
        count += 1
        _ = rainbow_system_call(Int(number), all[0], all[1], all[2], all[3], all[4], all[5])
    }

    /// One open file with some calls on it, and one call on a path.
    mutating func round() {
        let flags = [
            Int(O_RDONLY), Int(O_RDWR), Int(O_WRONLY), Int(O_RDWR | O_TRUNC),
            Int(O_WRONLY | O_APPEND),
            number() & ~Int(O_CREAT | O_EXCL) & 0x3f_ffff,
        ]
        let path = path()
        let file = unsafe open(
            path, Int32(truncatingIfNeeded: flags.randomElement(using: &random) ?? 0) | O_NONBLOCK)
        if file >= 0 {
            for _ in 0..<8 { onFile(Int(file)) }
            close(file)
        }
        let other = self.path()
        unsafe path.withCString { path in
            unsafe other.withCString { other in
                onPath(Int(bitPattern: path), Int(bitPattern: other))
            }
        }
    }

    private mutating func onFile(_ file: Int) {
        let place = Int(bitPattern: unsafe buffer.baseAddress)
        switch Int.random(in: 0..<15, using: &random) {
        case 0: call("lseek", SYS_lseek, file, number(), Int.random(in: 0...4, using: &random))
        case 1, 2:
            call("lseek", SYS_lseek, file, number(), 0)
            call("getdents64", SYS_getdents64, file, place, size())
        case 3: call("pread", SYS_pread64, file, place, size(), number())
        case 4: call("pwrite", SYS_pwrite64, file, place, size() & 0xfff, number())
        case 5: call("ftruncate", SYS_ftruncate, file, number())
        case 6: call("fallocate", SYS_fallocate, file, number() & 0x7f, number(), number())
        case 7: call("fsync", SYS_fsync, file)
        case 8:
            var polled = pollfd(
                fd: Int32(file), events: Int16(truncatingIfNeeded: number()), revents: 0)
            unsafe _ = poll(&polled, 1, 0)
        case 9: call("fchmod", SYS_fchmod, file, number() & 0xfff | 0o700)
        case 10: call("flock", SYS_flock, file, number() & 15 | 4)
        case 11: call("ioctl", SYS_ioctl, file, number() & 0xffff_ffff, 0)
        case 12: call("fadvise", SYS_fadvise64, file, number(), number(), number() & 7)
        case 13: setTimes(file, 0)
        default: copy(file)
        }
    }

    private mutating func setTimes(_ folder: Int, _ path: Int) {
        for index in 0..<4 { unsafe numbers[index] = number() }
        let parts = [number(), 0x3fff_ffff, 0x3fff_fffe, 7]
        unsafe numbers[1] = parts.randomElement(using: &random) ?? 0
        call("utimensat", SYS_utimensat, folder, path, unsafe Int(bitPattern: numbers), 0)
    }

    private mutating func copy(_ file: Int) {
        let other = unsafe open(path(), O_RDWR | O_NONBLOCK)
        guard other >= 0 else { return }
        defer { close(other) }
        for index in 0..<2 { unsafe numbers[index] = number() }
        let place = unsafe Int(bitPattern: numbers)
        let count = size()
        if Bool.random(using: &random) {
            call(
                "copy_file_range", SYS_copy_file_range, file, place, Int(other), place + 8, count, 0
            )
        } else {
            call("sendfile", SYS_sendfile, Int(other), file, place, count)
        }
    }

    private mutating func onPath(_ path: Int, _ other: Int) {
        let (place, here) = (Int(bitPattern: unsafe buffer.baseAddress), Int(AT_FDCWD))
        let name = unsafe Int(bitPattern: name)
        switch Int.random(in: 0..<12, using: &random) {
        case 0: call("access", SYS_access, path, number())
        case 1: call("getxattr", SYS_getxattr, path, name, place, size())
        case 2: call("listxattr", SYS_listxattr, path, place, size())
        case 3:
            call("setxattr", SYS_setxattr, path, name, place, size(), number() & 3)
        case 4: call("truncate", SYS_truncate, path, number())
        case 5: call("renameat2", SYS_renameat2, here, path, here, other, number() & 7)
        case 6: call("statx", SYS_statx, here, path, number() & 0x7900, number(), place)
        case 7: call("readlink", SYS_readlink, path, place, size())
        case 8: call("chown", SYS_lchown, path, number() & 0xffff_ffff, number() & 0xffff_ffff)
        case 9: call("mknod", SYS_mknod, path, number() & 0xffff, number())
        case 10: setTimes(here, path)
        default: call("statfs", SYS_statfs, path, place)
        }
    }
}
