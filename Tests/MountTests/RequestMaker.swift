import Glibc
import TestSupport

/// Makes requests of the FUSE protocol with numbers that a kernel may pass, and with those that it
/// should not. It learns nodes and open files from the answers: most requests mean something.
struct RequestMaker {
    struct Request {
        var operation: FuseOperation
        var node: UInt64
        var body = RequestBody()
        var user: UInt32 = geteuid()
        /// An open file that is closed by this.
        var closes: UInt64?
    }

    private var random: SeededGenerator
    private(set) var nodes: [UInt64] = [1]
    private var files: [UInt64] = []
    private var directories: [UInt64] = []
    private static let knownMax = 400

    init(_ random: SeededGenerator) { self.random = random }

    static let names = [
        "objects", "regions", "transactional", "bank", "allocator", "classes", "Account", "names",
        "a", "nodes", "1", "events", "metrics", "messages", "control", "transactions", "t",
        "snapshots", "s", "status", "balance", "samples", "label", "data", "heir", "history", "0",
        "class", "raw", ".tmp1", "Cu123456", "new", "", ".", "x~", "0x8000001028",
        String(repeating: "n", count: 255), String(repeating: "n", count: 300),
    ]

    private static let texts = [
        "7\n", "1 2 3\n", "abcdef", "new Account *3\n", "new Account balance=1", "capacity 64K\n",
        "set names/a balance=3\n", "help\n", "commit\n", "abort\n", "restart\n", "hold\n",
        "int64 x\n", "names/a\n", "clear messages\n", "null", "",
    ]

    private static let edges: [UInt64] = [
        0, 1, 2, 3, 4095, 4096, 1 << 20, 1 << 31 - 1, 1 << 31, 1 << 32 - 1, 1 << 32, 65 << 39,
        64 << 39, 63 << 39 - 1, 1 << 45 - 1, 1 << 60, 1 << 63 - 1, 1 << 63, .max - 8, .max - 1,
        .max,
    ]

    // MARK: Numbers

    private mutating func chance(_ one: Int, in all: Int) -> Bool {
        Int.random(in: 0..<all, using: &random) < one
    }

    mutating func number() -> UInt64 {
        let near = UInt64(bitPattern: Int64.random(in: -16...16, using: &random))
        switch Int.random(in: 0..<8, using: &random) {
        case 0: return RequestMaker.edges.randomElement(using: &random) ?? 0
        case 1: return 1 << UInt64.random(in: 0..<64, using: &random) &+ near
        case 2: return UInt64.random(in: 0 ... .max, using: &random)
        case 3: return UInt64.random(in: 0...4096, using: &random)
        case 4: return UInt64.random(in: 0...70, using: &random) << 39 &+ near &* 8
        case 5: return (nodes.randomElement(using: &random) ?? 0) &+ near
        case 6: return (nodes.randomElement(using: &random) ?? 0) & (1 << 45 - 1) &+ near
        default: return (files.randomElement(using: &random) ?? 0) &+ near
        }
    }

    private mutating func number32() -> UInt32 { UInt32(truncatingIfNeeded: number()) }

    private mutating func node() -> UInt64 {
        chance(7, in: 8) ? nodes.randomElement(using: &random) ?? 1 : number()
    }

    /// Of a file, now and then of a directory.
    private mutating func file() -> UInt64 {
        if chance(1, in: 16) { return number() }
        let known = chance(1, in: 16) ? directories : files
        return known.randomElement(using: &random) ?? 0
    }

    private mutating func directory() -> UInt64 {
        if chance(1, in: 16) { return number() }
        let known = chance(1, in: 16) ? files : directories
        return known.randomElement(using: &random) ?? 0
    }

    private mutating func name() -> [UInt8] {
        if chance(1, in: 32) { return [0xff, 0x41] }
        return Array((RequestMaker.names.randomElement(using: &random) ?? "").utf8)
    }

    private mutating func flags() -> UInt32 {
        if chance(1, in: 4) { return number32() }
        let access = UInt32.random(in: 0...2, using: &random)
        return access | [0, 0, UInt32(O_TRUNC), UInt32(O_APPEND)].randomElement(using: &random)!
    }

    // MARK: Learning

    mutating func learn(_ request: Request, _ reply: FakeKernel.Reply) {
        if let closed = request.closes {
            files.removeAll { $0 == closed }
            directories.removeAll { $0 == closed }
        }
        guard reply.error == 0 else { return }
        switch request.operation {
        case .lookup, .mkdir, .symlink: add(reply.body, at: 0, to: \.nodes)
        case .create:
            add(reply.body, at: 0, to: \.nodes)
            add(reply.body, at: 128, to: \.files)
        case .open: add(reply.body, at: 0, to: \.files)
        case .opendir: add(reply.body, at: 0, to: \.directories)
        default: break
        }
    }

    private mutating func add(
        _ body: [UInt8], at offset: Int, to known: WritableKeyPath<RequestMaker, [UInt64]>
    ) {
        guard body.count >= offset + 8 else { return }
        let number = unsafe body.withUnsafeBytes {
            unsafe $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        }
        guard number != 0, !self[keyPath: known].contains(number) else { return }
        if self[keyPath: known].count >= RequestMaker.knownMax {
            self[keyPath: known].remove(
                at: Int.random(in: 1..<RequestMaker.knownMax, using: &random))
        }
        self[keyPath: known].append(number)
    }

    // MARK: Requests

