import Glibc

/// For whom a transaction is committed: it stands with the commit in the ring, and in the slot, so
/// that who recovers the commit publishes it too.
public struct Committer: Equatable, Sendable {
    public var processID: UInt32
    public var userID: UInt32

    public init(processID: UInt32, userID: UInt32) {
        self.processID = processID
        self.userID = userID
    }

    /// This process itself.
    public static var current: Committer {
        Committer(processID: UInt32(bitPattern: SystemCalls.processID), userID: geteuid())
    }

    /// The kernel's process ids have 22 bits.
    private static let processMask: UInt32 = 0x7fff_ffff

    var packed: UInt64 { UInt64(userID) << 32 | UInt64(processID & Committer.processMask) }

    init(packed: UInt64) {
        userID = UInt32(truncatingIfNeeded: packed >> 32)
        processID = UInt32(truncatingIfNeeded: packed) & Committer.processMask
    }
}

extension Space {
    /// For whom this thread commits: the process itself, until a thread that works for others says
    /// so. It stays what it was set to if the space has no slot left for the thread, which then
    /// cannot commit anything.
    public var committer: Committer {
        get {
            guard let context = unsafe try? threadContext() else { return .current }
            return unsafe context.pointee.committer
        }
        set {
            guard let context = unsafe try? threadContext() else { return }
            unsafe context.pointee.committer = newValue
        }
    }
}
