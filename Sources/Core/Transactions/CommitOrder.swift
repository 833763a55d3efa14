/// Who gives out versions, and with them the order of all commits.
///
/// Versions rise by one a commit attempt. `next` must come after the caller's line locks in
/// memory order, and a version is visible through `now` before `next` returns.
public protocol CommitOrder: Sendable {
    /// The newest version given out; a transaction that begins now sees all commits up to it.
    var now: UInt64 { get }

    /// A version greater than all given out before.
    func next() -> UInt64
}

/// The clock in the space's own shared memory: one machine, one atomic addition a commit.
@frozen
public struct SharedClock: CommitOrder {
    @usableFromInline let clock: SharedWord

    init(meta: SharedMemory) { clock = meta[SpaceLayout.clockOffset] }

    @inlinable public var now: UInt64 { clock.load() }

    /// `now`, in the one order of all full barriers.
    var latest: UInt64 { clock.loadOrdered() }

    @inlinable public func next() -> UInt64 { clock.add(1) }
}
