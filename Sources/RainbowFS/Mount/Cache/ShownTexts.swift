import Synchronization

/// The texts that are made when a file is opened, for the threads that ask for the size first.
///
/// tar, rsync and others read as many bytes as the size says. So the size that a thread is shown
/// is that of a text made for it, which it gets if it opens the file within a second; and then, as
/// long as the file is open, that of the text it has. All others get the newest text. Threads of a
/// process are told apart: what one of them changes says nothing of what another was shown.
final class ShownTexts: Sendable {
    private struct Reader: Equatable {
        let thread: UInt32
        let uid: UInt32

        init(_ caller: Caller) {
            thread = caller.thread
            uid = caller.uid
        }
    }

    private struct Text {
        var file: OpenFile
        var node: NodeID
        var reader: Reader
        /// On the monotonic clock.
        var nanoseconds = SystemClock.monotonicNanoseconds

        init(_ file: OpenFile, _ node: NodeID, _ reader: Reader) {
            self.file = file
            self.node = node
            self.reader = reader
        }
    }

    private struct State {
        var offered: [Text] = []
        var open: [Text] = []
    }

    private let state = Mutex(State())
    private let offeredCount = Atomic<Int>(0)
    private let openCount = Atomic<Int>(0)
    private static let offeredMax = 64
    private static let nanosecondsMax: UInt64 = 1_000_000_000

    /// The size that this thread is to see; nil: what the attributes say.
    func size(of node: NodeID, for caller: Caller, _ tree: Tree) -> UInt64? {
        guard node.hasMadeText else { return nil }
        let reader = Reader(caller)
        let known = state.withLock { state -> OpenFile? in
            if let open = state.open.last(where: { $0.node == node && $0.reader == reader }) {
                return open.file
            }
            removeOld(&state)
            return state.offered.last { $0.node == node && $0.reader == reader }?.file
        }
        if let size = known?.textSize { return size }
        guard let file = try? open(node, 0, caller, tree), let size = file.textSize else {
            return nil
        }
        state.withLock { state in
            state.offered.append(Text(file, node, reader))
            if state.offered.count > Self.offeredMax { state.offered.removeFirst() }
            offeredCount.store(state.offered.count, ordering: .relaxed)
        }
        return size
    }

    /// Opens a file for reading: with the text whose size this thread was shown last, if it was.
    func open(
        _ node: NodeID, _ flags: Int32, for caller: Caller, _ tree: Tree
    ) throws(TreeError) -> OpenFile {
        guard node.hasMadeText else { return try open(node, flags, caller, tree) }
        let reader = Reader(caller)
        let offered = state.withLock { state -> OpenFile? in
            removeOld(&state)
            let index = state.offered.lastIndex { $0.node == node && $0.reader == reader }
            defer { offeredCount.store(state.offered.count, ordering: .relaxed) }
            return index.map { state.offered.remove(at: $0).file }
        }
        let file: OpenFile
        if let offered { file = offered } else { file = try open(node, flags, caller, tree) }
        state.withLock { state in
            state.open.append(Text(file, node, reader))
            openCount.store(state.open.count, ordering: .relaxed)
        }
        return file
    }

    private func open(
        _ node: NodeID, _ flags: Int32, _ caller: Caller, _ tree: Tree
    ) throws(TreeError) -> OpenFile {
        try tree.withView(of: node) { view, node throws(TreeError) in
            try view.open(node, flags: flags, caller)
        }
    }

    /// The thread changes something: what it opens next shows that.
    func forgetOffered(by caller: Caller) {
        guard offeredCount.load(ordering: .relaxed) > 0 else { return }
        let reader = Reader(caller)
        state.withLock { state in
            state.offered.removeAll { $0.reader == reader }
            offeredCount.store(state.offered.count, ordering: .relaxed)
        }
    }

    /// The file is closed.
    func forget(_ file: OpenFile) {
        guard openCount.load(ordering: .relaxed) > 0 else { return }
        state.withLock { state in
            state.open.removeAll { $0.file === file }
            openCount.store(state.open.count, ordering: .relaxed)
        }
    }

    private func removeOld(_ state: inout State) {
        let now = SystemClock.monotonicNanoseconds
        state.offered.removeAll { now - min(now, $0.nanoseconds) > Self.nanosecondsMax }
        offeredCount.store(state.offered.count, ordering: .relaxed)
    }
}

extension NodeID {
    /// Whether it is a file whose text, of changing length, is made when it is opened.
    fileprivate var hasMadeText: Bool {
        switch kind {
        case .node, .regionStatus, .allocatorFile: true
        case .fixed:
            switch at(view: 0).fixed {
            case .metrics: true
            case .control: viewNumber != 0
            default: false
            }
        default: false
        }
    }
}
