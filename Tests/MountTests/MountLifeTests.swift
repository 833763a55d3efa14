import Foundation
import TestSupport
import Testing

@Suite("The life of a mount")
struct MountLifeTests {
    @Test("The command returns when the mount answers, and leaves a process of its own")
    func background() throws {
        let mount = try TestMount("life")
        let result = try mount.mount()
        #expect(result.status == 0 && result.output.isEmpty && result.errors.isEmpty)
        #expect(mount.answers())
        let daemon = try #require(mount.daemon())
        #expect(getsid(daemon) == daemon, "it has a session of its own")
        let files = try mount.bash("readlink /proc/\(daemon)/fd/[012] /proc/\(daemon)/cwd")
        #expect(files.output == "/dev/null\n/dev/null\n/dev/null\n/\n")
    }

    @Test(
        "A process that is interrupted or killed while it mounts leaves no mount",
        arguments: ["INT", "KILL"])
    func interruptedStart(_ signal: String) throws {
        let mount = try TestMount("interrupted")
        let seed = printedSeed("interrupted while it mounts")
        // One that waited for an interrupted one finds a mount or none, and none that is to come.
        // One that was killed cannot wait: what it had begun ends by itself, unless done.
        let result = try mount.bash(
            """
            RANDOM=\(seed % 32768); set -m; to_come=0
            begin=${EPOCHREALTIME/./}
            rainbowfs "$SPACE" "$MOUNT" && fusermount3 -u "$MOUNT"
            took=$((${EPOCHREALTIME/./} - begin))
            for round in {1..60}; do
                place=$SCRATCH/m$round; mkdir "$place"
                rainbowfs "$SPACE" "$place" & process=$!
                sleep $((RANDOM * took / 32768))e-6; kill -\(signal) $process
                if wait $process || [[ \(signal) == INT ]] && mountpoint -q "$place"; then
                    fusermount3 -u "$place"
                elif [[ \(signal) == INT ]]; then
                    if pgrep -f "^rainbowfs $SPACE $place\\$"; then ((to_come += 1)); fi
                fi
            done 2>/dev/null >&2
            for try in {1..600}; do
                kept=$(grep -c " - fuse.rainbowfs $SPACE " /proc/self/mountinfo)
                ((kept < 10)) && break
                sleep 0.1
            done
            echo $to_come $((kept < 10))
            for try in {1..600}; do
                for place in "$SCRATCH"/m*; do fusermount3 -u "$place"; done 2>/dev/null
                rainbowfs destroy "$SPACE" 2>/dev/null && break
                sleep 0.1
            done
            """)
        #expect(result.status == 0 && result.output == "0 1\n", "\(result.output)\(result.errors)")
    }

    @Test("mount(8) and df(1) show the space as the source, of type fuse.rainbowfs")
    func table() throws {
        let mount = try TestMount("table")
        try mount.mount()
        let line = try #require(MountedPoint.line(mount.one))
        #expect(line.contains(" - fuse.rainbowfs \(mount.space) "))
        #expect(line.contains("nosuid,nodev"))
    }

    @Test("Unmounting ends the process", arguments: ["fusermount3 -u", "umount"])
    func unmount(_ command: String) throws {
        let mount = try TestMount("unmount")
        try mount.mount()
        let daemon = try #require(mount.daemon())
        #expect(try mount.bash("\(command) \"$MOUNT\"").status == 0)
        #expect(eventually { hasEnded(daemon) })
        #expect(try mount.rainbowfs(["destroy", mount.space]).status == 0, "nobody is attached")
    }

    @Test("A signal ends the mount cleanly", arguments: [SIGTERM, SIGINT, SIGHUP])
    func signals(_ signal: Int32) throws {
        let mount = try TestMount("signal")
        try mount.mount()
        let daemon = try #require(mount.daemon())
        kill(daemon, signal)
        #expect(eventually { hasEnded(daemon) })
        #expect(!MountedPoint.exists(mount.one))
        #expect(try mount.rainbowfs(["destroy", mount.space]).status == 0, "nobody is attached")
    }

