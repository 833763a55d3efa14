import Glibc
import RainbowCore

/// What a node is in one transaction.
struct Description: Equatable, Sendable {
    var attributes: Attributes
    /// Whether its name means this node for as long as the directory lives.
    var isPermanent = false
}

/// What setattr wants changed; nil: left as it is.
struct AttributeChange: Sendable {
    /// Permission bits.
    var mode: UInt32?
    var uid: UInt32?
    var gid: UInt32?
    var size: UInt64?
    var times = TimesChange.none
    /// By ftruncate(2): whether the size may be changed was asked when the file was opened.
    var isOpen = false

    /// Whether anything is to change but times, which are those of commits.
    var changes: Bool { mode != nil || uid != nil || gid != nil || size != nil }
}

/// Which times setattr wants set.
enum TimesChange: Sendable {
    case none
    /// Both, to the present.
    case now
    /// One of them, or to times that it names.
    case given
}

/// How a file is opened or created, and by whom.
struct OpenRequest: Sendable {
    /// As for open(2).
    var flags: Int32
    /// Permission bits of what is created.
    var mode: UInt32 = 0
    var caller: Caller

    var reads: Bool { flags & O_ACCMODE != O_WRONLY }
    var writes: Bool { flags & O_ACCMODE != O_RDONLY }
    var truncates: Bool { flags & O_TRUNC != 0 && writes }
}

/// A node of the tree as its kind sees it: a number that knows what can be done with it.
///
/// A kind of node states what it can do; what it does not state fails with the error that users
/// know from other file systems. Functions with a transaction may run several times.
protocol Node: Sendable {
    var view: View { get }
    var id: NodeID { get }
    /// Whether it stays when what its view shows has ended: then the transaction that its functions
    /// get is one of the present.
    var outlivesView: Bool { get }
    var isLink: Bool { get }
    /// This, if it is a directory.
    var directory: (any DirectoryNode)? { get }

    func describe(_ tx: inout Transaction) throws -> Description
    /// The object that the description is made from, and from nothing else but its allocator's
    /// owner and mode; nil: from something else.
    func describedObject(_ tx: inout Transaction) throws -> ObjectInfo?
    /// What the caller is shown as the size of a file, where that depends on the caller.
    func size(for caller: Caller, _ attributes: Attributes) -> UInt64
    func change(_ change: AttributeChange, _ tx: inout Transaction) throws
    /// Its times are set to the present, if they are not those of commits.
    func touch()
    /// Throws what opening for writing would throw, whatever the mode allows.
    func checkWritable(_ tx: inout Transaction) throws
    func readLink(_ tx: inout Transaction) throws -> String
    /// Opens what is in the space, in the transaction that checked whether the caller may; nil:
    /// `open(_:)` does it, after that.
    func open(_ request: OpenRequest, _ tx: inout Transaction) throws -> OpenFile?
    /// Opens what is not in the space, or takes more than a transaction.
    func open(_ request: OpenRequest) throws -> OpenFile
    /// Pairs of a name below `user.rainbow.` and a value.
    func extendedAttributes(_ tx: inout Transaction) throws -> [(name: String, value: String)]
}

extension Node {
    var outlivesView: Bool { false }

    var isLink: Bool { false }

    var directory: (any DirectoryNode)? { nil }

    func describedObject(_ tx: inout Transaction) throws -> ObjectInfo? { nil }

    func change(_ change: AttributeChange, _ tx: inout Transaction) throws {
        try refuseChange(change, describe(&tx), "The owner and the mode of this cannot be changed.")
    }

    /// Lets through a change to what is the case already, which `cp -p`, tar and editors ask for,
    /// and a truncation to nothing, which changes nothing.
    func refuseChange(_ change: AttributeChange, _ now: Description, _ sentence: String) throws {
        let attributes = now.attributes
        let isSame =
            (change.mode ?? attributes.mode) & 0o7777 == attributes.mode & 0o7777
            && change.uid ?? attributes.uid == attributes.uid
            && change.gid ?? attributes.gid == attributes.gid
        guard isSame else { throw TreeError(EPERM, sentence) }
        try refuseResize(change, attributes)
    }

    func refuseResize(_ change: AttributeChange, _ attributes: Attributes) throws {
        guard let size = change.size, size != 0, size != attributes.size else { return }
        throw TreeError(
            EPERM,
            "The size of this file cannot be changed: it is that of what the file stands for.")
    }

    func size(for caller: Caller, _ attributes: Attributes) -> UInt64 { attributes.size }

    func touch() {}

    func checkWritable(_ tx: inout Transaction) throws {}

    func readLink(_ tx: inout Transaction) throws -> String {
        throw TreeError(EINVAL, "This is not a symbolic link.")
    }

    func open(_ request: OpenRequest, _ tx: inout Transaction) throws -> OpenFile? { nil }

    func open(_ request: OpenRequest) throws -> OpenFile {
        throw TreeError(EISDIR, "This is a directory, which is read with ls.")
    }

    func extendedAttributes(_ tx: inout Transaction) throws -> [(name: String, value: String)] {
        []
    }
}

/// A node that shows the object at its address, and nothing else.
protocol ObjectNode: Node {}

extension ObjectNode {
    func describedObject(_ tx: inout Transaction) throws -> ObjectInfo? {
        ObjectInfo(address: id.address, descriptor: try tx.descriptor(of: id.address))
    }
}

/// A file whose text is made when it is opened.
protocol TextNode: Node {}

extension TextNode {
    func checkWritable(_ tx: inout Transaction) throws { throw OpenText.refusal }

    func refuseWriting(_ request: OpenRequest) throws {
        guard !request.writes else { throw OpenText.refusal }
    }
}

/// A symbolic link whose target is made from an address.
protocol LinkNode: Node {}

extension LinkNode {
    var isLink: Bool { true }

    func open(_ request: OpenRequest) throws -> OpenFile {
        throw TreeError(ELOOP, "This is a symbolic link; open what it points to.")
    }

    func change(_ change: AttributeChange, _ tx: inout Transaction) throws {}

    /// The description of a link with this target.
    func link(_ target: String, _ ownership: Ownership, version: UInt64) -> Description {
        var ownership = ownership
        ownership.mode = 0o777
        return Description(
            attributes: view.attributes(
                id, S_IFLNK, ownership, size: UInt64(target.systemByteCount), version: version))
    }
}

extension Ownership {
    /// This, with what a change asks for.
    func changed(_ change: AttributeChange) -> Ownership {
        Ownership(
            uid: change.uid ?? uid, gid: change.gid ?? gid,
            mode: change.mode.map { UInt16(truncatingIfNeeded: $0 & 0o7777) } ?? mode)
    }

    /// What the caller makes belongs to the caller.
    init(_ request: OpenRequest) {
        self.init(
            uid: request.caller.uid, gid: request.caller.gid,
            mode: UInt16(truncatingIfNeeded: request.mode & 0o7777))
    }
}

/// nil where the object layer says that there is no such thing, or that nothing can have the name.
func optional<R>(_ body: () throws -> R) throws -> R? {
    do {
        return try body()
    } catch ObjectError.notFound, ObjectError.invalid, ObjectError.nameTooLong {
        return nil
    }
}

/// The users' part of a table that holds their things and the space's own, or the other part.
enum SystemPart: Sendable {
    case user
    case system
}
