import Glibc

/// A space as `rainbowfs ls` shows it.
public struct SpaceSummary: Sendable {
    public var name: String
    /// Processes attached; -1 if this user may not look.
    public var nodes: Int
    /// Bytes of frames in use.
    public var bytesUsed: UInt64
    /// Limit in bytes; 0 if there is none.
    public var bytesMax: UInt64
    /// What is wrong with the space, if anything.
    public var problem: String?
}

extension Space {
    /// Attaches to a space, making it if it is not there; several processes may do so at once.
    ///
    /// A lock makes the first one lay out the header while the others wait; one that is killed then
    /// leaves no magic number, and the next begins anew. The new node recovers what dead ones left.
    public static func attach(
        _ name: String, _ options: SpaceOptions = SpaceOptions()
    ) throws(SpaceError) -> Space {
        try SpaceDirectory.check(name)
        let failpoints = Failpoints.fromEnvironment()
        while true {
            let descriptor = try openMeta(name, options)
            var isKept = false
            defer { if !isKept { close(descriptor) } }
            try lock(descriptor)
            // Whoever destroyed the space meanwhile has removed the file that is locked now.
            guard isLinked(descriptor) else { continue }
            failpoints.hit(.attachLocked)
            let folder = try openFolder(name)
            defer { if !isKept { close(folder) } }
            let (meta, nodes): (SharedMemory, NodeTable)
            do throws(SpaceError) {
                (meta, nodes) = try join(name, descriptor, options)
            } catch {
                // Of a space that could not be made, for want of memory, nothing stays.
                if SpaceHeader.isBlank(descriptor), !SpaceDirectory.hasRegions(name) {
                    try? SpaceDirectory.remove(name)
                }
                throw error
            }
            isKept = true
            let space = Space(
                name, folder: folder, descriptor: descriptor, meta: meta, nodes: nodes,
                options: options, failpoints: failpoints)
            try space.createRegionFile(1)
            space.recoverAll()
            if liveNodes(descriptor) == 0 {
                space.recountFrames()
                space.timeline.restart()
            }
            space.recoverSnapshots()
            nodes.describe(name: options.nodeName, mountPoint: options.mountPoint)
            ByteLock.release(descriptor, byte: SpaceLayout.bootstrapLock)
            return space
        }
    }

    /// All spaces of this machine.
    public static func list() throws(SpaceError) -> [SpaceSummary] {
        var summaries: [SpaceSummary] = []
        for name in try SpaceDirectory.names() {
            do throws(SpaceError) {
                summaries.append(try summary(name))
            } catch {
                if case .notFound = error { continue }
                summaries.append(
                    SpaceSummary(
                        name: name, nodes: -1, bytesUsed: 0, bytesMax: 0,
                        problem: error.description))
            }
        }
        return summaries
    }

    /// Removes a space and all that it holds.
    /// - Throws: `inUse` if processes are attached, unless `force` is set. Processes that are
    ///   attached then go on with memory that nobody else can reach.
    public static func destroy(_ name: String, force: Bool = false) throws(SpaceError) {
        try SpaceDirectory.check(name)
        var options = SpaceOptions()
        options.create = false
        let descriptor: Int32
        do throws(SpaceError) {
            descriptor = try openMeta(name, options)
        } catch {
            // A folder without `meta`: its maker was killed before it made the file.
            guard case .notFound = error, unsafe access(SpaceDirectory.path(name), F_OK) == 0 else {
                throw error
            }
            return try SpaceDirectory.remove(name)
        }
        defer { close(descriptor) }
        try lock(descriptor)
        guard isLinked(descriptor) else { throw .notFound(name) }
        let live = liveNodes(descriptor)
        guard live == 0 || force else { throw .inUse(name, nodes: live) }
        try SpaceDirectory.remove(name)
    }

    private static func lock(_ descriptor: Int32) throws(SpaceError) {
        do throws(SystemError) {
            try ByteLock.take(descriptor, byte: SpaceLayout.bootstrapLock)
        } catch {
            throw .system(error)
        }
    }

    /// Opens the folder of a space whose bootstrap lock is held, so that it is the one of `meta`.
    private static func openFolder(_ name: String) throws(SpaceError) -> Int32 {
        do throws(SystemError) {
            return try SystemCalls.open(
                SpaceDirectory.path(name), flags: O_RDONLY | O_DIRECTORY)
        } catch {
            throw .system(error)
        }
    }

