import CFuse
import Glibc
import RainbowCore

/// The one table of callbacks. Each decodes its request, calls the tree, and replies. The closures
/// capture nothing, as C demands; the file system comes with the request.
enum Callbacks {
    static func table() -> fuse_lowlevel_ops {
        var table = fuse_lowlevel_ops()
        unsafe table.`init` = { userData, connection in
            guard let userData = unsafe userData, let connection = unsafe connection else { return }
            let system = unsafe Unmanaged<FileSystem>.fromOpaque(userData).takeUnretainedValue()
            unsafe Connection.negotiate(&connection.pointee, system.listing)
        }
        addNodes(to: &table)
        addNames(to: &table)
        addFiles(to: &table)
        addPolling(to: &table)
        addDirectories(to: &table)
        addExtendedAttributes(to: &table)
        return table
    }

    /// The path of a request that is answered: the tree works it out, then there is one reply, with
    /// what came of it or with the error.
    @inline(__always)
    static func serve<Answer>(
        _ request: fuse_req_t?, _ operation: Operation,
        _ work: (Call) throws(TreeError) -> Answer,
        answer: (consuming Reply, Answer) -> Void
    ) {
        guard let request = unsafe request else { return }
        let call = unsafe Call(request)
        let reply = unsafe Reply(request)
        let outcome = RequestScope.serving(UInt(bitPattern: request)) {
            Result { () throws(TreeError) in try work(call) }
        }
        switch outcome {
        case .success(let result): answer(reply, result)
        case .failure(let error): call.system.fail(reply, error, operation, for: call.caller)
        }
    }
}

/// Whether the kernel asks for attributes together with the names of a directory. By itself it does
/// so for programs that look at one entry after the other as they list them.
enum ListingMode: String, Sendable {
    case names = "no"
    case attributes = "yes"
    case automatic = "auto"
}

/// What is agreed with the kernel before the first request.
enum Connection {
    static func negotiate(_ connection: inout fuse_conn_info, _ listing: ListingMode) {
        connection.max_write = UInt32(ReplyBuffer.byteCount)
        connection.max_read = UInt32(ReplyBuffer.byteCount)
        // Else the kernel takes a file for empty from an open with O_TRUNC to the next look at its
        // attributes, and gives nothing of it to sendfile(2) of another program: see `FreshOpens`.
        connection.want &= ~UInt32(FUSE_CAP_ATOMIC_O_TRUNC)
        // Nothing here is a file descriptor, so splicing would only add system calls.
        let splice = FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE
        connection.want &= ~UInt32(splice)
        let (plus, plusAuto) = (UInt32(FUSE_CAP_READDIRPLUS), UInt32(FUSE_CAP_READDIRPLUS_AUTO))
        connection.want &= ~(plus | plusAuto)
        switch listing {
        case .names: break
        case .attributes: connection.want |= connection.capable & plus
        case .automatic: connection.want |= connection.capable & (plus | plusAuto)
        }
    }
}

/// One request: whose file system it is for, and who asks.
@safe struct Call {
    let system: FileSystem
    let caller: Caller

    init(_ request: fuse_req_t) {
        system = unsafe FileSystem.of(request)
        var caller = unsafe Caller(request)
        system.tree.space.committer = Committer(processID: caller.thread, userID: caller.uid)
        if system.pages.isDropper(caller) { caller.uid = 0 }
        self.caller = caller
    }

    var tree: Tree { system.tree }
}

extension Caller {
    init(_ request: fuse_req_t) {
        let context = unsafe fuse_req_ctx(request).pointee
        self.init(
            uid: context.uid, gid: context.gid, thread: UInt32(truncatingIfNeeded: context.pid))
    }
}

extension NodeID {
    init(_ number: fuse_ino_t) {
        self.init(rawValue: number)
    }
}

/// A name as the kernel passes it: any bytes.
func text(_ name: UnsafePointer<CChar>?) throws(TreeError) -> String {
    guard let name = unsafe name else { throw TreeError(EINVAL, "There is no name.") }
    return unsafe String(systemText: name)
}