    /// One of each kind in turn would leave the tables empty: most are looked up and opened.
    mutating func next() -> Request {
        let likely: [FuseOperation] = [
            .lookup, .lookup, .open, .opendir, .read, .write, .readdir, .readdirplus, .getattr,
            .release,
        ]
        let operation =
            chance(1, in: 2)
            ? likely.randomElement(using: &random)!
            : FuseOperation.allCases.randomElement(
                using: &random)!
        var request = Request(operation: operation, node: node())
        if chance(1, in: 16) { request.user = number32() }
        fill(&request)
        return request
    }

    private mutating func fill(_ request: inout Request) {
        switch request.operation {
        case .read, .write, .release, .flush, .fsync, .readdir, .readdirplus, .releasedir,
            .fsyncdir,
            .poll, .fallocate, .lseek, .copyFileRange, .getlk, .setlk, .setlkw, .ioctl:
            fillForOpenFile(&request)
        case .lookup, .unlink, .rmdir, .removexattr: request.body.add(name())
        case .forget: request.body.add64(number())
        case .getattr:
            request.body.add32(chance(1, in: 2) ? 1 : 0, 0)
            request.body.add64(file())
        case .setattr: fillAttributes(&request)
        case .symlink:
            request.body.add(name())
            request.body.add(Array("../objects/0x0000008000001028".utf8))
        case .mknod:
            request.body.add32(number32(), number32(), 0, 0)
            request.body.add(name())
        case .mkdir:
            request.body.add32(number32(), 0)
            request.body.add(name())
        case .rename, .link:
            request.body.add64(node())
            request.body.add(name())
            if request.operation == .rename { request.body.add(name()) }
        case .rename2:
            request.body.add64(node())
            request.body.add32(chance(1, in: 2) ? 0 : number32(), 0)
            request.body.add(name())
            request.body.add(name())
        case .open, .opendir: request.body.add32(flags(), number32())
        case .create, .tmpfile:
            request.body.add32(flags(), number32(), 0, 0)
            request.body.add(name())
        case .setxattr:
            let value = [UInt8](repeating: 7, count: Int.random(in: 0...70, using: &random))
            request.body.add32(UInt32(value.count), number32())
            request.body.add(Array("user.rainbow.version".utf8))
            request.body.bytes += value
        case .getxattr:
            request.body.add32(number32(), 0)
            request.body.add(Array("user.rainbow.class".utf8))
        case .listxattr: request.body.add32(number32(), 0)
        case .access: request.body.add32(number32(), 0)
        case .bmap:
            request.body.add64(number())
            request.body.add32(number32(), 0)
        case .batchForget:
            request.body.add32(2, 0)
            request.body.add64(node(), number(), number(), 1)
        case .interrupt: request.body.add64(number())
        case .statx:
            request.body.add32(number32(), 0)
            request.body.add64(file())
            request.body.add32(number32(), number32())
        case .syncfs: request.body.add64(0)
        case .statfs, .readlink: break
        // A second beginning is the mount's and the library's business, not the callbacks'.
        case .initialize: request.operation = .statfs
        }
    }

    private mutating func fillForOpenFile(_ request: inout Request) {
        let offset = number()
        switch request.operation {
        case .read:
            request.body.add64(file(), chance(1, in: 2) ? 0 : offset)
            request.body.add32(chance(1, in: 2) ? 4096 : number32(), number32())
            request.body.add64(number())
            request.body.add32(number32(), 0)
        case .write:
            let text = Array((RequestMaker.texts.randomElement(using: &random) ?? "").utf8)
            request.body.add64(file(), chance(1, in: 2) ? 0 : offset)
            request.body.add32(UInt32(text.count), 0)
            request.body.add64(number())
            request.body.add32(number32(), 0)
            request.body.bytes += text
        case .readdir, .readdirplus:
            request.body.add64(directory(), offset)
            request.body.add32(chance(1, in: 2) ? 4096 : number32(), number32())
            request.body.add64(0)
            request.body.add32(0, 0)
        case .release, .releasedir:
            let closed = request.operation == .release ? file() : directory()
            request.closes = closed
            request.body.add64(closed)
            request.body.add32(number32(), number32())
            request.body.add64(number())
        case .flush:
            request.body.add64(file())
            request.body.add32(0, 0)
            request.body.add64(number())
        case .poll:
            request.body.add64(file(), number())
            request.body.add32(UInt32.random(in: 0...1, using: &random), number32())
        case .fallocate:
            request.body.add64(file(), offset, number())
            request.body.add32(number32(), 0)
        case .lseek:
            request.body.add64(file(), offset)
            request.body.add32(UInt32.random(in: 0...5, using: &random), 0)
        case .copyFileRange:
            request.body.add64(file(), offset, node(), file())
            request.body.add64(number(), number(), number())
        case .getlk, .setlk, .setlkw:
            request.body.add64(file(), number(), offset, number())
            request.body.add32(number32(), number32(), number32(), 0)
        case .ioctl:
            request.body.add64(file())
            request.body.add32(number32(), number32())
            request.body.add64(number())
            request.body.add32(0, number32())
        default:
            request.body.add64(request.operation == .fsyncdir ? directory() : file())
            request.body.add32(number32(), 0)
        }
    }

    private mutating func fillAttributes(_ request: inout Request) {
        request.body.add32(chance(1, in: 2) ? 8 : number32(), 0)
        request.body.add64(file(), number(), number(), number(), number(), number())
        request.body.add32(number32(), number32(), number32(), number32(), 0)
        request.body.add32(number32(), number32(), 0)
    }
}
