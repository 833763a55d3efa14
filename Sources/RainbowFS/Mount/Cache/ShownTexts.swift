import Synchronization

/// The texts that are made when a file is opened, for the processes that ask for the size first.
///
/// tar, rsync and others read as many bytes as the size says. So the size that a process is shown
/// is that of a text made for it, which it gets if it opens the file within a second; and then, as
/// long as the file is open, that of the text it has. All others get the newest text.
final class ShownTexts: Sendable {
    private struct Text {
        var file: OpenFile
        var node: NodeID
        var process: UInt32
        var uid: UInt32
        /// On the monotonic clock.
        var nanoseconds = SystemClock.monotonicNanoseconds

        init(_ file: OpenFile, _ node: NodeID, _ caller: Caller) {
            self.file = file
            self.node = node
            process = caller.pid
            uid = caller.uid
        }

        func isOf(_ node: NodeID, _ caller: Caller) -> Bool {
            self.node == node && process == caller.pid && uid == caller.uid
        }
    }

    private struct State {
        var kept: [Text] = []
        var open: [Text] = []
    }

    private let state = Mutex(State())
    private let keptCount = Atomic<Int>(0)
    private let openCount = Atomic<Int>(0)
    private static let keptMax = 64
    private static let nanosecondsMax: UInt64 = 1_000_000_000

    /// The size that this process is to see; nil: what the attributes say.
    func size(of node: NodeID, for caller: Caller, _ tree: Tree) -> UInt64? {
        guard node.hasMadeText else { return nil }
        let known = state.withLock { state -> OpenFile? in
            if let open = state.open.last(where: { $0.isOf(node, caller) }) { return open.file }
            removeOld(&state)
            return state.kept.last { $0.isOf(node, caller) }?.file
        }
        if let size = known?.textSize { return size }
        guard let file = try? open(node, 0, caller, tree), let size = file.textSize else {
            return nil
        }
        state.withLock { state in
            state.kept.append(Text(file, node, caller))
            if state.kept.count > Self.keptMax { state.kept.removeFirst() }
            keptCount.store(state.kept.count, ordering: .relaxed)
        }
        return size
    }

    /// Opens a file for reading: with the text whose size this process was shown last, if it was.
    func open(
        _ node: NodeID, _ flags: Int32, for caller: Caller, _ tree: Tree
    ) throws(TreeError) -> OpenFile {
        guard node.hasMadeText else { return try open(node, flags, caller, tree) }
        let kept = state.withLock { state -> OpenFile? in
            removeOld(&state)
            let index = state.kept.lastIndex { $0.isOf(node, caller) }
            defer { keptCount.store(state.kept.count, ordering: .relaxed) }
            return index.map { state.kept.remove(at: $0).file }
        }
        let file: OpenFile
        if let kept { file = kept } else { file = try open(node, flags, caller, tree) }
        state.withLock { state in
            state.open.append(Text(file, node, caller))
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

    /// The process changes something: what it opens next shows that.
    func forgetKept(by process: UInt32) {
        guard keptCount.load(ordering: .relaxed) > 0 else { return }
        state.withLock { state in
            state.kept.removeAll { $0.process == process }
            keptCount.store(state.kept.count, ordering: .relaxed)
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
        state.kept.removeAll { now - min(now, $0.nanoseconds) > Self.nanosecondsMax }
        keptCount.store(state.kept.count, ordering: .relaxed)
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
