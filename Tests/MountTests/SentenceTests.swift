import Foundation
import TestSupport
import Testing

@Suite("The sentence belongs to the call that failed")
struct SentenceTests {
    private func prepared() throws -> TestMount {
        let mount = try TestMount("sentence")
        try mount.mount()
        let made = try mount.bash(
            """
            cd "$MOUNT" && mkdir regions/transactional/b && echo 'int64 v' > classes/C &&
            ln -s ../$(rainbowfs new regions/transactional/b C) names/x
            """)
        #expect(made.status == 0, "\(made)")
        return mount
    }

    @Test("A command says in one line what was wrong")
    func oneLine() throws {
        let mount = try prepared()
        let cases = [
            ("set names/x v=abc", #"v is int64; "abc" is no such value"#),
            ("set names/x w=1", "The class C has no field \"w\""),
            ("new regions/transactional/b Nobody", "There is no class \"Nobody\""),
            ("new regions/transactional/b C v=x", #"v is int64; "x" is no such value"#),
            ("new regions/transactional/none C", "regions/transactional/none/allocator: No such"),
            ("get names/none", "names/none: No such file or directory"),
        ]
        for (command, sentence) in cases {
            let result = try mount.bash("cd $MOUNT && rainbowfs \(command)")
            #expect(result.status == 3 && result.output == "", "\(result)")
            #expect(result.errors.hasPrefix("rainbowfs: \(sentence)"), "\(result)")
            #expect(result.errors.split(separator: "\n").count == 1, "\(result)")
            #expect(!result.errors.hasSuffix(".\n"), "\(result)")
        }
    }

    @Test("Of many shells at once, each gets its own sentence")
    func concurrent() throws {
        let mount = try prepared()
        let result = try mount.bash(
            """
            cd "$MOUNT"
            for n in {1..20}; do
                (for round in 1 2 3; do
                    case $((n % 2)) in
                    0) rainbowfs set names/x v=bad$n ;;
                    1) rainbowfs new regions/transactional/b C v=bad$n ;;
                    esac
                done 2> "$SCRATCH/$n") &
                (for round in {1..20}; do echo worse$n > names/x/v; done 2> /dev/null) &
            done
            wait
            for n in {1..20}; do
                [ $(grep -c -x "rainbowfs: v is int64; \\"bad$n\\" is no such value" \
                    "$SCRATCH/$n") = 3 ] || { echo $n; cat "$SCRATCH/$n"; }
            done
            """)
        #expect(result.output == "" && result.status == 0, "\(result)")
    }

    @Test("messages says who called, and what about")
    func messages() throws {
        let mount = try prepared()
        let result = try mount.bash(
            """
            cd "$MOUNT" && x=$(readlink names/x) && x=${x#../}
            echo abc > $x/v & pid=$!; wait
            echo 'new C v=no' > regions/transactional/b/allocator
            mkdir regions/transactional/b/inner
            mkdir transactions/t && rainbowfs set transactions/t/$x v=no
            echo 'no x' > classes/New
            rm $x/v
            sed 's/^[^ ]* //' messages
            echo "pid $pid bash, $x/v"
            """)
        let lines = result.output.split(separator: "\n").map(String.init)
        let last = try #require(lines.last)
        #expect(lines.count == 7, "\(result)")
        let object = last.split(separator: "/")[1]
        for (line, end) in zip(
            lines,
            [
                "\(last)]", " bash, regions/transactional/b/allocator]",
                " mkdir, regions/transactional/b/inner]", " rainbowfs, transactions/t/control]",
                " bash, classes/New]", " rm, objects/\(object)/v]",
            ])
        {
            #expect(line.hasSuffix(end), "\(line)")
        }
        #expect(lines[0].hasPrefix(#"write: EINVAL: v is int64; "abc" is no such value. [pid "#))
    }

    @Test("Only the process whose call failed is told, and once")
    func privacy() throws {
        let mount = try prepared()
        let result = try mount.bash(
            """
            cd "$MOUNT" && echo abc > names/x/v
            getfattr --only-values -n user.rainbow.sentence .; echo $?
            """)
        #expect(result.output == "1\n" && result.errors.contains("No such attribute"), "\(result)")
    }
}
