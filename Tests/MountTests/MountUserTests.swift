import Foundation
import TestSupport
import Testing

@Suite("Who may mount, and from where")
struct MountUserTests {
    /// Lets everybody open /dev/fuse in a namespace of mounts of its own, as distributions do, and
    /// leaves the machine's own device as it is.
    private func script(_ body: String) -> String {
        """
        unshare -m bash -c 'mount -t tmpfs none "$SCRATCH" &&
        mknod -m 666 "$SCRATCH/fuse" c 10 229 && mount --bind "$SCRATCH/fuse" /dev/fuse &&
        chown nobody "$MOUNT" "$MOUNT2" && chmod 777 "$RAINBOWFS_DIR" &&
        exec \(asNobody) bash -c "$BODY"'
        """.replacing(
            "$BODY", with: body.replacing("'", with: "'\\''").replacing("\"", with: "\\\""))
    }

    @Test("An ordinary user mounts, works and unmounts")
    func ordinaryUser() throws {
        guard getuid() == 0 else { return }
        let mount = try TestMount("user")
        let result = try mount.bash(
            script(
                """
                $RAINBOWFS $SPACE $MOUNT && cat $MOUNT/control >/dev/null && stat -c %U $MOUNT &&
                fusermount3 -u $MOUNT && ls -A $MOUNT
                """))
        #expect(result.errors == "")
        #expect(result.status == 0 && result.output == "nobody\n")
    }

    @Test("Another user's space is refused with the reason")
    func othersSpace() throws {
        guard getuid() == 0 else { return }
        let mount = try TestMount("others")
        try mount.mount()
        #expect(try mount.unmount().status == 0)
        let result = try mount.bash(script("$RAINBOWFS $SPACE $MOUNT"))
        #expect(result.status == 4 && result.errors.lowercased().contains("permission denied"))
        #expect(result.errors.contains(mount.space))
    }

    @Test("allow_other is refused where /etc/fuse.conf does not allow it, with fusermount3's words")
    func allowOther() throws {
        guard getuid() == 0 else { return }
        let mount = try TestMount("allow")
        let result = try mount.bash(
            script(
                """
                grep -q ^user_allow_other /etc/fuse.conf ||
                $RAINBOWFS $SPACE $MOUNT -o allow_other
                """
            ))
        guard result.status != 0 else { return }
        #expect(result.status == 4 && result.errors.contains("user_allow_other"))
    }

    @Test("mount(8) mounts a line of fstab, with the words that it adds")
    func fstab() throws {
        guard getuid() == 0 else { return }
        let mount = try TestMount("fstab")
        let options = "rw,noauto,user,exec,_netdev,nofail,x-systemd.automount,size=1G,umask=022"
        let line = "\(mount.space) \(mount.one) fuse.rainbowfs \(options) 0 0\n"
        let table = "\(mount.folder)/fstab"
        try line.write(toFile: table, atomically: true, encoding: .utf8)
        let result = try mount.bash(
            installed(
                "mount --fstab \(table) $MOUNT && cat $MOUNT/control >/dev/null && umount $MOUNT"
            ))
        #expect(result.status == 0 && result.errors == "")
    }

    /// Runs a script where the program is installed, since mount(8) looks nowhere else for it.
    private func installed(_ script: String) -> String {
        """
        unshare -m bash -c 'mount -t tmpfs none /usr/local/bin &&
        ln -s "$RAINBOWFS" /usr/local/bin/rainbowfs && \(script)'
        """
    }

    @Test("mount(8) passes on the failure of the mount")
    func fstabFailure() throws {
        guard getuid() == 0 else { return }
        let mount = try TestMount("fstab")
        let result = try mount.bash(
            installed("mount -t fuse.rainbowfs -o nonsense $SPACE $MOUNT"))
        #expect(result.status != 0 && result.errors.contains("unknown option 'nonsense'"))
    }

    @Test("A mount that is read-only refuses every change")
    func readOnly() throws {
        let mount = try TestMount("readonly")
        try mount.mount(["-o", "ro"])
        let result = try mount.bash("mkdir \"$MOUNT/regions/transactional/x\"")
        #expect(result.status != 0 && result.errors.contains("Read-only file system"))
    }
}
