import CFuse
import Glibc
import Synchronization

/// An open file or directory as the number that the kernel keeps for it, from the open until the
/// release.
struct Handle<Object: AnyObject & Sendable>: Sendable {
    let number: UInt64

    init(retaining object: Object) {
        number = HandleTable.shared.add(object)
    }

    /// The handle that a request names.
    init(_ info: UnsafeMutablePointer<fuse_file_info>?) {
        unsafe number = info?.pointee.fh ?? 0
    }

    /// - Throws: EBADF for a number that stands for no such object.
    func get() throws(TreeError) -> Object {
        guard let object = HandleTable.shared.find(number) as? Object else {
            throw TreeError(EBADF, "The request names an open file that is not open here.")
        }
        return object
    }

    /// Gives the reference up; the handle is dead afterwards.
    ///
    /// - Returns: nil if it was dead before.
    @discardableResult
    func take() -> Object? {
        HandleTable.shared.remove(number) as? Object
    }
}

/// What the kernel has open, by number. Numbers are looked up rather than taken for addresses:
/// one that was never given out, or was given back, then is an error and nothing else.
///
/// The table is in parts with a lock each, so that threads which open and close rarely meet.
private final class HandleTable: Sendable {
    static let shared = HandleTable()

    private struct Entry {
        var object: (any AnyObject & Sendable)?
        /// How often the place was given out: the upper half of the number.
        var uses: UInt32 = 0
    }

    private struct Part {
        var entries: [Entry] = []
        var free: [Int] = []
    }

    /// Heap cells, since locks cannot move.
    private final class LockedPart: Sendable {
        let part = Mutex(Part())
    }

    private static let partCount = 16
    private let parts = (0..<partCount).map { _ in LockedPart() }
    private let next = Atomic<Int>(0)

    /// - Returns: a number above 2^32.
    func add(_ object: any AnyObject & Sendable) -> UInt64 {
        let number = next.wrappingAdd(1, ordering: .relaxed).newValue & (Self.partCount - 1)
        return parts[number].part.withLock { part in
            let index = part.free.popLast() ?? part.entries.count
            if index == part.entries.count { part.entries.append(Entry()) }
            // 0 is never in use, so no number is that of an index alone.
            let uses = max(part.entries[index].uses &+ 1, 1)
            part.entries[index] = Entry(object: object, uses: uses)
            return UInt64(uses) << 32 | UInt64(index * Self.partCount + number)
        }
    }

    func find(_ number: UInt64) -> (any AnyObject & Sendable)? {
        let (entry, uses) = Self.split(number)
        return parts[entry % Self.partCount].part.withLock { part in
            let index = entry / Self.partCount
            guard index < part.entries.count, part.entries[index].uses == uses else { return nil }
            return part.entries[index].object
        }
    }

    func remove(_ number: UInt64) -> (any AnyObject & Sendable)? {
        let (entry, uses) = Self.split(number)
        return parts[entry % Self.partCount].part.withLock { part in
            let index = entry / Self.partCount
            guard index < part.entries.count, part.entries[index].uses == uses,
                let object = part.entries[index].object
            else { return nil }
            part.entries[index].object = nil
            part.free.append(index)
            return object
        }
    }

    private static func split(_ number: UInt64) -> (entry: Int, uses: UInt32) {
        (Int(UInt32(truncatingIfNeeded: number)), UInt32(truncatingIfNeeded: number >> 32))
    }
}

/// The flags of open(2), which each write brings along as they are then.
func openFlags(_ info: UnsafeMutablePointer<fuse_file_info>?) -> Int32 {
    unsafe info?.pointee.flags ?? 0
}

/// Where in a file a request begins.
///
/// - Throws: EINVAL for an offset below zero.
func fileOffset(_ offset: off_t) throws(TreeError) -> UInt64 {
    guard let offset = UInt64(exactly: offset) else {
        throw TreeError(EINVAL, "No file has bytes before its first one.")
    }
    return offset
}
