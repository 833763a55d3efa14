import CFuse
import CLinux
import Glibc
import Logging

/// What the callbacks of one mount share. libfuse hands it back with each request; the mount
/// that runs the session keeps it alive.
final class FileSystem: Sendable {
    let tree: Tree
    let log: Logger
    let listing: ListingMode
    let kept: KeptAttributes
    let sentences = CallerSentences()
    let parked = ParkedReads()
    let polls = PollHandles()
    let followed = FollowedFiles()
    let texts = ShownTexts()
    let fresh = FreshOpens()
    let pages = KeptPages()
    let waiting: WaitingRequests

    /// Whether somebody waits for commits.
    var hasListeners: Bool {
        !tree.events.isEmpty || !polls.isEmpty || !pages.isEmpty
    }

    init(tree: Tree, kept: KeptAttributes, log: Logger, options: MountOptions) {
        self.tree = tree
        waiting = WaitingRequests(tree.space)
        self.kept = kept
        self.log = log
        tree.space.setWaitCheck { RequestScope.mayWait }
        listing = options.listing
        // Weak: a mount that failed is to leave its space.
        RequestScope.interruptCheck.withLock { check in
            check = { [weak waiting = self.waiting] number in
                guard let request = unsafe fuse_req_t(bitPattern: number) else { return false }
                return unsafe fuse_req_interrupted(request) != 0
                    || waiting?.isRerunInterrupted ?? false
            }
        }
    }

    static func of(_ request: fuse_req_t) -> FileSystem {
        unsafe Unmanaged<FileSystem>.fromOpaque(fuse_req_userdata(request)).takeUnretainedValue()
    }

    /// Answers with the error, after its sentence was put where the user can read it. A request
    /// that was only kept from what it wanted is not answered yet.
    func fail(
        _ reply: consuming Reply, _ error: TreeError, _ operation: Operation, for caller: Caller
    ) {
        if let wait = error.wait {
            return unsafe waiting.add(reply.handOver(), operation, wait)
        }
        if operation.expects(error.errno) {
            sentences.forget(caller)
        } else {
            sentences.note(error.errno, error.message, for: caller)
            record(error, operation, by: caller, for: caller.uid)
        }
        reply.fail(error.errno)
    }

    /// Puts an error into `messages`.
    ///
    /// - Parameters:
    ///   - caller: who waits for the answer, if anybody does.
    ///   - user: who may read it, beside the owner of the space and root.
    func record(
        _ error: TreeError, _ operation: Operation, by caller: Caller?, for user: UInt32
    ) {
        var facts: [String] = []
        if let caller, caller.thread != 0 {
            facts.append("pid \(caller.process) " + (ProcessName.of(caller.thread) ?? "?"))
        }
        if let path = error.subject.flatMap({ tree.path(of: $0) }) { facts.append(path) }
        let origin = facts.isEmpty ? "" : " [" + facts.joined(separator: ", ") + "]"
        let sentence =
            "\(operation.name): \(ErrorName.of(error.errno)): \(error.message)" + origin
        tree.messages.add(sentence, for: user)
        log.debug("\(sentence)")
    }
}

/// What the kernel asks for, as `messages` calls it.
enum Operation: String {
    case lookup, getattr, setattr, access, readlink, mknod, mkdir, unlink, rmdir, symlink, rename,
        link
    case open, read, write, poll, flush, fsync, release, create, opendir, readdir, statfs
    case copyFileRange = "copy_file_range"
    case setxattr, getxattr, listxattr, removexattr

    var name: String { rawValue }

    /// Whether the error is an everyday answer: shells look for names that are not there, and ls(1)
    /// for attributes.
    func expects(_ error: Int32) -> Bool {
        switch self {
        case .lookup: error == ENOENT
        // Programs then read and write.
        case .copyFileRange: error == EINVAL
        case .getxattr, .listxattr: error == ENODATA || error == ENOTSUP
        default: false
        }
    }
}

enum ErrorName {
    /// The symbol that manual pages use, such as `EINVAL`.
    static func of(_ error: Int32) -> String {
        guard let name = unsafe rainbow_error_name(error) else { return "error \(error)" }
        return unsafe String(cString: name)
    }
}
