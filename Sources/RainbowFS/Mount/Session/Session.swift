import CFuse
import Glibc
import RainbowCore

/// One connection with the kernel, from the mount to the unmount.
@safe struct Session: ~Copyable {
    private let session: OpaquePointer
    private let fileSystem: FileSystem
    private var isMounted = false
    private var helpers = Helpers()

    /// The threads beside those that answer requests.
    private struct Helpers {
        /// Drops the kernel's old pages, by opening files of this mount.
        var dropping: HelperThread?
        var following: HelperThread?
        var rerunning: HelperThread?
        var reaping: HelperThread?
    }

    /// How often transactions are sought that are forgotten or block others.
    private static let reapMilliseconds = 200

    /// Mounts, answers the kernel's first request and starts all threads but libfuse's own, so that
    /// the mount works when this returns.
    static func mounted(
        _ fileSystem: FileSystem, at point: MountPoint, source: String, options: MountOptions
    ) throws(MountFailure) -> Session {
        var session = try Session(fileSystem, source: source, options: options)
        try session.mount(at: point)
        try session.startHelpers(at: point)
        return session
    }

    private init(
        _ fileSystem: FileSystem, source: String, options: MountOptions
    ) throws(MountFailure) {
        let words = Self.words(source: source, options: options)
        let arguments =
            ["rainbowfs", "-o", words.joined(separator: ",")] + (options.isDebug ? ["-d"] : [])
        var strings = unsafe arguments.map { unsafe $0.withSystemText { unsafe strdup($0) } }
        defer { for index in unsafe strings.indices { unsafe free(strings[index]) } }
        let userData = unsafe Unmanaged.passUnretained(fileSystem).toOpaque()
        let session = unsafe strings.withUnsafeMutableBufferPointer { strings in
            var arguments = unsafe fuse_args(
                argc: Int32(strings.count), argv: strings.baseAddress, allocated: 0)
            defer { unsafe fuse_opt_free_args(&arguments) }
            var table = Callbacks.table()
            return unsafe fuse_session_new(
                &arguments, &table, MemoryLayout<fuse_lowlevel_ops>.size, userData)
        }
        guard let session = unsafe session else {
            throw MountFailure(.arguments, "libfuse refuses these options: \(MountLog.complaints)")
        }
        unsafe self.session = session
        self.fileSystem = fileSystem
    }

    deinit {
        stopHelpers()
        // Closes the device. The thread that drops pages may wait for an answer: now it gets one.
        if isMounted { unsafe fuse_session_unmount(session) }
        helpers.dropping?.stop()
        unsafe fuse_remove_signal_handlers(session)
        unsafe fuse_session_destroy(session)
    }

    private mutating func mount(at point: MountPoint) throws(MountFailure) {
        try watchSignals()
        let isDone = unsafe point.path.withSystemText {
            unsafe fuse_session_mount(session, $0) == 0
        }
        guard isDone else {
            let reason = MountLog.complaints
            throw MountFailure(
                .mount,
                "cannot mount at \(point.path): "
                    + (reason.isEmpty ? "fusermount3 refused, as it says above" : reason))
        }
        isMounted = true
        let result = unsafe KernelChannel.install(in: session)
        guard result == 0 else {
            throw MountFailure(
                .mount, "libfuse cannot be told how to read requests: \(ErrorText.of(-result))")
        }
        try answerInit(point)
    }

    /// Those that end the mount. Anyone who started this process may have had them blocked.
    private func watchSignals() throws(MountFailure) {
        guard unsafe fuse_set_signal_handlers(session) == 0 else {
            throw MountFailure(.mount, "cannot watch for signals: \(ErrorText.of(errno))")
        }
        var ending = sigset_t()
        unsafe sigemptyset(&ending)
        for signal in [SIGHUP, SIGINT, SIGTERM] { unsafe sigaddset(&ending, signal) }
        unsafe pthread_sigmask(SIG_UNBLOCK, &ending, nil)
    }

    private func answerInit(_ point: MountPoint) throws(MountFailure) {
        var request = unsafe fuse_buf()
        defer {
            KernelChannel.forgetMessage()
            unsafe free(request.mem)
        }
        var count: Int32
        repeat {
            unsafe count = fuse_session_receive_buf(session, &request)
        } while unsafe count == -EINTR && fuse_session_exited(session) == 0
        guard count > 0 else {
            throw MountFailure(
                .mount, "the mount at \(point.path) ended before it answered")
        }
        unsafe fuse_session_process_buf(session, &request)
        guard unsafe fuse_session_exited(session) == 0 else {
            throw MountFailure(
                .mount,
                "the kernel and libfuse do not understand each other: \(MountLog.complaints)")
        }
    }

    private mutating func startHelpers(at point: MountPoint) throws(MountFailure) {
        let (pages, path) = (fileSystem.pages, point.path)
        helpers.dropping = try HelperThread { pages.serve($0, mountPoint: path) }
        let feed = fileSystem.tree.space.commitFeed()
        unsafe fileSystem.kept.setSession(session)
        let follower = Follower(feed: feed, system: fileSystem)
        helpers.following = try HelperThread { follower.follow($0) }
        let waiting = fileSystem.waiting
        let number = unsafe UInt(bitPattern: session)
        helpers.rerunning = try HelperThread { thread in
            guard let session = unsafe OpaquePointer(bitPattern: number) else { return }
            unsafe waiting.serve(session, thread)
        }
        helpers.reaping = try HelperThread { [tree = fileSystem.tree] thread in
            while !thread.isEnding {
                thread.pause(milliseconds: Self.reapMilliseconds)
                tree.views.reap()
            }
        }
        // libfuse needs one more, and says that there is none when nobody listens any more.
        try HelperThread { _ in }.stop()
    }

    /// Except the one that drops pages: that may wait for an answer.
    private func stopHelpers() {
        helpers.reaping?.stop()
        helpers.rerunning?.stop()
        fileSystem.waiting.end()
        helpers.following?.stop()
        unsafe fileSystem.kept.setSession(nil)
        fileSystem.parked.end()
        fileSystem.polls.end()
        helpers.dropping?.end()
    }

    /// Answers requests until the file system is unmounted or a signal ends it.
    ///
    /// - Returns: 0, the number of the signal, or a negated errno.
    func serve(singleThreaded: Bool, options: MountOptions) -> Int32 {
        // The loop frees the memory of its messages.
        defer { KernelChannel.forgetMessage() }
        if singleThreaded { return unsafe fuse_session_loop(session) }
        guard let loop = unsafe fuse_loop_cfg_create() else { return -ENOMEM }
        defer { unsafe fuse_loop_cfg_destroy(loop) }
        unsafe fuse_loop_cfg_set_clone_fd(loop, options.clonesDevice ? 1 : 0)
        unsafe fuse_loop_cfg_set_max_threads(loop, options.threadsMax)
        return unsafe fuse_session_loop_mt(session, loop)
    }

    private static func words(source: String, options: MountOptions) -> [String] {
        var words = [
            "fsname=\(escaped(options.sourceName ?? source))", "subtype=rainbowfs",
            "nosuid", "nodev", "max_read=\(ReplyBuffer.byteCount)",
        ]
        if options.isReadOnly { words.append("ro") }
        return words + options.kernel.map(escaped)
    }

    private static func escaped(_ word: String) -> String {
        var result = ""
        for scalar in word.unicodeScalars {
            if scalar == "," || scalar == "\\" { result.append("\\") }
            result.unicodeScalars.append(scalar)
        }
        return result
    }
}
