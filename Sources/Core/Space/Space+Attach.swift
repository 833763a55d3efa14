/// A space as a listing of all shows it.
public struct SpaceSummary: Sendable {
    public var name: String
    /// Processes attached; -1 if this user may not look.
    public var nodes: Int
    /// Bytes of frames in use.
    public var bytesUsed: UInt64
    /// Limit in bytes; 0 if there is none.
    public var bytesMax: UInt64
    /// What is wrong with the space, if anything.
    public var problem: SpaceError?
}

/// Attaching.
extension Space {
    /// Attaches to the memory of a space, making it if it is not there; several processes may do so
    /// at once. A new space has no objects yet: programs use `open`, which puts them there.
    ///
    /// The lock of its folder makes the first one lay out the header while the others wait; one
    /// that is killed then leaves no magic number, and the next begins again. The new node recovers
    /// what dead ones left. Of a space that could not be made nothing stays.
    package static func attach(
        _ name: String, _ options: SpaceOptions = SpaceOptions()
    ) throws(SpaceError) -> Space {
        try SpaceDirectory.check(name)
        Faults.armFromEnvironment()
        let failpoints = Failpoints.fromEnvironment()
        while true {
            do throws(SpaceError) {
                if let space = try attachOnce(name, options, failpoints) { return space }
            } catch {
                // This one may just have made the folder. Somebody who waits for its lock makes
                // another one.
                var isOurs = options.makesSpace
                if case .untrusted = error { isOurs = false }
                if isOurs { SpaceFolder.removeIfEmpty(name) }
                throw error
            }
        }
    }

    /// Attaches to a space; nil if somebody destroyed it meanwhile.
    private static func attachOnce(
        _ name: String, _ options: SpaceOptions, _ failpoints: Failpoints
    ) throws(SpaceError) -> Space? {
        let folder = try SpaceFolder.open(
            name, options.owner, makingWith: options.makesSpace ? options.mode : nil)
        var isKept = false
        defer { if !isKept { folder.close() } }
        try folder.lock()
        guard try folder.isCurrent() else { return nil }
        failpoints.hit(.attachLocked)
        let (descriptor, isNew): (Int32, Bool)
        do throws(SpaceError) {
            (descriptor, isNew) = try openMeta(in: folder, options)
        } catch {
            if case .filesGone = error { return nil }
            throw error
        }
        do throws(SpaceError) {
            let attachment = try Attachment(folder, descriptor, options)
            // The space closes both from here on.
            isKept = true
            let space = Space(attachment, isNew: isNew, options, failpoints)
            space.enter(options)
            folder.unlock()
            return space
        } catch {
            SystemCalls.close(descriptor)
            if isNew { try? folder.remove() }
            throw error
        }
    }

    /// Opens `meta` in a folder whose lock is held, and tells whether the space is not made yet.
    private static func openMeta(
        in folder: SpaceFolder, _ options: SpaceOptions
    ) throws(SpaceError) -> (descriptor: Int32, isNew: Bool) {
        if let found = try folder.openFile(SpaceDirectory.metaFile) {
            return (found, try isUnmade(found, folder))
        }
        if try folder.hasRegions() { throw .damaged(folder.name, "its meta file is gone") }
        guard options.makesSpace else { throw .notFound(folder.name) }
        return (try folder.openOrMakeFile(SpaceDirectory.metaFile), true)
    }

    private static func isUnmade(
        _ meta: Int32, _ folder: SpaceFolder
    ) throws(SpaceError) -> Bool {
        do throws(SpaceError) {
            guard try SpaceHeader.isBlank(meta) else { return false }
            return try !folder.hasRegions()
        } catch {
            SystemCalls.close(meta)
            throw error
        }
    }

    /// What a new node does first, with the folder locked.
    private func enter(_ options: SpaceOptions) {
        recoverAll()
        recoverEviction()
        if isAlone {
            recountFrames()
            timeline.restart()
        }
        recoverSnapshots()
        nodes.describe(name: options.nodeName, mountPoint: options.mountPoint)
        pages.source?.attached(to: self)
    }
}

/// What can be done with spaces from outside.
extension Space {
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
                        problem: error))
            }
        }
        return summaries
    }

    /// Removes a space and all that it holds.
    /// - Throws: `inUse` if processes are attached, unless `force` is set. Processes that are
    ///   attached then go on with memory that nobody else can reach. `untrusted`, if the folder is
    ///   not one that only its owner may write; with `force`, what lies there in place of a file is
    ///   removed, and nothing that it may lead to.
    public static func destroy(_ name: String, force: Bool = false) throws(SpaceError) {
        try SpaceDirectory.check(name)
        while true {
            let folder = try SpaceFolder.open(name, .anyone)
            defer { folder.close() }
            try folder.lock()
            guard try folder.isCurrent() else { continue }
            if !force, let descriptor = try folder.openFile(SpaceDirectory.metaFile) {
                defer { SystemCalls.close(descriptor) }
                let live = try liveNodes(descriptor)
                guard live == 0 else { throw .inUse(name, nodes: live) }
            }
            return try folder.remove()
        }
    }

    /// Removes a space in which nobody has committed anything, unless somebody is attached.
    static func destroyIfUnused(_ name: String, _ options: SpaceOptions) throws(SpaceError) {
        let folder = try SpaceFolder.open(name, options.owner)
        defer { folder.close() }
        try folder.lock()
        guard try folder.isCurrent(),
            let descriptor = try folder.openFile(SpaceDirectory.metaFile)
        else { return }
        defer { SystemCalls.close(descriptor) }
        var clock: UInt64 = .max
        try SpaceError.system { () throws(SystemError) in
            try unsafe withUnsafeMutableBytes(of: &clock) { bytes throws(SystemError) in
                _ = unsafe try SystemCalls.read(
                    descriptor, into: bytes, offset: UInt64(SpaceLayout.clockOffset))
            }
        }
        guard clock <= 1, try liveNodes(descriptor) == 0 else { return }
        try folder.remove()
    }

    private static func summary(_ name: String) throws(SpaceError) -> SpaceSummary {
        let folder = try SpaceFolder.open(name, .anyone)
        defer { folder.close() }
        guard let descriptor = try folder.openFile(SpaceDirectory.metaFile) else {
            // A folder without anything is about to be a space, or to go.
            guard try folder.hasRegions() else { throw .notFound(name) }
            throw .damaged(name, "its meta file is gone")
        }
        defer { SystemCalls.close(descriptor) }
        // Read, not mapped: whose space it is may cut the file short at any time.
        let size = SpaceLayout.nodesOffset
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 64)
        defer { unsafe bytes.deallocate() }
        let count = try SpaceError.system { () throws(SystemError) in
            unsafe try SystemCalls.read(descriptor, into: bytes, offset: 0)
        }
        guard count == size, let start = bytes.baseAddress else {
            throw .damaged(name, "its meta file is too short")
        }
        let meta = unsafe SharedMemory(start)
        try SpaceHeader(meta: meta, name: name).check()
        let page = UInt64(Address.pageSize)
        return SpaceSummary(
            name: name, nodes: try liveNodes(descriptor),
            bytesUsed: meta[SpaceLayout.framesUsedOffset].load() &* page,
            bytesMax: meta[SpaceLayout.framesMaxOffset].load() &* page)
    }

    private static func liveNodes(_ descriptor: Int32) throws(SpaceError) -> Int {
        try SpaceError.system { () throws(SystemError) in try NodeTable.others(descriptor).count }
    }
}
