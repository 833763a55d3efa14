import Glibc
import Synchronization

/// Words that a test shares with the processes it starts, outside every space: what they have
/// done, and whether they are to stop. It has no name, so nothing of it stays.
@safe
public final class Scoreboard: @unchecked Sendable {
    public static let wordCount = 1 << 20
    /// Where processes that a test starts find it.
    public static let inheritedDescriptor: Int32 = 3

    public let descriptor: Int32
    private let words: UnsafeMutablePointer<Atomic<UInt64>>

    /// A fresh one, all zeros.
    public convenience init() throws {
        let digits = String(repeating: "X", count: 6)
        var path = Array("/tmp/rainbowfs-scoreboard-\(digits)".utf8CString)
        let descriptor = unsafe mkstemp(&path)
        guard descriptor >= 0 else { throw SystemFailure("make a scoreboard") }
        unsafe unlink(&path)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        guard ftruncate(descriptor, off_t(Scoreboard.wordCount * 8)) == 0 else {
            throw SystemFailure("size a scoreboard")
        }
        try self.init(descriptor: descriptor)
    }

    /// The one that the process inherited.
    public init(descriptor: Int32) throws {
        let size = Scoreboard.wordCount * 8
        let memory = unsafe mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        guard let memory = unsafe memory, unsafe memory != MAP_FAILED else {
            throw SystemFailure("map a scoreboard")
        }
        self.descriptor = descriptor
        unsafe words = memory.assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    deinit {
        unsafe munmap(words, Scoreboard.wordCount * 8)
        close(descriptor)
    }

    public subscript(index: Int) -> UInt64 {
        get { unsafe words[index].load(ordering: .acquiring) }
        set { unsafe words[index].store(newValue, ordering: .sequentiallyConsistent) }
    }

    public func add(_ amount: UInt64, to index: Int) {
        unsafe words[index].wrappingAdd(amount, ordering: .sequentiallyConsistent)
    }

    /// Waits, giving the processor away, until a condition on the words holds.
    public func wait(until condition: (Scoreboard) -> Bool) {
        while !condition(self) { sched_yield() }
    }
}
