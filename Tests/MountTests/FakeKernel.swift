import Glibc
import TestSupport

/// The kernel's side of the FUSE protocol (linux/fuse.h), spoken to a daemon over a socket in place
/// of /dev/fuse, so that a test can say what no kernel would.
final class FakeKernel {
    struct Reply {
        /// The request that is answered; 0 for what the daemon says by itself.
        var unique: UInt64
        /// 0 or an errno.
        var error: Int32
        var body: [UInt8]
    }

    /// The daemon hung up: it has ended.
    struct Ended: Error {}

    let daemon: Child
    private let socket: Int32
    private var unique: UInt64 = 0
    private var buffer = [UInt8](repeating: 0, count: 2 << 20)

    static let headerBytes = 40
    private static let replyHeaderBytes = 16
    private static let socketBytes: Int32 = 4 << 20

    /// Starts a daemon of the space, which takes its end of the socket for a mount that is made.
    init(_ space: String, environment: [String: String], options: [String] = []) throws {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            throw SystemFailure("make a pair of sockets")
        }
        for end in ends { FakeKernel.widen(end) }
        defer { close(ends[1]) }
        socket = ends[0]
        daemon = try Child(
            RainbowBinary.path, [space, "/dev/fd/3", "-f", "-o", "noclone_fd"] + options,
            environment: environment, descriptor: ends[1])
        var start = RequestBody()
        start.add32(7, 38, 128 << 10, 0)
        start.addZeros(48)
        let agreed = try answer(to: send(.initialize, node: 0, start))
        guard agreed?.error == 0 else { throw SystemFailure("agree on a protocol", EPROTO) }
    }

    deinit {
        daemon.kill()
        close(socket)
    }

    /// So that a message has room for what one request can carry, as far as this user may.
    private static func widen(_ end: Int32) {
        var bytes = socketBytes
        let size = socklen_t(MemoryLayout<Int32>.size)
        for option in [SO_SNDBUF, 32] {
            unsafe _ = setsockopt(end, SOL_SOCKET, option, &bytes, size)
        }
    }

    /// - Returns: the number that the answer will name.
    @discardableResult
    func send(
        _ operation: FuseOperation, node: UInt64, _ body: RequestBody, user: UInt32 = geteuid()
    ) throws -> UInt64 {
        unique += 2
        var message = RequestBody()
        message.add32(UInt32(FakeKernel.headerBytes + body.bytes.count), operation.rawValue)
        message.add64(unique, node)
        message.add32(user, getegid(), UInt32(getpid()), 0)
        message.bytes += body.bytes
        let sent = unsafe Glibc.send(
            socket, message.bytes, message.bytes.count, Int32(MSG_NOSIGNAL))
        guard sent == message.bytes.count else { throw Ended() }
        return unique
    }

    /// The next message of the daemon; nil if none comes in time.
    func receive(milliseconds: Int32) throws -> Reply? {
        var ready = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&ready, 1, milliseconds) > 0 else { return nil }
        let count = unsafe recv(socket, &buffer, buffer.count, 0)
        guard count >= FakeKernel.replyHeaderBytes else { throw Ended() }
        return unsafe buffer.withUnsafeBytes { bytes in
            unsafe Reply(
                unique: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
                error: -bytes.loadUnaligned(fromByteOffset: 4, as: Int32.self),
                body: Array(bytes[FakeKernel.replyHeaderBytes..<count]))
        }
    }

    /// The answer to a request, other messages left out; nil if it takes longer than a minute.
    func answer(to unique: UInt64) throws -> Reply? {
        while let reply = try receive(milliseconds: 60_000) {
            if reply.unique == unique { return reply }
        }
        return nil
    }

    /// Ends the daemon as a user would.
    func end() -> ChildStatus {
        daemon.sendSignal(SIGTERM)
        return daemon.wait()
    }
}

/// The numbers of operations in the protocol.
enum FuseOperation: UInt32, CaseIterable {
    case lookup = 1
    case forget, getattr, setattr, readlink, symlink
    case mknod = 8
    case mkdir, unlink, rmdir, rename, link, open, read, write, statfs, release
    case fsync = 20
    case setxattr, getxattr, listxattr, removexattr, flush
    case initialize = 26
    case opendir, readdir, releasedir, fsyncdir, getlk, setlk, setlkw, access, create, interrupt
    case bmap
    case ioctl = 39
    case poll
    case batchForget = 42
    case fallocate, readdirplus, rename2, lseek, copyFileRange
    case syncfs = 50
    case tmpfile, statx
}

/// What follows the header of a request.
struct RequestBody {
    var bytes: [UInt8] = []

    mutating func add64(_ numbers: UInt64...) {
        for number in numbers { unsafe withUnsafeBytes(of: number) { unsafe bytes += $0 } }
    }

    mutating func add32(_ numbers: UInt32...) {
        for number in numbers { unsafe withUnsafeBytes(of: number) { unsafe bytes += $0 } }
    }

    mutating func addZeros(_ count: Int) {
        bytes += repeatElement(0, count: count)
    }

    /// A name, which a NUL ends.
    mutating func add(_ name: [UInt8]) {
        bytes += name + [0]
    }
}
