import Foundation
import TestSupport
import Testing

@Suite("Lists of commands and texts of classes that programs write in pieces")
struct ListOfCommandsTests {
    private func run(_ script: String) throws -> CommandResult {
        let mount = try TestMount("list")
        try mount.mount()
        return try mount.bash(
            """
            cd "$MOUNT" && mkdir regions/transactional/b && echo 'int64 v' > classes/C || exit 9
            file=regions/transactional/b/allocator
            \(script)
            """)
    }

    @Test("seq writes a list in pieces, and each object has the value that was meant")
    func pieces() throws {
        let result = try run(
            """
            seq -f 'new C v=%.0f' 10000001 10020000 > $file || exit 1
            cat regions/transactional/b/*.C | od -An -v -t d8 -w16 -j0 | awk '{ print $2 }' |
                sort -n | uniq | sed -n '1p;$p;$='
            printf 'new C v=1\\nnew C v=22' > $file && ls regions/transactional/b | wc -l
            printf 'new C v=x' > $file || echo refused
            """)
        #expect(result.output == "10000001\n10020000\n20000\n20003\nrefused\n", "\(result)")
    }

    @Test("A child that ends meanwhile does not complete the line of another process")
    func children() throws {
        let result = try run(
            """
            perl -e 'syswrite STDOUT, "# list\\nnew C v=12"; system "true";
                syswrite STDOUT, "345\\n"' > $file
            cat objects/*/v
            """)
        #expect(result.output == "12345\n", "\(result)")
    }

    @Test("A shell reads its answers in order")
    func answers() throws {
        let result = try run(
            """
            exec 3<>$file
            echo 'new C v=1' >&3
            printf 'new C v=2\\nnew C v=3' >&3
            read -r one <&3
            sh -c 'echo new >&3' 2>/dev/null
            read -r two <&3
            echo 'new C v=4' >&3
            read -r three <&3
            cat $one/v $two/v $three/v
            """)
        #expect(result.output == "1\n2\n3\n", "\(result)")
    }

    @Test("Nobody sees half of a class, and nothing is left of what is none")
    func classes() throws {
        let result = try run(
            """
            { echo 'int64 a'; ls classes/G; /bin/true; ls classes/G; echo 'int64 b'; } > classes/G
            cat classes/G
            echo 'bogus x' > classes/F; ls classes/F
            { echo 'int64 a'; echo 'bogus x'; echo 'int64 b'; } > classes/F; ls classes/F
            printf 'int64 q' | dd bs=1 of=classes/H status=none && cat classes/H
            for i in {1..30}; do
                touch classes/E$i && rainbowfs new regions/transactional/b E$i >/dev/null || echo $i
            done
            """)
        #expect(result.output == "int64 a\nint64 b\nint64 q\n", "\(result)")
        #expect(result.errors.split(separator: "\n").count == 7, "\(result)")
    }
}
