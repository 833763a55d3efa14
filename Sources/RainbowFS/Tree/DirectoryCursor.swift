import Glibc
import RainbowCore
import Synchronization

/// Lists a directory page by page: each page is one transaction and one moment.
final class DirectoryCursor: OpenDirectory, @unchecked Sendable {
    /// A page, kept because the kernel asks again for what did not fit its buffer.
    fileprivate struct State {
        /// The key behind which the page begins.
        var start: UInt64 = 0
        var page = DirectoryPage(entries: [], next: nil)
        /// The entries in full, for readdirplus.
        var full: [Entry?]?
        var isValid = false
    }

    private let tree: Tree
    private let node: any DirectoryNode
    private let state = Mutex(State())
    private static let pageEntries = 128

    init(tree: Tree, node: any DirectoryNode) {
        self.tree = tree
        self.node = node
    }

    override func entries(
        from offset: UInt64, plus: Bool, _ body: (String, UInt64, DirectoryItem) -> Bool
    ) throws(TreeError) {
        for (index, name) in [".", ".."].enumerated() where offset <= index {
            let item = DirectoryItem.brief(type: S_IFDIR, ino: tree.inode(node.id))
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
                        ?? DirectoryItem.brief(type: entry.type, ino: tree.inode(entry.node))
                    guard body(entry.name, entry.key, item) else { return }
                }
                guard let next = state.page.next else { return }
                key = next
            }
        }
    }

    private func load(after key: UInt64, plus: Bool, _ state: inout State) throws(TreeError) {
        let (page, full) = try tree.listing(
            of: node, after: key, limit: DirectoryCursor.pageEntries, plus: plus)
        state = State(start: key, page: page, full: full, isValid: true)
    }
}

extension DirectoryCursor.State {
    /// Where to go on in the page at hand; nil if another one is needed.
    fileprivate func index(after key: UInt64, plus: Bool) -> Int? {
        guard isValid, plus == (full != nil), key >= start else { return nil }
        return page.entries.firstIndex { $0.key > key }
    }
}
