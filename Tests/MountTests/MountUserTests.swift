import Foundation
import TestSupport
import Testing

@Suite("Who may mount, and from where")
struct MountUserTests {
    /// Runs a script as an ordinary user where all may open /dev/fuse, fuse.conf allows nothing
    /// more and there is an mtab, as on a new Debian, whatever this machine has.
    private func asUser(
        _ mount: TestMount, _ script: String, user: String = "nobody"
    ) throws -> CommandResult {
        try mount.bashWithOwnMounts(
            """
            mount -t tmpfs none "$SCRATCH" && mknod -m 666 "$SCRATCH/fuse" c 10 229 &&
            mount --bind "$SCRATCH/fuse" /dev/fuse &&
            cp -a /etc "$SCRATCH/etc" && mount --bind "$SCRATCH/etc" /etc &&
            : >/etc/fuse.conf && ln -sf /proc/self/mounts /etc/mtab &&
            chown \(user) "$MOUNT" "$MOUNT2" && chmod 777 "$RAINBOWFS_DIR" &&
            exec setpriv --reuid=\(user) --regid=nogroup --clear-groups bash -c "$BODY"
            """, environment: ["BODY": script])
    }

    @Test("An ordinary user mounts, works and unmounts", .needsRoot)
    func ordinaryUser() throws {
        let mount = try TestMount("user", everybodyRuns: true)
        let result = try asUser(
            mount,
            """
            $RAINBOWFS $SPACE $MOUNT && cat $MOUNT/control >/dev/null && stat -c %U $MOUNT &&
            fusermount3 -u $MOUNT && ls -A $MOUNT
            """)
        #expect(result.errors == "")
        #expect(result.status == 0 && result.output == "nobody\n")
    }

    @Test("With too few processes and threads a mount fails with a sentence", .needsRoot)
    func processes() throws {
        let mount = try TestMount("threads", everybodyRuns: true)
        // As a user whose processes no other test counts.
        let result = try asUser(
            mount,
            """
            for count in {1..20}; do
                if errors=$( (ulimit -u $count; exec $RAINBOWFS $SPACE $MOUNT) 2>&1); then
                    echo works
                    ls $MOUNT >/dev/null && fusermount3 -u $MOUNT || exit
                else
                    echo "$? $(tail -n 1 <<<"$errors" | cut -d : -f 1)"
                    mountpoint -q $MOUNT && exit 1
                fi
                while pgrep -u games rainbowfs >/dev/null; do sleep 0.05; done
            done
            """, user: "games")
        #expect(Set(result.output.split(separator: "\n")) == ["works", "4 rainbowfs"])
        #expect(result.status == 0 && result.errors == "", "\(result)")
    }

    @Test("Another user's space is refused with the reason", .needsRoot)
    func othersSpace() throws {
        let mount = try TestMount("others", everybodyRuns: true)
        try mount.mount()
        #expect(try mount.unmount().status == 0)
        let result = try asUser(mount, "$RAINBOWFS $SPACE $MOUNT")
        #expect(result.status == 4 && result.errors.lowercased().contains("permission denied"))
        #expect(result.errors.contains(mount.space))
    }

    @Test(
        "allow_other is refused where /etc/fuse.conf does not allow it, with fusermount3's words",
        .needsRoot)
    func allowOther() throws {
        let mount = try TestMount("allow", everybodyRuns: true)
        let result = try asUser(mount, "$RAINBOWFS $SPACE $MOUNT -o allow_other")
        #expect(result.status == 4 && result.errors.contains("user_allow_other"))
    }

    @Test("mount(8) mounts a line of fstab, with the words that it adds", .needsRoot)
    func fstab() throws {
        let mount = try TestMount("fstab", everybodyRuns: true)
        let options = "rw,noauto,user,exec,_netdev,nofail,x-systemd.automount,size=1G,umask=022"
        let line = "\(mount.space) \(mount.one) fuse.rainbowfs \(options) 0 0\n"
        let table = "\(mount.folder)/fstab"
        try line.write(toFile: table, atomically: true, encoding: .utf8)
        let result = try installed(
            mount, "mount --fstab \(table) $MOUNT && cat $MOUNT/control >/dev/null && umount $MOUNT"
        )
        #expect(result.status == 0 && result.errors == "")
    }

    /// Runs a script where the program is installed, since mount(8) looks nowhere else for it.
    private func installed(_ mount: TestMount, _ script: String) throws -> CommandResult {
        try mount.bashWithOwnMounts(
            """
            mount -t tmpfs none /usr/local/bin &&
            ln -s "$RAINBOWFS" /usr/local/bin/rainbowfs && \(script)
            """)
    }

    @Test("mount(8) passes on the failure of the mount", .needsRoot)
    func fstabFailure() throws {
        let mount = try TestMount("fstab", everybodyRuns: true)
        let result = try installed(mount, "mount -t fuse.rainbowfs -o nonsense $SPACE $MOUNT")
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
