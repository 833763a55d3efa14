import Glibc

/// What a process holds of a space: its files, open and mapped, and the number of a node.
///
/// All that commits and snapshots need is there before the first of them begins, so that a process
/// short of descriptors or addresses is refused when it comes, and not in the middle of something
/// that concerns others; and what is mapped stays, when somebody removes the files.
struct Attachment {
    let folder: SpaceFolder
    /// `meta`, with the lock of the node.
    let descriptor: Int32
    let meta: SharedMemory
    let nodes: NodeTable
    let shadow: ShadowStore
    /// Region 1, which every space has.
    let region: RegionMapping
    /// Key of each thread's transaction.
    let threadKey: pthread_key_t

    /// Takes a node's number in a space, and makes what the space lacks.
    /// - Parameters:
    ///   - folder: with its lock held.
    ///   - descriptor: `meta`, which stays the caller's if this fails.
    init(
        _ folder: SpaceFolder, _ descriptor: Int32, _ options: SpaceOptions
    ) throws(SpaceError) {
        self.folder = folder
        self.descriptor = descriptor
        let meta = try Attachment.mapMeta(folder, descriptor)
        do throws(SpaceError) {
            let header = try Attachment.finish(meta, folder, descriptor)
            if header.hasSource, options.pageSource == nil { throw .noPageSource(folder.name) }
            let shadow = try ShadowStore.open(in: folder, meta)
            do throws(SpaceError) {
                let region = try Attachment.mapFirstRegion(folder)
                do throws(SpaceError) {
                    nodes = try Attachment.join(meta, descriptor)
                    threadKey = try ContextPool.makeKey()
                } catch {
                    region.unmap()
                    throw error
                }
                self.region = region
            } catch {
                shadow.unmap()
                throw error
            }
            self.meta = meta
            self.shadow = shadow
            if let bytes = options.sizeBytesMax { header.limit(bytes) }
            if options.pageSource != nil, !header.hasSource {
                // Others would take a page without a frame for zeros.
                let others = try SpaceError.system { () throws(SystemError) in
                    try NodeTable.others(descriptor)
                }
                guard others.isEmpty else { throw .inUse(folder.name, nodes: others.count) }
                header.setHasSource()
            }
        } catch {
            unsafe SystemCalls.unmap(meta.base, count: UInt64(SpaceLayout.metaSize))
            throw error
        }
    }

    private static func mapMeta(
        _ folder: SpaceFolder, _ descriptor: Int32
    ) throws(SpaceError) -> SharedMemory {
        try SpaceHeader.layOut(descriptor, folder.name)
        return try SpaceError.system { () throws(SystemError) in
            unsafe SharedMemory(
                try SystemCalls.map(
                    descriptor, offset: 0, count: UInt64(SpaceLayout.metaSize)))
        }
    }

    /// Makes header and first region of a new space, and checks those of an older one.
    private static func finish(
        _ meta: SharedMemory, _ folder: SpaceFolder, _ descriptor: Int32
    ) throws(SpaceError) -> SpaceHeader {
        let header = SpaceHeader(meta: meta, name: folder.name)
        if header.isBlank {
            // The header is made before the first region is.
            if try folder.hasRegions() { throw .damaged(folder.name, "its meta file is empty") }
            try prepareLogs(meta, descriptor)
            header.initialise()
        }
        try header.check()
        try folder.makeRegionFile(1)
        return header
    }

    /// Gives the timeline and the logs of the first slots their first memory; repeated harmlessly.
    private static func prepareLogs(
        _ meta: SharedMemory, _ descriptor: Int32
    ) throws(SpaceError) {
        try SpaceError.system { () throws(SystemError) in
            try Timeline(meta: meta, clock: SharedClock(meta: meta), descriptor: descriptor)
                .prepare()
        }
        for slot in 0..<RedoLog.readySlotCount {
            try SpaceError.system { () throws(SystemError) in
                try SystemCalls.reserve(
                    descriptor, offset: RedoLog.entriesOffset(ofSlot: slot),
                    count: UInt64(RedoLog.readySize))
            }
            Slot(meta: meta, index: slot).logReserved.store(UInt64(RedoLog.readySize))
        }
    }

    private static func mapFirstRegion(_ folder: SpaceFolder) throws(SpaceError) -> RegionMapping {
        let descriptor = try folder.openOrMakeFile(SpaceDirectory.regionFile(1))
        do throws(SystemError) {
            return try RegionMapping(descriptor: descriptor, region: 1)
        } catch {
            SystemCalls.close(descriptor)
            throw .system(error)
        }
    }

    private static func join(
        _ meta: SharedMemory, _ descriptor: Int32
    ) throws(SpaceError) -> NodeTable {
        var nodes = NodeTable(meta: meta, descriptor: descriptor)
        let hasJoined = try SpaceError.system { () throws(SystemError) in try nodes.join() }
        guard hasJoined else { throw .tooManyNodes(SpaceLayout.nodeCountMax) }
        return nodes
    }
}
