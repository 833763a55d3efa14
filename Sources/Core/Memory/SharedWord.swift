import CLinux
import Synchronization

/// One aligned 64-bit word of shared memory: the only type that touches live shared words.
///
/// Every other process may change the word at any time, so it is read and written with atomic
/// operations only. On x86-64 loads and stores of any ordering but `sequentiallyConsistent`
/// stores are plain instructions, and `storeThenFence`, `add`, `formUnion` and `compareExchange`
/// are full barriers. Elsewhere they are not: who relies on that calls `fence` after them, which
/// costs nothing on x86-64.
@frozen @safe
public struct SharedWord: @unchecked Sendable {
    @usableFromInline let cell: UnsafeMutablePointer<Atomic<UInt64>>

    @inlinable @inline(__always)
    init(_ base: UnsafeMutableRawPointer, at byteOffset: Int) {
        unsafe cell = (base + byteOffset).assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    /// The value, when nothing that is read later depends on it.
    @inlinable @inline(__always)
    func loadRelaxed() -> UInt64 { unsafe cell.pointee.load(ordering: .relaxed) }

    /// The value; whatever was written before it was stored is visible afterwards.
    @inlinable @inline(__always)
    func load() -> UInt64 { unsafe cell.pointee.load(ordering: .acquiring) }

    /// The value, in the one order of all such loads and of the operations below that are full
    /// barriers.
    @inlinable @inline(__always)
    func loadOrdered() -> UInt64 { unsafe cell.pointee.load(ordering: .sequentiallyConsistent) }

    /// Stores without ordering: the line is locked, or a later `store` publishes it.
    @inlinable @inline(__always)
    func storeRelaxed(_ value: UInt64) { unsafe cell.pointee.store(value, ordering: .relaxed) }

    /// Stores; who loads the value sees all that was written before it.
    @inlinable @inline(__always)
    func store(_ value: UInt64) { unsafe cell.pointee.store(value, ordering: .releasing) }

    /// Stores and lets no later load overtake the store.
    @inlinable @inline(__always)
    func storeThenFence(_ value: UInt64) {
        _ = unsafe cell.pointee.exchange(value, ordering: .sequentiallyConsistent)
        SharedWord.fence()
    }

    /// Lets nothing that comes later overtake the exchange, addition or union before it, nor what
    /// was stored before that.
    @inlinable @inline(__always)
    static func fence() {
        #if !arch(x86_64)
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        #endif
    }

    /// Lets the compiler move nothing across. Where a thread on the fast path stores and then
    /// loads, this is its half of a full barrier; the other half is `SystemCalls.barrier`, made by
    /// the thread that asks.
    @inlinable @inline(__always)
    static func compilerFence() { rainbow_compiler_fence() }

    /// Replaces `expected` by `desired`; false, and nothing is changed, if the word had another
    /// value.
    @inlinable @inline(__always)
    func compareExchange(_ expected: UInt64, _ desired: UInt64) -> Bool {
        unsafe cell.pointee.compareExchange(
            expected: expected, desired: desired, ordering: .sequentiallyConsistent
        ).exchanged
    }

    /// Adds and returns the sum.
    @inlinable @inline(__always)
    func add(_ amount: UInt64) -> UInt64 {
        unsafe cell.pointee.wrappingAdd(amount, ordering: .sequentiallyConsistent).newValue
    }

    /// Clears all bits but these and returns the value before.
    func formIntersection(_ bits: UInt64) -> UInt64 {
        unsafe cell.pointee.bitwiseAnd(bits, ordering: .sequentiallyConsistent).oldValue
    }

    /// Sets bits and returns the value before.
    @inlinable @inline(__always)
    func formUnion(_ bits: UInt64) -> UInt64 {
        unsafe cell.pointee.bitwiseOr(bits, ordering: .sequentiallyConsistent).oldValue
    }
}

extension SharedWord {
    /// Sleeps while the lower half of the word is `expected`, `milliseconds` at most.
    func wait(whileLowerHalfIs expected: UInt32, milliseconds: Int) {
        unsafe SystemCalls.wait(cell, whileIs: expected, milliseconds: milliseconds)
    }

