import Foundation
import TestSupport
import Testing

/// Requests that have to wait keep nobody else waiting: not the mount, not its processor, not who
/// wants to end them.
@Suite("A mount never stands still because some of its requests wait")
struct WaitingTests {
    /// Two mounts, two objects with lines of their own, and more callers than a mount has threads.
    private static let prologue = """
        cd "$MOUNT" && echo 'int64 v' > classes/C && mkdir regions/transactional/b &&
        x=$(rainbowfs new regions/transactional/b C v=1) &&
        y=$(rainbowfs new regions/transactional/b C v=1 --count 100 | tail -n 1) || exit
        # Until a process has used less of a processor than N/100 s for a second.
        rests() {
            local before after
            for look in {1..60}; do
                before=$(awk '{print $14 + $15}' "/proc/$1/stat"); sleep 1
                after=$(awk '{print $14 + $15}' "/proc/$1/stat")
                ((after - before < $2)) && return
            done
            echo "burns a processor: $((after - before)) of 100"
        }
        # Until as many background jobs wait for an answer of their mount, or for one who does.
        waiting() {
            local process place count=0
            until ((count >= $1)); do
                sleep 0.1
                count=0
                for process in $(jobs -p); do
                    read -r place < /proc/$process/wchan
                    [[ $place == request_wait_answer || $place == d_*lookup* ||
                        $place == d_alloc* ]] && count=$((count + 1))
                done 2> /dev/null
            done
        }

        """

    /// - Parameter options: of the second mount.
    private func mounts(_ name: String, _ options: [String] = []) throws -> TestMount {
        let mount = try TestMount(name)
        try mount.mount()
        try mount.mount(at: mount.two, options)
        return mount
    }

    private static let serialScript = """
        mkdir transactions/t
        many=($(rainbowfs new regions/transactional/b C --count 40))
        echo restart serial > transactions/t/control
        for i in {0..39}; do (echo $i > "$MOUNT2/${many[i]}/v") & done
        mkdir "$MOUNT2/transactions/u"; (echo restart serial > "$MOUNT2/transactions/u/control") &
        waiting 41
        cat "$MOUNT2/$x/v"; ls "$MOUNT2/names"; stat -f -c %T "$MOUNT2"; cat "$MOUNT2/classes/C"
        rests $DAEMON 10
        timeout -s KILL 0.3 bash -c "echo 1000 > $MOUNT2/$y/v"; echo $?
        cat $y/v
        echo 50 > transactions/t/$x/v; echo commit > transactions/t/control
        while ! grep -q serial "$MOUNT2/transactions/u/control"; do sleep 0.01; done
        rmdir "$MOUNT2/transactions/u"; wait; cat $x/v
        for i in {0..39}; do [[ $(<${many[i]}/v) == $i ]] || echo "lost $i"; done
        """

