import Foundation
import TestSupport
import Testing

@Suite("rainbowfs watch")
struct WatchTests {
    /// Two mounts with a counter `names/n`, and `names/wide`, which shares no line with it.
    private func scene() throws -> TestMount {
        let mount = try EventsTests.counter("watch")
        let result = try mount.bash(
            """
            cd "$MOUNT" && printf 'bytes a[64]\\nint64 value\\nbytes b[64]\\n' > classes/Wide &&
            rainbowfs new regions/transactional/a Wide &&
            ln -s "../$(rainbowfs new regions/transactional/a Wide)" names/wide
            """)
        try #require(result.status == 0, "\(result.errors)")
        return mount
    }

    @Test("`rainbowfs watch` prints a line for each commit that touched one of its objects.")
    func lines() throws {
        let mount = try scene()
        let result = try mount.bash(
            """
            cd "$MOUNT"
            wide=$(basename "$(readlink names/wide)") n=$(basename "$(readlink names/n)")
            exec 3< <(exec rainbowfs watch names/wide "objects/$n/value" --initial --count 3)
            read -r -u 3 version what objects && echo "$what ${objects/$wide/WIDE}"
            for i in 1 2; do ln -s ../objects/$n names/other$i; done
            echo 1 > "$MOUNT2/names/n/value"
            echo 2 > names/wide/value
            rainbowfs atomic -- bash -c 'echo 3 > names/n/value; echo 3 > names/wide/value'
            while read -r -u 3 version node number objects; do
                ((version > last)) && last=$version
                objects=${objects/$n/N}
                echo "$node $number ${objects/$wide/WIDE}"
            done
            """)
        let text = result.output.replacing(/objects\/0x[0-9a-f]+/, with: "objects/N")
        #expect(
            text == """
                initial objects/N objects/WIDE
                node 1 objects/N
                node 0 objects/WIDE
                node 0 objects/N objects/WIDE

                """, "\(result.errors)")
    }

    @Test("After the line of `watch --initial` no commit is missed.")
    func noneMissed() throws {
        let mount = try scene()
        // Ping and pong: each side looks when it was told, and moves the counter on. A wakeup that
        // is lost stops the game.
        let script = """
            play() {
                local parity=$2 value
                exec 3< <(exec rainbowfs watch "$1/names/n" --initial)
                while read -r -u 3 _; do
                    value=$(<"$1/names/n/value")
                    if ((value >= 60)); then break; fi
                    if ((value % 2 == parity)); then echo $((value + 1)) > "$1/names/n/value"; fi
                done
                exec 3<&-
            }
            play "$MOUNT" 0 & one=$!
            play "$MOUNT2" 1 & two=$!
            wait $one $two
            cat "$MOUNT/names/n/value"
            """
        let result = try mount.run(["timeout", "300", "bash", "-c", script])
        #expect(result.output == "60\n", "\(result.errors)")
    }

    @Test("`watch` ends after `--count` lines with status 0, after `--timeout` with 124.")
    func ends() throws {
        let mount = try scene()
        let result = try mount.bash(
            """
            cd "$MOUNT"
            rainbowfs watch names/n --timeout 0.3 --initial | cut -d ' ' -f 2
            echo "${PIPESTATUS[0]}"
            exec 3< <(rainbowfs watch names/n --count 1 --timeout 600 --initial --json; echo $?)
            read -r -u 3 line; jq -c 'del(.version)' <<<"$line"
            echo 5 > names/n/value
            read -r -u 3 line; jq -c '[(.version | type), .node]' <<<"$line"
            cat <&3
            """)
        let text = result.output.replacing(/0x[0-9a-f]+/, with: "N")
        #expect(
            text == """
                initial
                124
                {"initial":true,"objects":["objects/N"]}
                ["number",0]
                0

                """, "\(result.errors)")
    }

    @Test("watch ends when its output is closed, when the mount ends, and at once for no object")
    func refusals() throws {
        let mount = try scene()
        let result = try mount.bash(
            """
            cd "$MOUNT"
            timeout 60 rainbowfs watch names/n --initial | head -n 1 | wc -l
            echo "${PIPESTATUS[0]}"
            rainbowfs watch names/none; echo $?
            rainbowfs watch names/n metrics; echo $?
            rainbowfs watch names/n --count 0; echo $?
            cd /
            exec 3< <(rainbowfs watch "$MOUNT/names/n" --initial 2>&1; echo $?)
            read -r -u 3 line
            kill -TERM \(try #require(mount.daemon()))
            cat <&3
            """)
        #expect(
            result.output == """
                1
                0
                3
                3
                1
                rainbowfs: The mount at \(mount.one) has ended
                2

                """)
        #expect(result.errors.contains("metrics does not lead to an object"))
    }

    @Test("watch works on a mount for reading only, in a transaction, and below a name's object")
    func places() throws {
        let mount = try scene()
        #expect(try mount.unmount(mount.two).status == 0)
        try mount.mount(at: mount.two, ["-o", "ro"])
        let result = try mount.bash(
            """
            cd "$MOUNT" && mkdir transactions/t
            for path in "$MOUNT2/names/n" transactions/t/names/n names/n/value names/n/raw; do
                exec 3< <(exec rainbowfs watch "$path" --count 1 --initial)
                read -r -u 3 line
                echo 3 > names/wide/value
                echo 4 > names/n/value
                cut -d ' ' -f 2,3 <&3
            done
            """)
        #expect(
            result.output == String(repeating: "node 0\n", count: 4), "\(result.errors)")
    }
}
