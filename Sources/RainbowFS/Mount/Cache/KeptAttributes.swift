import CFuse
import RainbowCore
import Synchronization

/// The attributes that the kernel keeps until it is told to ask again.
///
/// Those of the directories that every tree has once: they change rarely, and shells, find and the
/// kernel's own check of permissions ask for them at every step of a path. And those of objects, so
/// that a walk through a million files asks once for each, or less. Both change with the commits of
/// any mount or program: the `Follower` sees to that, and a commit of this mount before its caller
/// hears of it. What is kept is noted before it is read.
///
/// All other attributes are asked for each time.
final class KeptAttributes: AttributeKeeper {
    private static let directorySeconds = 86_400.0
    /// An object that covers more pages is not kept.
    private static let objectPagesMax = 16
    /// Pages whose objects are looked up in one transaction.
    private static let batchPages = 64
    private static let repeatNanoseconds: UInt64 = 1_000_000_000
    private static let repeatsMax = 4096

    let seconds: Double
    private let space: Space
    private let lines = KeptLines()
    /// One bit for each directory that the kernel may have attributes of.
    private let directories = Atomic<UInt64>(0)
    private let session = Atomic<UInt>(0)

    /// What was taken back and is once more.
    private struct Repeat {
        var due: UInt64
        var object: Address
        var descriptor: ClassDescriptor
    }
    private let repeats = Mutex<[Repeat]>([])
    /// What could not be looked up when it was to be taken back.
    private let unfinished = Mutex<[(page: UInt64, lines: UInt64)]>([])
    private let aged = Atomic<UInt64>(SystemClock.monotonicNanoseconds)

    /// - Parameter seconds: for how long attributes of objects are kept at most; 0: not at all.
    init(_ space: Space, seconds: Double) {
        self.space = space
        self.seconds = seconds
    }

    /// Where the kernel is to be told; nil: there is nobody to tell any more.
    func setSession(_ session: OpaquePointer?) {
        self.session.store(UInt(bitPattern: session), ordering: .releasing)
    }

    private func tellKernel(_ node: NodeID) {
        let session = unsafe OpaquePointer(bitPattern: session.load(ordering: .acquiring))
        guard let session = unsafe session else { return }
        // Attributes only (a negative offset); the kernel may not know the node any more.
        unsafe _ = fuse_lowlevel_notify_inval_inode(session, node.rawValue, -1, 0)
    }
}

/// Directories that every tree has once.
extension KeptAttributes {
    /// To be called before the attributes of the node are read.
    ///
    /// - Returns: for how long the kernel may keep them; nil: what is read says it.
    func keepDirectory(_ node: NodeID) -> Double? {
        guard let fixed = node.fixed, fixed.keepsAttributes else { return nil }
        let bit = UInt64(1) << UInt64(fixed.rawValue)
        if directories.load(ordering: .sequentiallyConsistent) & bit == 0 {
            directories.bitwiseOr(bit, ordering: .sequentiallyConsistent)
        }
        return Self.directorySeconds
    }

    /// Has the kernel ask for all directories again that were noted.
    func takeDirectories() {
        var bits = directories.exchange(0, ordering: .sequentiallyConsistent)
        while bits != 0 {
            tellKernel(NodeID(rawValue: UInt64(bits.trailingZeroBitCount)))
            bits &= bits - 1
        }
    }
}

/// Objects.
extension KeptAttributes {
    var isEmpty: Bool { lines.isEmpty }

    func keep(_ object: Range<Address>, _ allocator: Range<Address>) -> Bool {
        guard seconds > 0, note(allocator) else { return false }
        return note(object)
    }

    private func note(_ range: Range<Address>) -> Bool {
        let pages = (range.upperBound - 1).page - range.lowerBound.page
        guard pages < UInt64(Self.objectPagesMax) else { return false }
        var isNoted = true
        LineInterests<Int>.forEachPage(of: range) { page, bits in
            isNoted = isNoted && lines.insert(page, bits)
        }
        return isNoted
    }