    @Test(
        "A serial transaction of another mount keeps only those waiting that write.",
        arguments: [[], ["-s"]])
    func serialTransaction(options: [String]) throws {
        let mount = try mounts("serial", options)
        let daemon = try #require(mount.daemon(of: mount.two))
        let result = try mount.bash("DAEMON=\(daemon)\n\(Self.prologue)\(Self.serialScript)")
        #expect(
            result.output == "1\nfuseblk\nint64 v\n137\n1\n50\n",
            "\(result.output) \(result.errors.suffix(800))")
    }

    /// The second mount stops in the middle of the commit of a write to `x`.
    private static let stopScript = """
        (echo 7 > "$MOUNT2/$x/v") &
        trap 'kill -CONT $DAEMON' EXIT
        until grep -q 'State:.T' /proc/$DAEMON/status; do sleep 0.1; done
        for i in {1..40}; do cat $x/v > /dev/null & done
        (echo 5 > $x/v) &
        waiting 42
        cat $y/v; ls names; stat -f -c %T .; cat classes/C
        mkdir transactions/t snapshots/s && echo begun
        echo 8 > transactions/t/$y/v; echo commit > transactions/t/control
        cat $y/v snapshots/s/$y/v
        rests $FIRST 10
        cat $x/v & reader=$!; sleep 0.2; kill -KILL $reader; wait $reader; echo $?
        ln -s ../$x names/n 2> "$SCRATCH/error"; echo $?
        grep -o 'busy' "$SCRATCH/error"; tail -n 1 messages | grep -c "process $DAEMON"; ls names
        timeout -s INT 0.3 ln -s ../$x names/n; echo $?
        kill -CONT $DAEMON; wait; cat $x/v "$MOUNT2/$x/v"; ls names
        """

    @Test(
        "A commit that does not end keeps only those waiting that want its lines.",
        arguments: [[], ["-s"]])
    func stoppedCommit(options: [String]) throws {
        let mount = try TestMount("stopped")
        try mount.mount(options)
        let result = try mount.bash(
            """
            \(Self.prologue)
            cat $x/v > /dev/null    # So that the kernel knows the path.
            RAINBOWFS_FAILPOINT=stop:lock-all:1 rainbowfs mount "$SPACE" "$MOUNT2" || exit
            DAEMON=$(pgrep -f "mount $SPACE $MOUNT2"); FIRST=$(pgrep -f "$SPACE $MOUNT( |$)")
            \(Self.stopScript)
            """)
        #expect(
            result.output == """
                1
                fuseblk
                int64 v
                begun
                8
                1
                137
                1
                busy
                1
                124
                5
                5

                """, "\(result.output) \(result.errors.suffix(800))")
    }

    /// Leaves a process stopped in a commit that has made objects in the allocator `b`.
    private static let stopped = """
        RAINBOWFS_FAILPOINT=stop:lock-all:1 rainbowfs mount "$SPACE" "$MOUNT2" || exit
        DAEMON=$(pgrep -f "mount $SPACE $MOUNT2")
        (echo 7 > "$MOUNT2/$x/v") &
        trap 'kill -CONT $DAEMON' EXIT
        until grep -q 'State:.T' /proc/$DAEMON/status; do sleep 0.1; done

        """

    @Test("A request that is interrupted or killed while it waits has changed nothing.")
    func interruptedRequests() throws {
        let mount = try TestMount("interrupt")
        try mount.mount()
        let result = try mount.bash(
            """
            \(Self.prologue)
            ln -s ../$x names/old; mkdir transactions/t; echo 9 > transactions/t/$x/v
            \(Self.stopped)
            for signal in INT KILL; do
                timeout -s $signal 0.3 bash -c "exec echo 2 > $x/v"; echo $?
                timeout -s $signal 0.3 rainbowfs set $x v=3; echo $?
                timeout -s $signal 0.3 ln -s ../$x names/new; echo $?
                timeout -s $signal 0.3 bash -c "echo commit > transactions/t/control"; echo $?
                timeout -s $signal 0.3 truncate -s 0 $x/v; echo $?
            done
            kill -CONT $DAEMON; trap '' EXIT
            until [[ $(<$x/v) == 7 ]]; do sleep 0.01; done
            # Whatever was about to happen has had its time.
            sleep 1; cat $x/v; ls names; head -n 1 transactions/t/control
            """)
        let statuses = result.output.split(separator: "\n").prefix(10)
        #expect(statuses.prefix(5).allSatisfy { $0 == "124" || $0 == "1" }, "\(statuses)")
        #expect(statuses.suffix(5).allSatisfy { $0 == "137" }, "\(statuses)")
        #expect(
            result.output.hasSuffix("137\n7\nold\nstate: running\n"),
            "\(result.output) \(result.errors.suffix(800))")
    }

    @Test("A change of a directory that waits fails with EBUSY after 5 seconds: others look there.")
    func boundedChanges() throws {
        let mount = try TestMount("bounded")
        try mount.mount()
        let result = try mount.bash(
            """
            \(Self.prologue)
            \(Self.stopped)
            ln -s ../$x names/n 2> "$SCRATCH/error"; echo $?
            grep -o busy "$SCRATCH/error"; grep -c "process $DAEMON did not end" messages
            ls names; ln -s ../$y names/m; ls names
            """)
        #expect(
            result.output == "1\nbusy\n1\nm\n", "\(result.output) \(result.errors.suffix(800))")
    }

    @Test("A look-up that waits holds up no other one in its directory.")
    func parallelLookups() throws {
        let mount = try TestMount("lookups")
        try mount.mount()
        let result = try mount.bash(
            """
            \(Self.prologue)
            \(Self.stopped)
            # Names that the kernel of this mount has not asked for yet.
            for i in {1..20}; do stat "objects/$(basename $x)" > /dev/null & done
            waiting 21
            stat -c %F "objects/$(basename $y)"
            jobs -r | wc -l
            """)
        #expect(
            result.output == "directory\n21\n",
            "\(result.output) \(result.errors.suffix(800))")
    }
}