    /// Wakes all who wait for the word to change.
    func wakeAll() { unsafe SystemCalls.wakeAll(cell) }
}

/// A range of mapped shared memory, addressed by byte offsets.
@frozen @safe
public struct SharedMemory: @unchecked Sendable {
    @usableFromInline let base: UnsafeMutableRawPointer

    @inlinable @inline(__always)
    init(_ base: UnsafeMutableRawPointer) { unsafe self.base = base }

    /// The word at a byte offset that is a multiple of eight.
    @inlinable @inline(__always)
    subscript(byteOffset: Int) -> SharedWord { unsafe SharedWord(base, at: byteOffset) }

    @inlinable @inline(__always)
    func advanced(by bytes: Int) -> SharedMemory { unsafe SharedMemory(base + bytes) }
}

/// A text of fixed length in shared memory: bytes in words, the lowest first, NUL padded.
struct SharedText {
    let memory: SharedMemory
    /// A multiple of eight.
    let byteCount: Int

    var string: String {
        var bytes: [UInt8] = []
        for index in 0..<byteCount {
            let byte = UInt8(truncatingIfNeeded: memory[index & ~7].load() >> (index % 8 * 8))
            if byte == 0 { break }
            bytes.append(byte)
        }
        return String(systemBytes: bytes)
    }

    /// Stores as much of a text as there is room for.
    func store(_ text: String) {
        var words = [UInt64](repeating: 0, count: byteCount / 8)
        for (index, byte) in text.systemBytes.prefix(byteCount).enumerated() {
            words[index / 8] |= UInt64(byte) << (index % 8 * 8)
        }
        for (index, word) in words.enumerated() { memory[index * 8].store(word) }
    }
}

/// The waiting of one who needs a word that another holds: first spinning, then yielding the
/// processor, then sleeping, so that a holder who was preempted gets to run; longer when that has
/// not helped for some milliseconds, so that the wait for a stopped process costs next to nothing.
struct Backoff: ~Copyable {
    private var rounds = 0

    /// Waits a little; true when it is time to look whether the holder still lives.
    mutating func wait() -> Bool {
        rounds += 1
        if rounds <= 40 {
            rainbow_pause()
            return false
        }
        if rounds <= 60 {
            SystemCalls.yield()
            return rounds == 60
        }
        SystemCalls.sleep(microseconds: rounds <= 100 ? 50 : 1000)
        return true
    }
}

/// Bits and bytes of a 64-bit word.
@usableFromInline
enum LineBytes {
    /// `count` bits from bit `first`, for 1 to 64 bits that lie within the word.
    @inlinable
    static func bits(_ count: UInt64, from first: UInt64) -> UInt64 {
        (~0 &>> (64 &- count)) &<< first
    }

    /// `old` with the bytes of `new` that `bytes` selects (bit i for byte i, byte 0 the lowest).
    @inlinable
    static func merge(_ new: UInt64, into old: UInt64, _ bytes: UInt64) -> UInt64 {
        // Copies the eight bits to all bytes, keeps bit i in byte i, and widens it to the byte.
        let spread = (bytes &* 0x0101_0101_0101_0101) & 0x8040_2010_0804_0201
        let high = ((spread &+ 0x7f7f_7f7f_7f7f_7f7f) | spread) & 0x8080_8080_8080_8080
        let mask = (high >> 7) &* 0xff
        return old & ~mask | new & mask
    }
}

/// How a line word is read: a version, or the lock of a committing transaction.
///
///     63      62..52   51..0
///      0      version of the commit that last wrote the line
///      1      slot     the slot's sequence number of the commit under way
///
/// Seen as a number every lock is greater than every version, so that one comparison with the
/// read version tells a reader that all is well.
@frozen @usableFromInline
enum LineWord {
    @usableFromInline static let lockBit: UInt64 = 1 << 63
    static let sequenceMask: UInt64 = (1 << 52) - 1

    static func lock(slot: Int, sequence: UInt64) -> UInt64 {
        lockBit | UInt64(slot) << 52 | sequence & sequenceMask
    }

    static func isLocked(_ word: UInt64) -> Bool { word & lockBit != 0 }

    static func slot(of lock: UInt64) -> Int { Int(lock >> 52 & 0x7ff) }
}
