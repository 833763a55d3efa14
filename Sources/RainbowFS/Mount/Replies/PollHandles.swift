import CFuse
import RainbowCore
import Synchronization

/// The kernel's handles of files that programs wait for with poll(2), select(2) or epoll(7).
///
/// A handle is registered before the file is looked at, so whatever happens after the look finds
/// it. It is used once: the kernel then asks again for those who still wait. Waking someone without
/// need does no harm, since the answer comes from the file itself.
final class PollHandles: Sendable {
    private struct Poll {
        /// Keeps the identity, and with it the key, from being used again.
        var file: OpenFile
        var handle: UInt?
    }

    private struct State {
        var polls: [ObjectIdentifier: Poll] = [:]
        var streams: Set<ObjectIdentifier> = []
        var interests = LineInterests<ObjectIdentifier>()
        /// Those that a commit touched, and that have a handle.
        var touched: Set<ObjectIdentifier> = []
    }

    private let state = Mutex(State())
    private let handleCount = Atomic<Int>(0)

    /// Whether nobody waits.
    var isEmpty: Bool { handleCount.load(ordering: .sequentiallyConsistent) == 0 }

    /// Takes the handle over.
    func register(_ handle: OpaquePointer, for file: OpenFile) {
        guard file.stream != nil || file.watchedMemory != nil else {
            return unsafe fuse_pollhandle_destroy(handle)
        }
        let key = ObjectIdentifier(file)
        let number = UInt(bitPattern: handle)
        let old = state.withLock { state -> UInt? in
            let known = state.polls[key]
            if known == nil {
                if let memory = file.watchedMemory { state.interests.insert(memory, key) }
                if file.stream != nil { state.streams.insert(key) }
            }
            if known?.handle == nil {
                handleCount.wrappingAdd(1, ordering: .sequentiallyConsistent)
            }
            state.polls[key] = Poll(file: file, handle: number)
            return known?.handle
        }
        if let old { Self.destroy(old) }
    }

    /// The file is closed.
    func forget(_ file: OpenFile) {
        let key = ObjectIdentifier(file)
        let handle = state.withLock { state -> UInt? in
            guard let poll = state.polls.removeValue(forKey: key) else { return nil }
            if let memory = file.watchedMemory { state.interests.remove(memory, key) }
            state.streams.remove(key)
            state.touched.remove(key)
            if poll.handle != nil { countDown() }
            return poll.handle
        }
        if let handle { Self.destroy(handle) }
    }

    /// Notes whose memory a commit touched.
    func take(_ event: CommitFeed.Event) {
        guard !isEmpty else { return }
        state.withLock { state in
            guard case .commit(let news) = event, let pages = news.pages else {
                return state.touched.formUnion(state.polls.keys)
            }
            var touched = state.touched
            state.interests.forEachTouched(by: pages) { touched.insert($0) }
            state.touched = touched
        }
    }

    /// Wakes those for whom there is something.
    func notify() {
        guard !isEmpty else { return }
        let handles = state.withLock { state in
            var ready = state.touched
            state.touched = []
            for key in state.streams where state.polls[key]?.file.stream?.hasNews == true {
                ready.insert(key)
            }
            return ready.compactMap { key -> UInt? in
                guard let handle = state.polls[key]?.handle else { return nil }
                state.polls[key]?.handle = nil
                countDown()
                return handle
            }
        }
        for number in handles {
            guard let handle = unsafe OpaquePointer(bitPattern: number) else { continue }
            unsafe _ = fuse_lowlevel_notify_poll(handle)
            Self.destroy(number)
        }
    }

    /// The mount ends: the kernel wakes everybody itself.
    func end() {
        let handles = state.withLock { state in
            defer { state = State() }
            return state.polls.values.compactMap(\.handle)
        }
        for handle in handles { Self.destroy(handle) }
    }

    private func countDown() {
        handleCount.wrappingSubtract(1, ordering: .sequentiallyConsistent)
    }

    private static func destroy(_ number: UInt) {
        guard let handle = unsafe OpaquePointer(bitPattern: number) else { return }
        unsafe fuse_pollhandle_destroy(handle)
    }
}
