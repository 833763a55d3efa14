import Glibc
import RainbowCore

/// Why a request fails: a number for the program, a sentence for the person.
struct TreeError: Error, Equatable {
    var errno: Int32
    /// One or more full sentences that say what was wrong and what to do.
    var message: String
    /// What blocked it; the request changed nothing and can be run again when that is over.
    var wait: Wait?
    /// What the request was about; nil if that is not known.
    var subject: Subject?

    /// A node, or what is called so in a directory.
    struct Subject: Equatable, Sendable {
        var node: NodeID
        var name: String?
    }

    init(_ errno: Int32, _ message: String) {
        self.errno = errno
        self.message = message
    }
}

extension TreeError {
    /// Runs the body; its error then says what it is about.
    static func about<R>(
        _ node: NodeID, _ name: String? = nil, _ body: () throws(TreeError) -> R
    ) throws(TreeError) -> R {
        do throws(TreeError) {
            return try body()
        } catch {
            var error = error
            if error.subject == nil { error.subject = Subject(node: node, name: name) }
            throw error
        }
    }

    /// Runs the body; all its errors become those of the tree.
    static func translating<R>(_ body: () throws -> R) throws(TreeError) -> R {
        do {
            return try body()
        } catch {
            throw TreeError(error)
        }
    }

    /// Every error of the layers below as one of the tree.
    init(_ error: any Error) {
        switch error {
        case let error as TreeError: self = error
        case let error as ObjectError:
            self.init(TreeError.errno(of: error), TreeError.sentence(error.explanation))
        case let error as SpaceError:
            self.init(TreeError.errno(of: error), TreeError.sentence(error.explanation))
            if case .busy(let wait) = error { self.wait = wait }
        case let error as TransactionError:
            self.init(TreeError.errno(of: error), error.explanation)
            if case .busy(let wait) = error { self.wait = wait }
        default: self.init(EIO, "Something failed that should not: \(error).")
        }
    }

    /// The layers below say what is wrong in half a sentence.
    private static func sentence(_ text: String) -> String {
        text.prefix(1).uppercased() + text.dropFirst() + "."
    }

    static func notFound(_ name: String) -> TreeError {
        TreeError(ENOENT, "There is no \(quoted(name)) here.")
    }

    static func exists(_ name: String) -> TreeError {
        TreeError(EEXIST, "There is a \(quoted(name)) already.")
    }

    static let readOnlyMount = TreeError(
        EROFS, "This mount is for reading only. Mount again without -o ro to write.")

    static let readOnlySnapshot = TreeError(
        EROFS, "A snapshot stays as it is. Write to the present, or in a transaction.")

    /// The text in quotes, cut to a length that fits a sentence.
    static func quoted(_ text: some StringProtocol) -> String {
        let shown = text.prefix(80)
        return "\"" + shown + (shown.endIndex < text.endIndex ? "...\"" : "\"")
    }
}

/// The one place where errors of the layers below become numbers of the C library.
extension TreeError {
    static func errno(of error: ObjectError) -> Int32 {
        switch error {
        case .notFound: ENOENT
        case .exists: EEXIST
        case .invalid: EINVAL
        case .notPermitted: EPERM
        case .busy: EBUSY
        case .notEmpty: ENOTEMPTY
        case .full: ENOSPC
        case .nameTooLong: ENAMETOOLONG
        case .tooBig: EFBIG
        }
    }

    static func errno(of error: TransactionError) -> Int32 {
        switch error {
        case .conflict: ECANCELED
        case .invalidAddress, .noSuchField: EINVAL
        case .unavailable(let errno): errno
        case .damaged: EIO
        case .outOfMemory: ENOSPC
        case .tooLarge: EFBIG
        case .stale: ESTALE
        case .busy: EBUSY
        case .readOnly: EROFS
        }
    }

    static func errno(of error: SpaceError) -> Int32 {
        switch error {
        case .badName, .badSnapshotName: EINVAL
        case .notFound: ENOENT
        case .otherFormat, .damaged: EPROTO
        case .untrusted: EPERM
        case .filesGone: ESTALE
        case .tooManyNodes, .tooManySlots, .tooManySnapshots: EAGAIN
        case .inUse, .busy: EBUSY
        case .noPageSource: ENOTSUP
        case .nested: EDEADLK
        case .snapshotExists: EEXIST
        case .detached: EBADF
        case .system(let error): error.errno
        }
    }
}
