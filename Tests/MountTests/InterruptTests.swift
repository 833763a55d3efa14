import Foundation
import TestSupport
import Testing

@Suite("Waiting that does not end by itself can be ended")
struct InterruptTests {
    /// Stops the process of the second mount again and again, until it holds the lock of a line in
    /// the middle of a commit: then a reader of the first mount waits, and must end when killed. It
    /// does wait if many others, who came later, have read what is beside meanwhile.
    private static let script = """
        cd "$MOUNT" && echo 'bytes data[262144]' > classes/Blob && mkdir regions/transactional/b &&
        object=$(rainbowfs new regions/transactional/b Blob) || exit
        perl -e 'open F, "+<", $ARGV[0]; $b = "x" x 262144;
            while (1) { sysseek F, 0, 0; syswrite F, $b }' "$MOUNT2/$object/data" &
        writer=$!
        trap 'kill -CONT $DAEMON; kill -KILL $writer; wait' EXIT
        for attempt in {1..5000}; do
            sleep 0.00$((RANDOM % 10))
            kill -STOP $DAEMON
            cat "$MOUNT/$object/data" > /dev/null & reader=$!
            others=0
            while kill -0 $reader && ((others < 200)); do
                cat "$MOUNT/classes/Blob" > /dev/null
                others=$((others + 1))
            done
            if ((others == 200)); then
                kill -KILL $reader
                for look in {1..1200}; do
                    kill -0 $reader || break
                    sleep 0.05
                done
                ((look < 1200)) || { echo 'does not end'; exit; }
                wait $reader
                (($? == 137)) && echo 'was killed' && exit
            fi
            wait $reader
            kill -CONT $DAEMON
        done
        """

    @Test("A reader of what a stopped process is just committing can be killed")
    func stoppedCommit() throws {
        let mount = try TestMount("stopped")
        try mount.mount()
        try mount.mount(at: mount.two)
        let daemon = try #require(mount.daemon(of: mount.two))
        let result = try mount.bash("DAEMON=\(daemon)\n\(Self.script)")
        #expect(result.output == "was killed\n", "\(result.errors.suffix(500))")
    }

    @Test("A command that makes many objects and is interrupted makes none, and takes no room.")
    func manyObjects() throws {
        let mount = try TestMount("many")
        try mount.mount()
        let script = """
            import os, signal, sys, time
            os.chdir(os.environ["MOUNT"])
            with open("classes/C", "w") as file:
                file.write("int64 v")
            os.mkdir("regions/transactional/a")
            path, count = "regions/transactional/a/allocator", 200_000
            def command(text):
                file = os.open(path, os.O_WRONLY)
                os.write(file, text)
                os.close(file)
            def shown():
                with open(path) as file:
                    lines = dict(line.strip().split(": ", 1) for line in file if ": " in line)
                return int(lines["objects"]), int(lines["used"].split()[0])
            command(b"capacity 1G")
            start = time.monotonic()
            command(b"new C *%d v=7" % count)
            whole = time.monotonic() - start
            objects, none = count, 0
            for step in range(24):
                child = os.fork()
                if not child:
                    signal.signal(signal.SIGINT, signal.SIG_DFL)
                    command(b"new C *%d v=7" % count)
                    os._exit(0)
                time.sleep(whole * (step % 10) / 10)
                os.kill(child, [signal.SIGINT, signal.SIGTERM, signal.SIGKILL][step % 3])
                status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                found, used = shown()
                assert found in (objects, objects + count), f"{found - objects} were made"
                assert used == 16 * found, f"{used} bytes for {found} objects"
                assert status or found > objects, "success, and no objects"
                none += found == objects
                objects = found
            assert none > 3, f"{none} were interrupted"
            print("done")
            """
        let result = try mount.run(["timeout", "300", "python3", "-c", script])
        #expect(result.output == "done\n", "\(result.errors)")
        let check = try mount.bash("rainbowfs fsck $SPACE")
        #expect(check.status == 0, "\(check.output)\(check.errors)")
    }
}