    func take(_ pages: [(page: UInt64, lines: UInt64)]) {
        var taken: [(page: UInt64, lines: UInt64)] = []
        // Of an allocator many objects may be kept, more than one call should wait for.
        for (page, bits) in pages where !Self.isSystem(page) {
            let found = lines.take(page, bits)
            if found != 0 { taken.append((page, found)) }
        }
        takeBack(taken)
    }

    /// For the follower of commits.
    ///
    /// - Parameter known: the version up to which all commits were handed in.
    func take(_ event: CommitFeed.Event, knownUpTo known: UInt64) {
        guard !isEmpty else { return }
        if case .commit(let news) = event, let pages = news.pages {
            take(pages)
            var allocators: [(page: UInt64, lines: UInt64)] = []
            for (page, bits) in pages where Self.isSystem(page) {
                let found = lines.take(page, bits)
                if found != 0 { allocators.append((page, found)) }
            }
            if !allocators.isEmpty { takeBack(allocators + lines.takeAll { $1 }) }
            return
        }
        let changed = lines.takeAll { page, bits in
            space.changedLines(bits, ofPage: page, since: known)
        }
        let isAllocator = changed.contains { Self.isSystem($0.page) }
        takeBack(isAllocator ? changed + lines.takeAll { $1 } : changed)
    }

    /// Whether the page holds objects of the system, whose attributes are not kept: what is noted
    /// of it is the owner and mode of allocators.
    private static func isSystem(_ page: UInt64) -> Bool {
        SystemArea.memory.contains(Address(page << Address.pageShift))
    }

    private func takeBack(_ pages: [(page: UInt64, lines: UInt64)]) {
        guard !pages.isEmpty else { return }
        let merged = Dictionary(
            pages.lazy.filter { !Self.isSystem($0.page) }.map { ($0.page, $0.lines) },
            uniquingKeysWith: |)
        var rest = merged.sorted { $0.key < $1.key }.map { (page: $0.key, lines: $0.value) }[...]
        while !rest.isEmpty {
            let batch = Array(rest.prefix(Self.batchPages))
            rest = rest.dropFirst(Self.batchPages)
            let found = try? space.transact { tx in
                try tx.objects(onLinesOf: batch, limit: .max).objects
            }
            guard let found else {
                // Somebody holds a line: the follower looks again.
                unfinished.withLock { $0 += batch }
                continue
            }
            for object in found { takeBack(object) }
            lines.told(batch)
        }
        lines.told(pages.filter { Self.isSystem($0.page) })
    }

    /// The kernel may be about to learn of a file from an answer that was made before the commit,
    /// and then knows nothing yet that it could forget: so it is told once more when that is over.
    private func takeBack(_ object: ObjectInfo) {
        NodeID.forEach(of: object.address, object.descriptor, tellKernel)
        let due = SystemClock.monotonicNanoseconds + Self.repeatNanoseconds
        let again = Repeat(due: due, object: object.address, descriptor: object.descriptor)
        repeats.withLock { if $0.count < Self.repeatsMax { $0.append(again) } }
    }

    /// What could not be looked up, and what is due by time; to be called about once a second or
    /// more often.
    func tick() {
        let now = SystemClock.monotonicNanoseconds
        let due = repeats.withLock { repeats in
            let due = repeats.prefix { $0.due <= now }
            repeats.removeFirst(due.count)
            return due
        }
        let left = unfinished.withLock { unfinished in
            defer { unfinished = [] }
            return unfinished
        }
        takeBack(left)
        for again in due { NodeID.forEach(of: again.object, again.descriptor, tellKernel) }
        let generation = UInt64(seconds + 2) * 1_000_000_000
        guard now - min(now, aged.load(ordering: .relaxed)) > generation else { return }
        aged.store(now, ordering: .relaxed)
        lines.age()
    }
}

extension NodeID.Fixed {
    /// Whether the attributes change with commits only.
    fileprivate var keepsAttributes: Bool {
        switch self {
        case .root, .regions, .classes, .objects, .names, .nodes: true
        case .system, .systemObjects, .systemClasses: true
        case .metrics, .messages, .control, .transactions, .snapshots, .events: false
        }
    }
}
