import Glibc
import RainbowCore

/// What the layers below say of an error, and what a user of the tree and of the program can do.
extension ObjectError {
    /// Half a sentence.
    var explanation: String { advice.map { "\(self); \($0)" } ?? description }

    private var advice: String? {
        switch self {
        case .notFound(.class(let name)): "define it in classes/\(name)"
        case .invalid(.targetClass): "define it first, an empty text will do"
        case .invalid(.reference): "it is a link, not bytes"
        case .invalid(.layout): "use the rainbowfs that made it, or destroy it"
        case .invalid(.damage): "run rainbowfs fsck to see more"
        case .notPermitted(.systemObject): "they change by commands only"
        case .busy(.change): "use a new name"
        case .busy(.hasReferrers):
            "while those have no objects, rm them first, or define them again without these fields"
        case .notEmpty(.region): "rmdir removes those without objects"
        case .tooBig(.objects): "make them in several commands"
        default: nil
        }
    }
}

extension SpaceError {
    /// Half a sentence.
    var explanation: String {
        guard case .untrusted(_, let why) = self else { return description + (advice ?? "") }
        return "\(self): \(why.advice)"
    }

    private var advice: String? {
        switch self {
        case .notFound: " (rainbowfs ls shows all)"
        case .otherFormat: ": use the rainbowfs that made it, or destroy it"
        case .damaged: " (rainbowfs destroy removes it)"
        case .filesGone:
            ": rainbowfs destroy --force removes them, and so does logind when their user logs out"
                + " (RemoveIPC). What is here can be used until the last process leaves it; regions"
                + " cannot be made. Copy what is to stay"
        case .inUse: ": unmount it first"
        case .noPageSource: ": use the program that attached it before, or destroy the space"
        case .system(let error): error.limit
        default: nil
        }
    }
}

extension SystemError {
    /// Which limit of the process is likely to be the reason.
    fileprivate var limit: String? {
        switch errno {
        case EMFILE: " (ulimit -n says how many this process may have)"
        case EFBIG: " (ulimit -f limits the files of this process)"
        case ENOMEM: " (ulimit -v may limit the addresses of this process)"
        default: nil
        }
    }
}

extension Distrust {
    fileprivate var advice: String {
        switch self {
        case .notFolder, .notFile, .ownerOfFile: "see what it is, and remove it"
        case .owner(let user): "use another name; root can mount it with -o uid=\(user)"
        case .mode: "see what is there, and take that right away with chmod go-w"
        case .names: "remove all but one"
        }
    }
}

extension TransactionError {
    /// One or more full sentences.
    var explanation: String {
        switch self {
        case .conflict: "Another transaction changed what this one read. Try again."
        case .invalidAddress(let address):
            "The address \(address) lies in no region of the space."
        case .noSuchField(let object): "The object at \(object) has no such field or element."
        case .unavailable(ESTALE):
            "Somebody removed the files of the space before this mount used that region. What it"
                + " used already goes on; unmount and mount to have the new space."
        case .unavailable(let errno):
            "The machine did not let this process look at a region of the space:"
                + " \(ErrorText.of(errno)). Nothing is wrong with the space;"
                + " try again."
        case .damaged(let address):
            "The space is damaged at \(address): something else wrote into its files. Save what can"
                + " be read, and run rainbowfs fsck to see more."
        case .outOfMemory:
            "The memory of the space or of the machine is full, and a space gives none back before"
                + " it is destroyed. Mount it with a larger size=, or look what takes the machine's"
                + " shared memory (rainbowfs ls, df)."
        case .tooLarge:
            "One transaction can write \(Transaction.bytesMax) bytes, in whole lines of"
                + " \(Address.lineSize), and make objects of \(Transaction.fillBytesMax) bytes"
                + " besides; this is more. Do it in several transactions."
        case .stale:
            "The transaction or snapshot has ended, or the old versions that it reads had to be"
                + " given up for want of memory; mount with a larger snapshot_memory=."
        case .busy: "Another process holds what this needs and does not go on. Try again."
        case .readOnly: "The space is attached for reading only."
        }
    }
}

/// What the system says of the number of an error.
enum ErrorText {
    static func of(_ error: Int32) -> String {
        unsafe String(cString: strerror(error))
    }
}
