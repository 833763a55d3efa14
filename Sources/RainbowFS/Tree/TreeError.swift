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

    /// The one place where errors of the layers below become numbers of the C library.
    init(_ error: any Error) {
        switch error {
        case let error as TreeError: self = error
        case let error as ObjectError: self.init(TreeError.errno(of: error.kind), error.message)
        case let error as TransactionError: self.init(transaction: error)
        case SpaceError.busy(let wait): self.init(wait)
        case let error as SpaceError: self.init(error.errno, TreeError.sentence(error.description))
        default: self.init(EIO, "Something failed that should not: \(error).")
        }
    }

    private init(transaction error: TransactionError) {
        switch error {
        case .conflict:
            self.init(ECANCELED, "Another transaction changed what this one read. Try again.")
        case .invalidAddress(let address):
            self.init(EINVAL, "The address \(address) lies in no region of the space.")
        case .noSuchField(let object):
            self.init(EINVAL, "The object at \(object) has no such field or element.")
        case .unavailable(ESTALE):
            self.init(
                ESTALE,
                "Somebody removed the files of the space before this mount used that region. What"
                    + " it used already goes on; unmount and mount to have the new space.")
        case .unavailable(let errno):
            self.init(
                errno,
                "The machine did not let this process look at a region of the space:"
                    + " \(unsafe String(cString: strerror(errno))). Nothing is wrong with the"
                    + " space; try again.")
        case .damaged(let address):
            self.init(
                EIO,
                "The space is damaged at \(address): something else wrote into its files. Save what"
                    + " can be read, and run rainbowfs fsck to see more.")
        case .outOfMemory:
            self.init(
                ENOSPC,
                "The memory of the space or of the machine is full, and a space gives none back"
                    + " before it is destroyed. Mount it with a larger size=, or look what takes"
                    + " the machine's shared memory (rainbowfs ls, df).")
        case .tooLarge:
            self.init(
                EFBIG,
                "One transaction can write \(Transaction.bytesMax) bytes, in whole lines of"
                    + " \(Address.lineSize), and make objects of \(Transaction.fillBytesMax) bytes"
                    + " besides; this is more. Do it in several transactions.")
        case .stale:
            self.init(
                ESTALE,
                "The transaction or snapshot has ended, or the old versions that it reads had to be"
                    + " given up for want of memory; mount with a larger snapshot_memory=.")
        case .busy(let wait): self.init(wait)
        case .readOnly:
            self.init(EROFS, "The space is attached for reading only.")
        }
    }

    private init(_ wait: Wait) {
        self.init(EBUSY, "Another process is in the way and does not go on. Try again.")
        self.wait = wait
    }

    /// The layers below say what is wrong in half a sentence.
    private static func sentence(_ text: String) -> String {
        text.prefix(1).uppercased() + text.dropFirst() + "."
    }

    static func errno(of kind: ObjectError.Kind) -> Int32 {
        switch kind {
        case .invalid: EINVAL
        case .range: ERANGE
        case .notPermitted: EPERM
        case .full: ENOSPC
        case .busy: EBUSY
        case .notEmpty: ENOTEMPTY
        case .exists: EEXIST
        case .notFound: ENOENT
        case .nameTooLong: ENAMETOOLONG
        case .tooBig: EFBIG
        }
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