    @Test("A signal ends a mount that is in use")
    func signalInUse() throws {
        let mount = try TestMount("inuse")
        try mount.mount()
        let daemon = try #require(mount.daemon())
        let file = unsafe open("\(mount.one)/control", O_RDONLY)
        #expect(file >= 0)
        kill(daemon, SIGTERM)
        #expect(eventually { hasEnded(daemon) })
        close(file)
        #expect(eventually { !MountedPoint.exists(mount.one) })
    }

    @Test("In the foreground it serves, says so, and ends with status 0", arguments: ["-f", "-fs"])
    func foreground(_ flags: String) throws {
        let mount = try TestMount("foreground")
        let script = """
            "$RAINBOWFS" "$SPACE" "$MOUNT" \(flags) & pid=$!
            for i in {1..6000}; do [ -e "$MOUNT/control" ] && break; sleep 0.01; done
            [ -e "$MOUNT/control" ] || exit 9
            kill -TERM $pid
            wait $pid
            """
        let result = try mount.bash(script)
        #expect(result.status == 0)
        #expect(result.errors.contains("serving the space \(mount.space) at \(mount.one)"))
    }

    @Test("-d writes down each request")
    func debug() throws {
        let mount = try TestMount("debug")
        let script = """
            "$RAINBOWFS" "$SPACE" "$MOUNT" -d & pid=$!
            for i in {1..6000}; do [ -e "$MOUNT/control" ] && break; sleep 0.01; done
            kill -TERM $pid
            wait $pid
            """
        let result = try mount.bash(script)
        #expect(result.status == 0 && result.errors.contains("LOOKUP"))
    }

    @Test("After kill -9 the next mount clears the corpse away, files open or not")
    func corpse() throws {
        let mount = try TestMount("corpse")
        try mount.mount()
        let file = unsafe open("\(mount.one)/control", O_RDONLY)
        defer { close(file) }
        kill(try #require(mount.daemon()), SIGKILL)
        #expect(eventually { !mount.answers() })
        #expect(try mount.bash("ls \"$MOUNT\"").errors.contains("not connected"))
        #expect(try mount.mount().status == 0)
        #expect(mount.answers())
        #expect(try mount.unmount().status == 0)
        #expect(!MountedPoint.exists(mount.one), "nothing of the dead mount is left")
    }

    @Test("kill -9 of one mount does not disturb the other one")
    func twoMounts() throws {
        let mount = try TestMount("two")
        try mount.mount()
        try mount.mount(at: mount.two)
        #expect(mount.answers(mount.one) && mount.answers(mount.two))
        kill(try #require(mount.daemon(of: mount.one)), SIGKILL)
        #expect(mount.answers(mount.two))
        #expect(try mount.bash("fusermount3 -u \"$MOUNT\"").status == 0)
        #expect(try mount.mount().status == 0)
        #expect(mount.answers(mount.one) && mount.answers(mount.two))
    }

    @Test("A mount point may be a relative path and hold files")
    func relative() throws {
        let mount = try TestMount("relative")
        #expect(
            try mount.bash("touch $MOUNT/hidden; cd $MOUNT/..; rainbowfs $SPACE one").status == 0)
        #expect(mount.answers())
        #expect(try mount.bash("ls $MOUNT").output.contains("control"))
    }

    @Test("A mount that mount.fuse3 made is served through its descriptor")
    func inherited() throws {
        // Others may not mount for a daemon that is to come.
        guard geteuid() == 0 else { return }
        let mount = try TestMount("inherited")
        let made = try mount.bash(
            "mount.fuse3 \"$RAINBOWFS#$SPACE\" \"$MOUNT\" -o drop_privileges")
        #expect(made.status == 0, "\(made.errors)")
        #expect(mount.answers())
        #expect(try mount.unmount().status == 0)
        let refused = try mount.rainbowfs([mount.space, "/dev/fd/77"])
        #expect(refused.status == 2)
        #expect(refused.errors.contains("/dev/fd/77 is not open"))
    }

    @Test("The mount's own memory stays small")
    func memory() throws {
        let mount = try TestMount("memory")
        try mount.mount()
        for _ in 0..<200 { _ = mount.answers() }
        let daemon = try #require(mount.daemon())
        let kibibytes = try mount.bash("awk '/RssAnon/ {print $2}' /proc/\(daemon)/status").output
        #expect(try #require(Int(kibibytes.dropLast())) < 50 << 10)
    }
}
