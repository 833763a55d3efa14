import Foundation
import TestSupport
import Testing

@Suite("Somebody else's folder where a space should be")
struct ForeignFolderTests {
    /// Lets everybody make folders where the spaces are, as in /dev/shm, and lets `nobody` open
    /// /dev/fuse, in a namespace of mounts of its own.
    private func bash(_ mount: TestMount, _ script: String) throws -> CommandResult {
        try mount.bash(
            """
            chmod 1777 "$RAINBOWFS_DIR"; FOLDER=$RAINBOWFS_DIR/rainbowfs.$SPACE
            nobody() { \(asNobody) "$@"; }
            \(script)
            """)
    }

    @Test(
        "Root mounts no space in a folder that an ordinary user made, whatever its mode.",
        arguments: ["777", "755", "700"])
    func othersFolder(_ mode: String) throws {
        guard getuid() == 0 else { return }
        let mount = try TestMount("foreign")
        let result = try bash(
            mount,
            "nobody mkdir -m \(mode) $FOLDER; rainbowfs $SPACE $MOUNT; echo $?; ls -A $FOLDER")
        #expect(result.output == "4\n")
        #expect(result.errors.contains("/rainbowfs.\(mount.space) belongs to user"))
        #expect(!MountedPoint.exists(mount.one))
        // By the name of its owner it is refused only if others may write it.
        let own = try bash(mount, "rainbowfs $SPACE $MOUNT -o uid=nobody; echo $?")
        #expect(own.output == (mode == "777" ? "4\n" : "0\n"))
        #expect(own.errors.contains("(mode 0777)") == (mode == "777"))
    }

    @Test(
        "A link in such a folder leads no command to another file.",
        arguments: ["meta", "region-1"])
    func link(_ file: String) throws {
        guard getuid() == 0 else { return }
        let mount = try TestMount("foreign")
        let result = try bash(
            mount,
            """
            target=$SCRATCH/target; echo kept > $target
            nobody mkdir -m 700 $FOLDER; nobody ln -s $target $FOLDER/\(file)
            for command in "$SPACE $MOUNT" "$SPACE $MOUNT -o uid=nobody" "fsck $SPACE" \
                "destroy $SPACE" "destroy --force $SPACE"; do
                rainbowfs $command; echo $?
            done
            cat $target; stat -c %s $target
            """)
        let isMeta = file == "meta"
        #expect(result.output == "4\n4\n3\n\(isMeta ? "3" : "0")\n\(isMeta ? "0" : "3")\nkept\n5\n")
        if isMeta { #expect(result.errors.contains("/meta is no regular file")) }
    }

    @Test("Root lists, checks, mounts and destroys a user's space, which stays the user's.")
    func usersSpace() throws {
        guard getuid() == 0 else { return }
        let mount = try TestMount("users")
        let result = try bash(
            mount,
            """
            user=$(id -u nobody)
            nobody mkdir -m 700 $FOLDER
            rainbowfs $SPACE $MOUNT -o uid=$user,allow_other || exit 1
            nobody mkdir $MOUNT/regions/transactional/bank $MOUNT/regions/more || exit 2
            nobody touch $MOUNT/classes/C || exit 3
            fusermount3 -u $MOUNT
            stat -c %U $FOLDER $FOLDER/* | sort -u
            rainbowfs ls | grep -c "^$SPACE "
            rainbowfs fsck $SPACE
            mount -t tmpfs none "$SCRATCH"; mknod -m 666 "$SCRATCH/fuse" c 10 229
            chown nobody $MOUNT2
            unshare -m bash -c 'mount --bind $SCRATCH/fuse /dev/fuse
                exec \(asNobody) bash -c "rainbowfs $SPACE $MOUNT2 && cd $MOUNT2 && ls classes/C &&
                mkdir regions/third && cd / && fusermount3 -u $MOUNT2"'
            umount "$SCRATCH"
            rainbowfs destroy $SPACE; ls $RAINBOWFS_DIR
            """)
        #expect(result.status == 0 && result.errors == "")
        let lines = result.output.split(separator: "\n").map(String.init)
        #expect(lines.count == 4 && lines[0] == "nobody" && lines[1] == "1", "\(lines)")
        #expect(lines[2].contains(": clean; 2 regions") && lines[3] == "classes/C")
    }
}
