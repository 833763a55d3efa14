import Glibc
import RainbowCore
import Synchronization

/// One entry of a directory, as listing it finds it.
struct ListedEntry: Sendable {
    var name: String
    var node: NodeID
    /// Its place in the directory: keys ascend, and an entry keeps its key for life.
    var key: UInt64
    /// The type bits of `st_mode`.
    var type: UInt32
}

/// Part of a directory in one transaction.
struct DirectoryPage: Sendable {
    var entries: [ListedEntry]
    /// The key after which the next page begins; nil: there is none.
    var next: UInt64?
}

/// What becomes of a new symbolic link.
enum NewLink: Equatable, Sendable {
    case node(NodeID)
    /// It waits to be renamed over a reference.
    case pending(Address)
}

/// A directory of the tree.
protocol DirectoryNode: Node {
    /// The sentence for anyone who wants to make, remove or move what cannot be here.
    var refusal: String { get }
    /// Whether symbolic links can be made here.
    var takesLinks: Bool { get }
    /// Whose references are entries here; nil if there are none.
    func holder(_ tx: inout Transaction) throws -> ReferenceHolder?
    /// Whether the entry is a reference that refers to nothing.
    func isNull(_ name: String, _ tx: inout Transaction) throws -> Bool

    /// Waits for an entry that is about to come, because a program relies on it; nil: for all.
    func settle(_ name: String?)
    /// - Returns: nil if there is no such entry.
    func lookup(_ name: String, _ tx: inout Transaction) throws -> NodeID?
    /// - Parameter key: 0 lists from the start; keys begin at `ListingKey.first`.
    func list(after key: UInt64, limit: Int, _ tx: inout Transaction) throws -> DirectoryPage

    func makeDirectory(_ name: String, _ request: OpenRequest, _ tx: inout Transaction) throws
        -> NodeID
    func removeDirectory(_ name: String, _ tx: inout Transaction) throws
    /// Makes a directory by more than one transaction, or none, if the caller may.
    func makeDirectory(_ name: String, _ request: OpenRequest) throws -> NodeID
    func removeDirectory(_ name: String, _ caller: Caller) throws
    func unlink(_ name: String, _ tx: inout Transaction) throws
    func symlink(_ name: String, _ target: Address, _ tx: inout Transaction) throws -> NewLink
    /// Throws unless a file of this name, which is not there, can be made here.
    func checkCreate(_ name: String, _ request: OpenRequest, _ tx: inout Transaction) throws
    /// Makes the file, in this process only, after `checkCreate`.
    func create(_ name: String, _ request: OpenRequest) throws -> (NodeID, OpenFile)
    /// Moves an entry within this directory.
    func rename(_ name: String, to newName: String, flags: UInt32, _ tx: inout Transaction) throws
    /// Puts a link that was waiting in the place of an entry.
    func replace(_ name: String, with target: Address, _ tx: inout Transaction) throws
    /// Puts the content of a file that was waiting in the place of an entry.
    func replace(_ name: String, with content: [UInt8], _ tx: inout Transaction) throws
}

/// What the references in a directory belong to.
struct ReferenceHolder: Sendable {
    var object: Address
    /// The array of references whose directory it is; nil: it is that of the object.
    var array: String?

    /// The ends of the paths of the object's directory and of the array's, each from a slash on.
    var paths: [String] {
        let path = "/objects/\(object)"
        return [path] + (array.map { ["\(path)/\($0)"] } ?? [])
    }
}

/// The entries of a directory that always has the same ones.
struct FixedEntries: Sendable {
    let listed: [ListedEntry]

    init(_ nodes: NodeID.Fixed...) {
        listed = nodes.enumerated().map { index, node in
            ListedEntry(
                name: node.name, node: NodeID(node), key: ListingKey.first + UInt64(index),
                type: node.type)
        }
    }

    func find(_ name: String) -> NodeID? { listed.first { name.isSame(as: $0.name) }?.node }
}

/// Offsets 1 and 2 of a directory are after `.` and `..`.
enum ListingKey {
    static let first: UInt64 = 3
}

extension DirectoryNode {
    private var refused: TreeError { TreeError(EPERM, refusal) }

    var directory: (any DirectoryNode)? { self }

    var takesLinks: Bool { false }

    func settle(_ name: String?) {}

    func holder(_ tx: inout Transaction) throws -> ReferenceHolder? { nil }

    func isNull(_ name: String, _ tx: inout Transaction) throws -> Bool { false }

    func makeDirectory(_ name: String, _ request: OpenRequest, _ tx: inout Transaction) throws
        -> NodeID
    {
        throw try lookup(name, &tx) == nil ? refused : TreeError.exists(name)
    }

    func makeDirectory(_ name: String, _ request: OpenRequest) throws -> NodeID {
        try view.transact(for: self, [.write, .search], request.caller) { tx in
            try makeDirectory(name, request, &tx)
        }
    }

