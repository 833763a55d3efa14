import Core
import Glibc
import Synchronization

/// Lists a directory page by page: each page is one transaction and one moment.
final class DirectoryCursor: OpenDirectory, @unchecked Sendable {
    private struct Item {
        var entry: ListedEntry
        /// Present in pages for readdirplus.
        var full: Entry?

        var shown: DirectoryItem {
            full.map { .entry($0) } ?? .brief(type: entry.type, ino: entry.ino)
        }
    }

    private struct State {
        /// The key behind which the items begin.
        var start: UInt64 = 0
        var items: [Item] = []
        var next: UInt64?
        var isPlus = false
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
            let item = DirectoryItem.brief(type: S_IFDIR, ino: node.id.inode)
            guard body(name, UInt64(index) + 1, item) else { return }
        }
        var key = offset < ListingKey.first ? 0 : offset
        while true {
            let (items, next) = try page(after: key, plus: plus, isFirst: key == 0)
            for item in items {
                guard body(item.entry.name, item.entry.key, item.shown) else { return }
            }
            guard let next else { return }
            key = next
        }
    }

    /// The items behind `key`, from the page at hand if they are on it: the kernel asks again for
    /// what did not fit its buffer.
    private func page(after key: UInt64, plus: Bool, isFirst: Bool) throws(TreeError)
        -> (items: [Item], next: UInt64?)
    {
        let known: ([Item], UInt64?)? = state.withLock { state in
            guard state.isValid, !isFirst, state.isPlus == plus, key >= state.start else {
                return nil
            }
            let rest = state.items.drop { $0.entry.key <= key }
            return rest.isEmpty ? nil : (Array(rest), state.next)
        }
        if let known { return known }
        let page: DirectoryPage
        let items: [Item]
        (page, items) = try tree.transact { tx in
            let page = try node.list(after: key, limit: DirectoryCursor.pageEntries, &tx)
            let items = try page.entries.map { entry in
                Item(entry: entry, full: plus ? try tree.entry(entry.node, &tx) : nil)
            }
            return (page, items)
        }
        state.withLock { state in
            state = State(
                start: key, items: items, next: page.next, isPlus: plus, isValid: true)
        }
        return (items, page.next)
    }
}
