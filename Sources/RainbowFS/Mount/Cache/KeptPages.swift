import CFuse
import Glibc
import RainbowCore
import Synchronization

/// The files of fixed size that the kernel keeps pages of: programs read them with sendfile,
/// splice, copy_file_range to another mount, or a private mmap. The kernel drops the pages at each
/// open; while a file stays open, commits make them old, and they are to be dropped, too.
///
/// A file is registered before it is read for the kernel, so whatever commit comes after the read
/// finds it, and is registered no more once its pages are dropped.
///
/// A thread of its own drops them, by opening the file as any program does. (libfuse's notification
/// waits in the kernel, with the device open, for pages that are just being read: if the mount is
/// killed then, the device stays open, and all hang forever.) This thread has closed the device
/// for itself, so that whatever it waits for, the device goes with the other threads.
final class KeptPages: @unchecked Sendable {
    private struct Kept {
        var memory: Range<Address>
        /// From the top of the mount.
        var path: String
    }

    private struct State {
        var kept: [NodeID: Kept] = [:]
        var interests = LineInterests<NodeID>()
        /// How many have the file open; those that have nobody have no pages.
        var opens: [NodeID: Int] = [:]
        /// The paths of those with old pages.
        var stale: [NodeID: String] = [:]

        mutating func expire(_ node: NodeID) {
            guard let old = kept.removeValue(forKey: node) else { return }
            interests.remove(old.memory, node)
            stale[node] = old.path
        }
    }

    private let state = Mutex(State())
    private let count = Atomic<Int>(0)
    private let thread = Atomic<UInt32>(0)

    /// Whether the kernel has no pages that commits could make old.
    var isEmpty: Bool { count.load(ordering: .sequentiallyConsistent) == 0 }

    /// Whether this is the thread that drops pages: it may open every file.
    func isDropper(_ caller: Caller) -> Bool {
        caller.thread != 0 && caller.thread == thread.load(ordering: .relaxed)
    }

    /// The file was opened.
    func open(_ file: OpenFile, _ node: NodeID) {
        guard file.watchedMemory != nil, file.hasFixedSize else { return }
        state.withLock { $0.opens[node, default: 0] += 1 }
    }

    /// The kernel is about to fill pages of the file.
    func keep(_ file: OpenFile, _ node: NodeID) {
        guard let memory = file.watchedMemory, let path = file.path else { return }
        state.withLock { state in
            guard state.kept[node] == nil else { return }
            state.kept[node] = Kept(memory: memory, path: path)
            state.interests.insert(memory, node)
            count.store(state.kept.count, ordering: .sequentiallyConsistent)
        }
    }

    /// The file is closed.
    func close(_ file: OpenFile, _ node: NodeID) {
        guard file.watchedMemory != nil, file.hasFixedSize else { return }
        state.withLock { state in
            guard let opens = state.opens[node] else { return }
            state.opens[node] = opens > 1 ? opens - 1 : nil
            guard opens == 1 else { return }
            state.expire(node)
            state.stale[node] = nil
            count.store(state.kept.count, ordering: .sequentiallyConsistent)
        }
    }

    /// Notes whose memory a commit touched.
    func take(_ event: CommitFeed.Event) {
        guard !isEmpty else { return }
        state.withLock { state in
            var touched: Set<NodeID> = []
            if case .commit(let news) = event, let pages = news.pages {
                state.interests.forEachTouched(by: pages) { touched.insert($0) }
            } else {
                touched.formUnion(state.kept.keys)
            }
            for node in touched { state.expire(node) }
            count.store(state.kept.count, ordering: .sequentiallyConsistent)
        }
    }

    // MARK: The thread that drops pages

    private let semaphore = Semaphore()

    /// Has the pages dropped that are old.
    func dropStale() {
        if state.withLock({ !$0.stale.isEmpty }) { semaphore.signal() }
    }

    /// Drops what is stale, until the thread is to end.
    ///
    /// - Parameter mountPoint: absolute.
    func serve(_ thread: HelperThread, mountPoint: String) {
        guard rainbow_unshare_files() == 0 else { return }
        // Standard output as well: who reads a pipe to its end would wait for this thread.
        _ = rainbow_close_range(0, .max)
        self.thread.store(UInt32(bitPattern: rainbow_thread_id()), ordering: .relaxed)
        while !thread.isEnding {
            semaphore.wait(milliseconds: 1_000)
            while !thread.isEnding, let path = takeStale() {
                let file = unsafe "\(mountPoint)/\(path)".withSystemText {
                    unsafe Glibc.open($0, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
                }
                if file >= 0 { Glibc.close(file) }
            }
        }
    }

    private func takeStale() -> String? {
        state.withLock { state in state.stale.popFirst()?.value }
    }
}
