import CFuse
import Glibc
import RainbowCore

/// `rainbowfs SPACE MOUNTPOINT`: shows a space and serves it until it is unmounted.
enum MountStart {
    /// The process goes to the background unless `foreground` or `debug`, and the call returns in
    /// the parent once the mount answers. No other thread may exist before.
    ///
    /// - Returns: the exit status, after anything wrong was said on standard error.
    static func run(
        space: String, mountPoint: String, options words: [String],
        foreground: Bool, debug: Bool, singleThreaded: Bool
    ) -> Int32 {
        MountLog.captureLibfuse()
        var background: Background?
        do throws(MountFailure) {
            var options = try MountOptions.parse(words)
            options.isDebug = options.isDebug || debug
            try Requirements.check()
            let point = try MountPoint(mountPoint)
            if !foreground && !options.isDebug {
                switch try Background.start(keeping: point.descriptor) {
                case .parent(let exitStatus): return exitStatus
                case .child(let side): background = side
                }
            }
            let mount = try Mount(
                space: space, at: point, options: options, foreground: background == nil)
            var exitStatus = MountFailure.Status.mount.rawValue
            if background?.report(0) ?? true {
                background = nil
                exitStatus = mount.serve(singleThreaded: singleThreaded)
            }
            mount.end()
            return exitStatus
        } catch {
            MountLog.printError(error.message)
            _ = background?.report(error.status.rawValue)
            return error.status.rawValue
        }
    }
}

/// What the machine must have, looked at first because libfuse's own words for it are few.
enum Requirements {
    static func check() throws(MountFailure) {
        let device = unsafe open("/dev/fuse", O_RDWR | O_CLOEXEC)
        if device >= 0 {
            close(device)
        } else {
            throw MountFailure(.mount, message(deviceError: errno))
        }
        guard geteuid() == 0 || Fusermount.isInstalled else {
            throw MountFailure(
                .mount,
                "fusermount3 is missing, by which ordinary users mount; install the package fuse3")
        }
    }

    private static func message(deviceError: Int32) -> String {
        switch deviceError {
        case ENOENT, ENODEV, ENXIO:
            "/dev/fuse is missing: load the kernel's module with modprobe fuse, or give the "
                + "container the device (docker run --device /dev/fuse --cap-add SYS_ADMIN)"
        case EACCES, EPERM:
            "this user may not open /dev/fuse; let everybody open it with chmod 666 /dev/fuse, "
                + "as distributions do, or mount as root"
        default:
            "/dev/fuse cannot be opened: \(ErrorText.of(deviceError))"
        }
    }
}
