import Foundation
import TestSupport
import Testing

/// Programs that copy files, and texts that a careless copy would change.
@Suite struct StringRoundTripTests {
    private static let texts = [
        "", "x", "x\n", "\n", "a b\nc", "12345678", "1234567\n", "\u{e4}\u{20ac}",
    ]

    private static let tools = [
        "cp": #"cp "$from" "$SCRATCH/c" && cp "$SCRATCH/c" "$to""#,
        "cp within the mount": #"cp "$from" "$to""#,
        "cp to another mount": #"cp "$from" "$MOUNT2/${to#"$MOUNT"}""#,
        "tar": #"""
        tar -C "${from%/*}" -cf "$SCRATCH/t" label &&
        tar -C "${to%/*}" --overwrite -xf "$SCRATCH/t"
        """#,
        "rsync": #"""
        rsync -a "$from" "$SCRATCH/label" && rsync -a --ignore-times "$SCRATCH/label" "$to"
        """#,
        "sed -i": #"cp "$from" "$to" && sed -i s/Q/q/ "$to""#,
        "vim": #"""
        cp "$from" "$to"
        for copy in no yes; do
            vim -es -u NONE -i NONE -c "set backupcopy=$copy" -c w! -c q "$to" </dev/null
        done
        """#,
        "dd bs=1": #"dd bs=1 status=none if="$from" of="$to""#,
        "cat": #"cat "$from" >"$to""#,
    ]

    @Test(
        "A text comes back the same through cp, tar, rsync, `sed -i`, vim and `dd bs=1`.",
        arguments: tools.keys.sorted())
    func roundTrip(_ tool: String) throws {
        let mount = try TestMount("string")
        try mount.mount()
        try mount.mount(at: mount.two)
        let script = try #require(Self.tools[tool])
        let made = try mount.bash(
            """
            cd "$MOUNT" && echo 'string label[8]' >classes/Label && mkdir regions/transactional/t &&
            rainbowfs new regions/transactional/t Label -n 2
            """)
        let paths = made.output.split(separator: "\n").map { "\(mount.one)/\($0)" }
        try #require(paths.count == 2)
        for text in Self.texts {
            try Data((text + "\n").utf8).write(to: URL(filePath: "\(mount.folder)/scratch/text"))
            let result = try mount.bash(
                """
                set -e
                from=\(paths[0])/label to=\(paths[1])/label
                cat "$SCRATCH/text" >"$from"; echo other >"$to"
                \(script)
                cmp "$SCRATCH/text" "$from"; cmp "$SCRATCH/text" "$to"; rm -f "$SCRATCH/label"
                """)
            #expect(
                result.status == 0 && result.errors == "" && result.output == "",
                "\(text.debugDescription): \(result.output)\(result.errors)")
        }
    }
}
