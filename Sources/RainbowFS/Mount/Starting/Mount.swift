import CFuse
import Glibc
import Logging
import RainbowCore

/// A space that is mounted and answers.
struct Mount: ~Copyable {
    private let space: Space
    private let tree: Tree
    private let session: Session
    private let log: Logger
    private let point: MountPoint
    private let options: MountOptions

    init(
        space name: String, at point: MountPoint, options: MountOptions, foreground: Bool
    ) throws(MountFailure) {
        var isUnused = false
        do throws(MountFailure) {
            self = try Mount(name, at: point, options, foreground: foreground, &isUnused)
        } catch {
            // Of a mount that failed nothing stays; a space that others have found stays theirs.
            // By now this process has closed its files, which leaves descriptors for this.
            if isUnused { try? Space.destroy(name) }
            throw error
        }
    }

    /// - Parameter isUnused: set if this fails and has made the space, and nobody else used it.
    private init(
        _ name: String, at point: MountPoint, _ options: MountOptions, foreground: Bool,
        _ isUnused: inout Bool
    ) throws(MountFailure) {
        let log = MountLog.logger(foreground: foreground, debug: options.isDebug)
        let space = try Self.attach(name, at: point, options)
        var treeOptions = TreeOptions()
        treeOptions.isReadOnly = options.isReadOnly
        treeOptions.uid = options.uid
        treeOptions.gid = options.gid
        treeOptions.umask = options.umask
        treeOptions.mountPoint = point.descriptor == nil ? point.path : ""
        treeOptions.transactions = options.transactions
        let kept = KeptAttributes(space, seconds: options.attributeSeconds)
        treeOptions.keeper = kept
        if let count = options.snapshotBytesMax { space.setSnapshotMemory(bytesMax: count) }
        let tree = Tree(space: space, options: treeOptions)
        let fileSystem = FileSystem(
            tree: tree, kept: kept, log: log, options: options)
        let session: Session
        let version = space.usage.version
        do throws(MountFailure) {
            session = try Session.mounted(
                fileSystem, at: point, source: name, options: options)
        } catch {
            isUnused = space.isNew && space.usage.version == version
            space.detach()
            throw error
        }
        MountLog.serve(log)
        self.space = space
        self.tree = tree
        self.session = session
        self.log = log
        self.point = point
        self.options = options
    }

    /// Answers until the end.
    ///
    /// - Returns: the exit status.
    func serve(singleThreaded: Bool) -> Int32 {
        log.info("serving the space \(space.name) at \(point.path)")
        let result = session.serve(singleThreaded: singleThreaded, options: options)
        if result < 0 { log.error("the mount ended: \(ErrorText.of(-result))") }
        if result > 0 { log.info("ending at signal \(result)") }
        return result < 0 ? MountFailure.Status.mount.rawValue : 0
    }

    /// Unmounts, if nobody did, and leaves the space.
    consuming func end() {
        let (space, tree) = (space, tree)
        _ = consume self
        tree.views.endAll()
        space.detach()
    }

    private static func attach(
        _ name: String, at point: MountPoint, _ options: MountOptions
    ) throws(MountFailure) -> Space {
        var spaceOptions = SpaceOptions()
        spaceOptions.sizeBytesMax = options.sizeBytesMax
        if let name = options.nodeName { spaceOptions.nodeName = name }
        spaceOptions.mountPoint = point.descriptor == nil ? point.path : ""
        if let user = options.uid { spaceOptions.owner = .user(user) }
        do {
            return try Space.open(name, spaceOptions)
        } catch let error as ObjectError {
            throw MountFailure(.mount, "cannot attach the space \(name): \(error.explanation)")
        } catch TransactionError.outOfMemory {
            throw noMemory(for: name)
        } catch SpaceError.system(let error) where error.errno == ENOSPC {
            throw noMemory(for: name)
        } catch let error as SpaceError {
            throw MountFailure(.mount, "cannot attach the space \(name): \(error.explanation)")
        } catch {
            throw MountFailure(.mount, "cannot attach the space \(name): \(error)")
        }
    }

    private static func noMemory(for name: String) -> MountFailure {
        MountFailure(
            .mount,
            "there is no memory for the space \(name): rainbowfs ls shows what other spaces use, "
                + "and df what the machine has left")
    }
}

/// Why a mount did not come about, as one sentence for the user, and the exit status that mount(8)
/// and scripts see (those of libfuse's own programs).
struct MountFailure: Error, Equatable {
    enum Status: Int32 {
        case arguments = 1
        case mountPoint = 2
        case mount = 4
    }

    let status: Status
    let message: String

    init(_ status: Status, _ message: String) {
        self.status = status
        self.message = message
    }
}