    func removeDirectory(_ name: String, _ caller: Caller) throws {
        try view.transact(for: self, caller) { tx in
            try view.requireRemoval(of: name, from: self, for: caller, &tx)
        } body: { tx in
            try removeDirectory(name, &tx)
        }
    }

    func removeDirectory(_ name: String, _ tx: inout Transaction) throws {
        throw try lookup(name, &tx) == nil ? TreeError.notFound(name) : refused
    }

    func unlink(_ name: String, _ tx: inout Transaction) throws {
        throw try lookup(name, &tx) == nil ? TreeError.notFound(name) : refused
    }

    func symlink(_ name: String, _ target: Address, _ tx: inout Transaction) throws -> NewLink {
        throw try lookup(name, &tx) == nil ? refused : TreeError.exists(name)
    }

    func checkCreate(_ name: String, _ request: OpenRequest, _ tx: inout Transaction) throws {
        throw refused
    }

    func create(_ name: String, _ request: OpenRequest) throws -> (NodeID, OpenFile) {
        throw refused
    }

    func rename(_ name: String, to newName: String, flags: UInt32, _ tx: inout Transaction) throws {
        throw try lookup(name, &tx) == nil ? TreeError.notFound(name) : refused
    }

    func replace(_ name: String, with target: Address, _ tx: inout Transaction) throws {
        throw refused
    }

    func replace(_ name: String, with content: [UInt8], _ tx: inout Transaction) throws {
        throw refused
    }

    /// A page of entries that are few: all of them are at hand.
    func page(_ entries: [ListedEntry], after key: UInt64, limit: Int) -> DirectoryPage {
        let rest = entries.filter { $0.key > key }.sorted { $0.key < $1.key }.prefix(limit)
        let isLast = rest.last?.key == entries.map(\.key).max() || rest.isEmpty
        return DirectoryPage(entries: Array(rest), next: isLast ? nil : rest.last?.key)
    }
}

/// A directory that someone has open: one a call of opendir(3).
///
/// It is a cursor. Entries are made page by page, each page in one transaction, so that a directory
/// of any length is listed in bounded memory, and an offset names a position that stays where it is
/// while entries come and go.
final class OpenDirectory: @unchecked Sendable {
    /// A page, kept because the kernel asks again for what did not fit its buffer.
    fileprivate struct State {
        /// The key after which the page begins.
        var start: UInt64 = 0
        var page = DirectoryPage(entries: [], next: nil)
        /// The entries in full, for readdirplus.
        var full: [Entry?]?
        var isValid = false
    }

    private let view: View
    private let node: any DirectoryNode
    private let state = Mutex(State())
    private static let pageEntries = 128

    init(view: View, node: any DirectoryNode) {
        self.view = view
        self.node = node
    }

    /// Calls `body` for each entry after `offset` (0: from the start), with the offset of the
    /// next one, until it returns false: that entry was not taken.
    ///
    /// The entries `.` and `..` come first.
    func entries(
        from offset: UInt64, plus: Bool, _ body: (String, UInt64, DirectoryItem) -> Bool
    ) throws(TreeError) {
        for (index, name) in [".", ".."].enumerated() where offset <= index {
            let item = DirectoryItem.brief(type: S_IFDIR, ino: view.inode(node.id))
            guard body(name, UInt64(index) + 1, item) else { return }
        }
        try state.withLock { (state) throws(TreeError) in
            var key = offset < ListingKey.first ? 0 : offset
            if key == 0 { state.isValid = false }
            while true {
                var index = state.index(after: key, plus: plus)
                if index == nil {
                    try load(after: key, plus: plus, &state)
                    index = 0
                }
                for index in (index ?? 0)..<state.page.entries.count {
                    let entry = state.page.entries[index]
                    let item =
                        state.full?[index].map { .entry($0) }
                        ?? DirectoryItem.brief(type: entry.type, ino: view.inode(entry.node))
                    guard body(entry.name, entry.key, item) else { return }
                }
                guard let next = state.page.next else { return }
                key = next
            }
        }
    }

    private func load(after key: UInt64, plus: Bool, _ state: inout State) throws(TreeError) {
        let (page, full) = try view.listing(
            of: node, after: key, limit: OpenDirectory.pageEntries, plus: plus)
        state = State(start: key, page: page, full: full, isValid: true)
    }
}

extension OpenDirectory.State {
    /// Where to go on in the page at hand; nil if another one is needed.
    fileprivate func index(after key: UInt64, plus: Bool) -> Int? {
        guard isValid, plus == (full != nil), key >= start else { return nil }
        return page.entries.firstIndex { $0.key > key }
    }
}

/// What a directory says of one of its entries.
enum DirectoryItem: Equatable, Sendable {
    /// All of it, for readdirplus.
    case entry(Entry)
    /// `type` is the type bits of `st_mode`.
    case brief(type: UInt32, ino: UInt64)
}
