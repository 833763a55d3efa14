import CLinux
import Glibc
import Synchronization

/// How to attach to a space.
public struct SpaceOptions: Sendable {
    /// Make the space if there is none; not with `isReadOnly`.
    public var create = true
    /// Limit of the memory for data in bytes, rounded up to pages; nil keeps the space's own.
    public var sizeBytesMax: UInt64?
    /// Permissions of a new space's folder; nobody but its owner may write it in any case.
    public var mode: UInt16 = 0o700
    /// Whose spaces root accepts besides its own.
    public var owner = SpaceOwner.own
    public var isReadOnly = false
    /// What others are told of this process: its name, and where it has mounted the space.
    public var nodeName = ""
    public var mountPoint = ""
    /// Makes what pages without a frame come from; all who attach to the space need the same.
    package var pageSource: PageSourceMaker?
    /// What `pageSource` is unless it is set.
    package static let usualPageSource = Mutex<PageSourceMaker?>(nil)

    public init() { pageSource = SpaceOptions.usualPageSource.withLock { $0 } }

    var makesSpace: Bool { create && !isReadOnly }
}

/// A 64-bit address space that processes share, with transactional memory.
///
///     let space = try Space.open("demo")
///     let balance = try Field<Int64>("balance", of: "Account", in: space)
///     try space.transact { tx in
///         try tx.update(tx.object(named: "alice"), balance) { $0 -= 10 }
///         try tx.update(tx.object(named: "bob"), balance) { $0 += 10 }
///     }
///
/// A process that is attached is a node of the space until `detach` or its end, however it ends:
/// the others finish or undo the commit that it was in. Do not use a space across `fork`.
public final class Space: @unchecked Sendable {
    public let name: String
    /// The number of this process in the space.
    public let node: Int
    public let isReadOnly: Bool
    /// Whether this attachment made the space.
    public let isNew: Bool

    let meta: SharedMemory
    let metaDescriptor: Int32
    /// The space's folder: by its path one could get to a later space of the same name.
    let folder: SpaceFolder
    let nodes: NodeTable
    @usableFromInline let regions: RegionTable
    @usableFromInline let clock: SharedClock
    let ring: CommitRing
    let timeline: Timeline
    let failpoints: Failpoints
    let pages: Pages
    /// Pages that are to lose their frames, and that somebody still touched.
    let evictionQueue = Mutex<[Range<UInt64>]>([])
    /// Key of each thread's transaction.
    @usableFromInline let threadKey: pthread_key_t

    let snapshotTable: SnapshotTable
    let snapshotMutex = Mutex<Void>(())
    /// The undo versions of lines.
    let shadow: ShadowStore

    let recoveryMutex = Mutex<Void>(())
    /// Slots of dead processes that this process recovered.
    let recoveries = Atomic<UInt64>(0)
    private let mappingMutex = Mutex<Void>(())
    @usableFromInline let isDetached = Atomic<Bool>(false)
    let contexts = Mutex(ContextPool())
    let waitCheck = Mutex<@Sendable () -> Bool>({ true })

    /// - Parameter attachment: what the space then owns.
    init(
        _ attachment: consuming Attachment, isNew: Bool, _ options: SpaceOptions,
        _ failpoints: Failpoints
    ) {
        self.isNew = isNew
        folder = attachment.folder
        name = folder.name
        meta = attachment.meta
        nodes = attachment.nodes
        shadow = attachment.shadow
        self.failpoints = failpoints
        node = nodes.own
        isReadOnly = options.isReadOnly
        metaDescriptor = attachment.descriptor
        regions = RegionTable()
        regions.publish(attachment.region, as: 1)
        clock = SharedClock(meta: meta)
        ring = CommitRing(meta: meta, failpoints: failpoints)
        timeline = Timeline(meta: meta, clock: clock, descriptor: metaDescriptor)
        snapshotTable = SnapshotTable(meta: meta)
        pages = Pages(
            meta: meta, descriptor: metaDescriptor,
            source: options.pageSource?(SpaceHeader(meta: meta, name: name).identity), failpoints)
        threadKey = attachment.threadKey
    }

    /// User and group that the files of the space belong to.
    public var filesOwner: (user: UInt32, group: UInt32) { (folder.user, folder.group) }

    /// The number that every attachment of the same space sees, and no other space has.
    public var identity: (UInt64, UInt64) { SpaceHeader(meta: meta, name: name).identity }

    /// Maps a region, if this process has not yet.
    func mapRegion(_ region: Int) throws(RegionFailure) -> RegionMapping {
        guard 0..<SpaceLayout.regionCountMax ~= region else { throw .absent }
        return try mappingMutex.withLock { _ throws(RegionFailure) in
            if let mapping = regions[UInt64(region)] { return mapping }
            let mapping = try openRegion(region)
            regions.publish(mapping, as: region)
            return mapping
        }
    }

    private func openRegion(_ region: Int) throws(RegionFailure) -> RegionMapping {
        let file: Int32?
        do throws(SpaceError) {
            file = try folder.openFile(SpaceDirectory.regionFile(region))
        } catch {
            if case .system(let error) = error { throw .unavailable(error) }
            // Somebody else could write it, say: it is there, and not for this process.
            throw .unavailable(SystemError(errno: EPERM, action: error.description))
        }
        guard let descriptor = file else {
            guard (try? folder.isGone()) == true else { throw .absent }
            throw .unavailable(SystemError(errno: ESTALE, action: "use a region"))
        }
        var isKept = false
        defer { if !isKept { SystemCalls.close(descriptor) } }
        do throws(SystemError) {
            // A file that is being made, or whose maker was killed, is no region yet; touching it
            // would be SIGBUS.
            guard try SystemCalls.status(of: descriptor).size >= SpaceLayout.regionFileSize else {
                throw SystemError(errno: ENOENT, action: "use a region that is not whole")
            }
            let mapping = try RegionMapping(descriptor: descriptor, region: region)
            isKept = true
            return mapping
        } catch {
            throw error.errno == ENOENT ? .absent : .unavailable(error)
        }
    }

    /// Whether this process has detached.
    @inlinable var isGone: Bool { isDetached.load(ordering: .acquiring) }

    /// Makes the file of a region; harmless if it is there. The region has no pages yet.
    public func createRegionFile(_ region: Int) throws(SpaceError) {
        precondition(0..<SpaceLayout.regionCountMax ~= region, "no such region number")
        try folder.makeRegionFile(region)
        // Who makes a region can use it, also when somebody removes the files later.
        _ = try? mapRegion(region)
    }

    /// Leaves the space, as the end of the last reference does. No transaction may run in this
    /// process any more; one that would begin gets `SpaceError.detached`. Files and memory stay
    /// with the process until the last reference goes: what else is asked until then finds them.
    public func detach() {
        if isGone { return }
        pages.source?.detaching()
        if isDetached.exchange(true, ordering: .acquiringAndReleasing) { return }
        pthread_key_delete(threadKey)
        contexts.withLock { $0.releaseAll() }
        nodes.leave()
    }

    deinit {
        detach()
        regions.unmapAll()
        shadow.unmap()
        unsafe SystemCalls.unmap(meta.base, count: UInt64(SpaceLayout.metaSize))
        folder.close()
        SystemCalls.close(metaDescriptor)
    }

    /// The commits of the space from now on.
    public func commitFeed() -> CommitFeed { CommitFeed(self) }
}
