import Synchronization

/// The open files whose readers asked where the end is: they are like tail(1), which reads as far
/// as the size says and waits for that to grow.
///
/// The kernel does not say by which open file a program asks for the size, but which process does:
/// it is shown how far its own file has grown. To all others the attributes are true.
final class FollowedFiles: Sendable {
    private struct Entry {
        var file: OpenFile
        var node: NodeID
        var process: UInt32
    }

    private let entries = Mutex<[Entry]>([])
    private let count = Atomic<Int>(0)

    /// The reader of `file` seeks to its end.
    ///
    /// - Returns: where that is; nil: where the attributes say.
    func seekEnd(of file: OpenFile, _ node: NodeID, process: UInt32) -> UInt64? {
        guard let end = file.seekEnd() else { return nil }
        entries.withLock { entries in
            entries.removeAll { $0.file === file }
            entries.append(Entry(file: file, node: node, process: process))
            count.store(entries.count, ordering: .relaxed)
        }
        return end
    }

    /// The size that this process is to see; nil if it follows no such file.
    func size(of node: NodeID, for process: UInt32) -> UInt64? {
        guard count.load(ordering: .relaxed) > 0 else { return nil }
        let files = entries.withLock { entries in
            entries.filter { $0.node == node && $0.process == process }.map(\.file)
        }
        return files.compactMap(\.followedSize).max()
    }

    /// The file is closed.
    func forget(_ file: OpenFile) {
        guard count.load(ordering: .relaxed) > 0 else { return }
        entries.withLock { entries in
            entries.removeAll { $0.file === file }
            count.store(entries.count, ordering: .relaxed)
        }
    }
}
