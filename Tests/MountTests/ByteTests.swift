import TestSupport
import Testing

/// Names, arguments, values and mount points whose bytes are no UTF-8.
@Suite("Bytes are bytes")
struct ByteTests {
    /// A mounted space with an object `$x`; the shell stands in it.
    private static let setUp = """
        cd "$MOUNT" || exit; export LC_ALL=C.UTF-8
        printf 'string text[16]\\nbytes data[4]\\nint64 n\\n' > classes/A
        mkdir regions/transactional/a; x=$(rainbowfs new regions/transactional/a A)
        ln -s "../$x" names/x
        hex() { od -A n -t x1 | tr -d ' \\n'; echo; }
        """

    private func lines(_ mount: TestMount, _ body: String) throws -> [String] {
        let result = try mount.bash("\(Self.setUp)\n\(body)")
        #expect(result.errors == "")
        return result.output.split(separator: "\n").map(String.init)
    }

    @Test("Arguments reach the space and commands as they were given")
    func arguments() throws {
        let mount = try TestMount("bytes")
        #expect(try mount.mount().status == 0)
        let lines = try lines(
            mount,
            #"""
            rainbowfs set "$x" data=$'\xff\xc3'; hex < "$x/data"
            rainbowfs set "$x" text=$'\u0301x'; head -c 3 "$x/text" | hex
            rainbowfs set "$x" text=$'a\xff' 2>/dev/null; echo $?
            rainbowfs new regions/transactional/a A text=$'\xe9' 2>/dev/null; echo $?
            head -c 3 "$x/text" | hex
            rainbowfs get "$x" text | head -c 3 | hex
            rainbowfs atomic -- touch "$SCRATCH/"$'n\xe9'; ls "$SCRATCH" | hex
            rainbowfs atomic -- bash -c 'printf %s "$1" | od -A n -t x1' bash $'\xff' | hex
            cd names; rainbowfs set -m "$MOUNT" names/x n=3; cat x/n
            """#)
        #expect(
            lines == [
                "ffc30000", "cc8178", "3", "3", "cc8178", "cc8178", "6ee90a", "2066660a", "3",
            ])
    }

    @Test("Names that are no UTF-8, and two spellings of one character, are names like others")
    func names() throws {
        let mount = try TestMount("bytes")
        #expect(try mount.mount().status == 0)
        #expect(try mount.mount(at: mount.two).status == 0)
        let lines = try lines(
            mount,
            #"""
            names=($'n\xff' $'\xc3\xa9' $'e\xcc\x81' $'\xcc\x81x')
            for name in "${names[@]}"; do
                ln -s "../$x" "names/$name"; mkdir "snapshots/$name" "transactions/$name"
                mkdir "regions/transactional/$name"
            done
            for folder in names snapshots transactions; do
                LC_ALL=C ls "$folder" | grep -avx x | hex
            done
            LC_ALL=C ls "$MOUNT2/snapshots" | hex
            cat "$MOUNT2/names/"$'n\xff'/n "snapshots/"$'\xcc\x81x'/names/x/n
            rainbowfs get "names/"$'n\xff' n
            rainbowfs set "transactions/"$'\xcc\x81x'"/names/"$'n\xff' n=5
            echo commit > "transactions/"$'\xcc\x81x/control'; cat "$x/n"
            y=$(rainbowfs new "regions/transactional/"$'n\xff' A n=8); rainbowfs get "$y" n
            readlink "$y/raw" | LC_ALL=C grep -ac $'n\xff'
            cd "snapshots/"$'n\xff' && rainbowfs get names/x n; cd ../..
            mv "names/"$'\xc3\xa9' names/moved; ls names | grep -c moved; rm "names/"$'e\xcc\x81'
            rmdir snapshots/* transactions/*; ls snapshots transactions | grep -c .
            rainbowfs status --json | python3 -c 'import json, sys; json.load(sys.stdin)'
            """#)
        let all = "65cc810a6eff0ac3a90acc81780a"
        #expect(lines.prefix(4) == [all, all, all, all])
        #expect(lines.dropFirst(4) == ["0", "0", "0", "5", "8", "1", "0", "1", "2"])
    }

    @Test("A space is mounted and used below a folder whose name is no UTF-8")
    func mountPoint() throws {
        let mount = try TestMount("bytes")
        let result = try mount.bash(
            #"""
            cd "$SCRATCH" && export LC_ALL=C.UTF-8
            for folder in $'d\xe9' $'\xc3\xa9\xc3\xa9' $'\xcc\x81'; do
                point="$SCRATCH/$folder/m"; mkdir -p "$point"
                rainbowfs "$SPACE" "$point" && cd "$point" || exit
                [[ -e classes/A ]] || { echo 'int64 n' > classes/A; mkdir regions/transactional/a; }
                x=$(rainbowfs new regions/transactional/a A n=7)
                ln -sfn "$point/$x" names/x; readlink names/x | grep -c objects
                rainbowfs set names/x n=8 && rainbowfs get "$point/names/x" n
                rainbowfs atomic -C "$point/names" -- bash -c 'echo 9 > x/n; pwd | grep -ac /names$'
                cat names/x/n
                mkdir -p snapshots/s; rainbowfs get snapshots/s/names/x n
                rainbowfs set -m "$point" names/x n=10; rainbowfs get -m "$point" names/x n
                rainbowfs atomic -- rainbowfs get names/x n
                rainbowfs "$SPACE" "$point" 2>&1 | grep -ac 'already mounted'
                rmdir snapshots/s; cd "$SCRATCH" && fusermount3 -u "$point" && echo unmounted
            done
            """#)
        #expect(result.errors == "")
        let one = ["1", "8", "1", "9", "9", "10", "10", "1", "unmounted"]
        #expect(result.output.split(separator: "\n").map(String.init) == one + one + one)
    }

    @Test("A mount point whose name is no UTF-8 does not hide the others from the tests")
    func table() throws {
        let mount = try TestMount("bytes")
        #expect(try mount.mount().status == 0)
        let result = try mount.bash(
            #"point=$SCRATCH/$'d\xe9'; mkdir "$point" && mount --bind /proc/self "$point""#)
        #expect(result.errors == "")
        #expect(MountedPoint.exists(mount.one))
        #expect(try mount.bash(#"umount "$SCRATCH"/$'d\xe9'"#).status == 0)
        #expect(try mount.unmount().status == 0)
        #expect(!MountedPoint.exists(mount.one))
    }
}
