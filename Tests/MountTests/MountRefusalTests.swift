import Foundation
import TestSupport
import Testing

@Suite("What a mount refuses, and how it says so")
struct MountRefusalTests {
    @Test(
        "Unknown options and bad values: status 1, and a sentence that names them",
        arguments: [
            ("nonsense", "unknown option 'nonsense'"),
            ("speed=9", "unknown option 'speed'"),
            ("size=lots", "size=lots is not understood: give a number of bytes"),
            ("umask=999", "give an octal mask"),
            ("uid=no-such-user", "give a user's number or name"),
            ("max_threads=0", "give a number from 1 to 64"),
        ])
    func options(_ option: String, _ message: String) throws {
        let mount = try TestMount("options")
        let result = try mount.mount(["-o", option])
        #expect(result.status == 1)
        #expect(result.errors.contains(message))
        #expect(!MountedPoint.exists(mount.one))
    }

    @Test("A mount point that is not there, or no directory: status 2")
    func mountPoint() throws {
        let mount = try TestMount("point")
        var result = try mount.mount(at: "\(mount.folder)/nowhere")
        #expect(result.status == 2 && result.errors.contains("make it with mkdir"))
        result = try mount.mount(at: "/etc/passwd")
        #expect(result.status == 2 && result.errors.contains("is not a directory"))
    }

    @Test("A second mount at one point: status 4, and the first goes on")
    func busy() throws {
        let mount = try TestMount("busy")
        try mount.mount()
        let result = try mount.mount()
        #expect(result.status == 4 && result.errors.contains("already mounted"))
        #expect(mount.answers())
        #expect(mount.daemons(of: mount.one).count == 1)
    }

    @Test("A bad name of a space, and a space of another format: status 4")
    func space() throws {
        let mount = try TestMount("space")
        var result = try mount.rainbowfs([".hidden", mount.one])
        #expect(result.status == 4 && result.errors.contains("is no name of a space"))
        try mount.mount()
        #expect(try mount.unmount().status == 0)
        let meta = "\(mount.folder)/spaces/rainbowfs.\(mount.space)/meta"
        // The format's version follows the magic number.
        let patch = "printf '\\x63' | dd of=\(meta) bs=1 seek=8 conv=notrunc status=none"
        #expect(try eventually { try mount.rainbowfs(["ls"]).output.contains("  0 ") })
        #expect(try mount.bash(patch).status == 0)
        result = try mount.mount()
        #expect(result.status == 4 && result.errors.contains("has format 99"))
        #expect(!MountedPoint.exists(mount.one))
    }

    @Test(
        "Nothing is reported twice, and each refusal is one line",
        arguments: [
            ["-o", "nonsense"], [],
        ])
    func oneLine(_ options: [String]) throws {
        let mount = try TestMount("line")
        let result = try mount.mount(at: "\(mount.folder)/nowhere", options)
        #expect(result.errors.split(separator: "\n").count == 1)
        #expect(result.errors.hasPrefix("rainbowfs: "))
    }

    @Test(
        "Without /dev/fuse or fusermount3 it says what to install or load", .needsRoot,
        arguments: [
            ("$RAINBOWFS x /tmp", "modprobe fuse"),
            (
                "mknod -m 600 /dev/fuse c 10 229; \(asNobody) $RAINBOWFS x /tmp",
                "chmod 666 /dev/fuse"
            ),
            (
                """
                mknod -m 666 /dev/fuse c 10 229 &&
                mount --bind /dev/fuse "$(command -v fusermount3)" && \(asNobody) $RAINBOWFS x /tmp
                """, "install the package fuse3"
            ),
        ])
    func missing(_ script: String, _ advice: String) throws {
        let mount = try TestMount("missing", everybodyRuns: true)
        let result = try mount.bashWithOwnMounts(
            """
            mkdir "$SCRATCH/dev" && mount -t tmpfs none "$SCRATCH/dev" &&
            mkdir "$SCRATCH/dev/shm" && mount --bind /dev/shm "$SCRATCH/dev/shm" &&
            mount --rbind "$SCRATCH/dev" /dev && \(script)
            """)
        #expect(result.status == 4 && result.errors.contains(advice))
    }
}

/// The prefix of a command that an ordinary user runs.
let asNobody = "setpriv --reuid=nobody --regid=nogroup --clear-groups"

extension Trait where Self == ConditionTrait {
    /// For tests that mount, or act as another user. Where they are skipped, .ci/run fails.
    static var needsRoot: Self { .enabled(if: geteuid() == 0, "only root can run this") }
}