    private static func isLinked(_ descriptor: Int32) -> Bool {
        var status = stat()
        return unsafe fstat(descriptor, &status) == 0 && status.st_nlink > 0
    }

    private static func liveNodes(_ descriptor: Int32) -> Int {
        (0..<UInt64(SpaceLayout.nodeCountMax)).count {
            ByteLock.isHeldElsewhere(descriptor, byte: SpaceLayout.nodeLocks + $0)
        }
    }

    private static func openMeta(
        _ name: String, _ options: SpaceOptions
    ) throws(SpaceError) -> Int32 {
        let flags = O_RDWR | (options.create ? O_CREAT : 0)
        while true {
            if options.create { try SpaceDirectory.create(name, mode: options.mode) }
            do throws(SystemError) {
                return try SystemCalls.open(
                    SpaceDirectory.metaPath(name), flags: flags, mode: 0o600)
            } catch {
                guard error.errno == ENOENT else { throw .system(error) }
                // Another process may have destroyed the folder between the two steps.
                if !options.create { throw .notFound(name) }
            }
        }
    }

    private static func summary(_ name: String) throws(SpaceError) -> SpaceSummary {
        var options = SpaceOptions()
        options.create = false
        let descriptor = try openMeta(name, options)
        defer { close(descriptor) }
        let meta = try map(name, descriptor, count: 8192)
        defer { unsafe SystemCalls.unmap(meta.base, count: 8192) }
        try SpaceHeader(meta: meta, name: name).check()
        let page = UInt64(Address.pageSize)
        return SpaceSummary(
            name: name, nodes: liveNodes(descriptor),
            bytesUsed: meta[SpaceLayout.framesUsedOffset].load() &* page,
            bytesMax: meta[SpaceLayout.framesMaxOffset].load() &* page)
    }

    private static func map(
        _ name: String, _ descriptor: Int32, count: Int
    ) throws(SpaceError) -> SharedMemory {
        var status = stat()
        // Beyond the end of a file that somebody cut short, memory would answer with SIGBUS.
        if unsafe fstat(descriptor, &status) == 0, status.st_size < count {
            throw .damaged(name, "its meta file is too short")
        }
        do throws(SystemError) {
            return unsafe SharedMemory(
                try SystemCalls.map(descriptor, offset: 0, count: UInt64(count)))
        } catch {
            throw .system(error)
        }
    }

    /// Takes a node's number in the space whose bootstrap lock is held.
    private static func join(
        _ name: String, _ descriptor: Int32, _ options: SpaceOptions
    ) throws(SpaceError) -> (SharedMemory, NodeTable) {
        try SpaceHeader.layOut(descriptor, name)
        let meta = try map(name, descriptor, count: SpaceLayout.metaSize)
        var isKept = false
        defer {
            if !isKept { unsafe SystemCalls.unmap(meta.base, count: UInt64(SpaceLayout.metaSize)) }
        }
        let header = SpaceHeader(meta: meta, name: name)
        if header.isBlank {
            // The header is made before the first region is.
            if SpaceDirectory.hasRegions(name) { throw .damaged(name, "its meta file is empty") }
            try prepareLogs(meta, descriptor)
            header.initialise()
        }
        try header.check()
        if let bytes = options.sizeBytesMax { header.limit(bytes) }
        var nodes = NodeTable(meta: meta, descriptor: descriptor)
        guard nodes.join() else { throw .tooManyNodes(SpaceLayout.nodeCountMax) }
        isKept = true
        return (meta, nodes)
    }

    /// Gives the logs of the first slots and the timeline their first memory; repeated harmlessly.
    private static func prepareLogs(
        _ meta: SharedMemory, _ descriptor: Int32
    ) throws(SpaceError) {
        do throws(SystemError) {
            try Timeline(meta: meta, clock: SharedClock(meta: meta), descriptor: descriptor)
                .prepare()
        } catch {
            throw .system(error)
        }
        for slot in 0..<RedoLog.readySlotCount {
            do throws(SystemError) {
                try SystemCalls.reserve(
                    descriptor, offset: RedoLog.entriesOffset(ofSlot: slot),
                    count: UInt64(RedoLog.readySize))
            } catch {
                throw .system(error)
            }
            Slot(meta: meta, index: slot).logReserved.store(UInt64(RedoLog.readySize))
        }
    }
}
