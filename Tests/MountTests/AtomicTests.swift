import Foundation
import TestSupport
import Testing

/// The lines of Docs/Semantics.md about `rainbowfs atomic`, except for conflicts and signals.
@Suite("atomic: a command as a transaction")
struct AtomicTests {
    @Test("The command runs where it was called, inside the transaction, or at its top; see `-C`.")
    func place() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            here='echo "${PWD#$RAINBOW}" "$(pwd -P)" "$RAINBOW"'
            rainbowfs atomic -- bash -c "$here"
            (cd names/alice && rainbowfs atomic -- bash -c "$here")
            rainbowfs atomic -C regions/../classes -- bash -c "$here"
            rainbowfs atomic -C "$MOUNT/names/alice" bash -c "$here"
            cd / && rainbowfs atomic -m "$MOUNT" -- bash -c "$here"
            rainbowfs atomic -m "$MOUNT" -C classes -- bash -c "$here"
            """)
        #expect(result.errors == "")
        let lines = result.output.split(separator: "\n").map { line in
            line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        }
        let alice = try FileManager.default.destinationOfSymbolicLink(
            atPath: fixture.mount.one + "/names/alice"
        ).replacing("../", with: "/")
        #expect(lines.map(\.first) == ["", alice, "/classes", alice, "", "/classes"])
        for line in lines {
            try #require(line.count == 3)
            #expect(line[1] == line[2] + line[0])
            #expect(line[2].contains("/one/transactions/atomic-"))
        }
    }

    @Test("If it ends with 0, all that it did is committed as one; if not, nothing is.")
    func commitOrNothing() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            version() { getfattr --only-values -n user.rainbow.version names/$1; echo; }
            rainbowfs atomic -- bash -c '
                echo 1 > names/alice/balance; echo 2 > names/bob/balance
                balance alice; cat names/alice/balance'
            echo "status $?"; balance alice; balance bob
            [[ $(version alice) == "$(version bob)" ]] && echo one
            rainbowfs atomic -- bash -c '
                echo 8 > names/alice/balance; mkdir regions/transactional/more; exit 7'
            echo "status $?"; balance alice; ls regions/transactional
            """)
        #expect(result.errors == "")
        #expect(result.output == "0\n1\nstatus 0\n1\n2\none\nstatus 7\n1\nbank\nstatus\nsystem\n")
    }

    @Test("Pipelines, subshells and background jobs of the command take part.")
    func jobs() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            rainbowfs atomic -- bash -c '
                echo 1 | tee names/alice/balance | cat > names/bob/balance
                (cd names/carol && echo 3 > balance)
                (sleep 0.2; echo $(( $(<names/carol/balance) + 1 )) > names/dave/balance) &
                for name in alice bob carol dave; do balance $name; done
                wait'
            for name in alice bob carol dave; do balance $name; done
            """)
        #expect(result.errors == "")
        #expect(result.output == "0\n0\n0\n0\n1\n1\n3\n4\n")
    }

    @Test("A background job that outlives the command gets ESTALE, and its output is not shown.")
    func outlivingJob() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            rainbowfs atomic -- bash -c '
                exec 3< names/alice/balance
                { until_there go; cat <&3; cat names/alice/balance; touch "$SCRATCH/done"; } \\
                    2> "$SCRATCH/errors" &
                echo committed'
            touch "$SCRATCH/go"; until_there done; cat "$SCRATCH/errors"
            """)
        let lines = result.output.split(separator: "\n")
        try #require(lines.count == 3)
        #expect(lines[0] == "committed")
        #expect(lines[1...].allSatisfy { $0.hasSuffix("Stale file handle") }, "\(lines)")
    }

    @Test("Its standard output appears once, when it was committed or has failed.")
    func output() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            rainbowfs atomic -- bash -c '
                number=$(run_number); value=$(<names/alice/balance)
                (( number > 2 )) || disturb alice
                echo $(( value + 1 )) > names/alice/balance
                echo "run $number saw $value"'
            rainbowfs atomic -- bash -c 'echo it failed; exit 3'
            echo "status $?"
            rainbowfs atomic -- seq 400000 | md5sum
            seq 400000 | md5sum
            """)
        #expect(result.errors == "")
        let lines = result.output.split(separator: "\n")
        #expect(Array(lines[..<3]) == ["run 3 saw 200", "it failed", "status 3"])
        #expect(lines.count == 5 && lines[3] == lines[4])
    }

    @Test("With `--stream` its output appears at once, that of each run.")
    func stream() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            rainbowfs atomic --stream -- bash -c '
                number=$(run_number); value=$(<names/alice/balance)
                (( number > 1 )) || disturb alice
                echo 1 > names/alice/balance; echo "run $number saw $value"'
            """)
        #expect(result.output == "run 1 saw 0\nrun 2 saw 100\n")
    }

    @Test("Output that cannot be kept or shown gives 125, and says whether it was committed.")
    func lostOutput() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            TMPDIR=/no/such rainbowfs atomic -- bash -c 'echo 5 > names/alice/balance; seq 400000'
            echo "status $?"; balance alice
            rainbowfs atomic -- bash -c 'echo 6 > names/alice/balance; echo x' > /dev/full
            echo "status $?"; balance alice
            """)
        #expect(result.output == "status 125\n0\nstatus 125\n6\n")
        #expect(result.errors.contains("cannot be kept: /no/such: No such file or directory"))
        #expect(result.errors.contains("The transaction was committed all the same"))
    }

    @Test("Standard input and output may be closed: nothing else is taken for them.")
    func closedDescriptors() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            rainbowfs atomic -- bash -c 'echo 7 > names/alice/balance; echo commit; exit 1' <&- >&-
            echo "$?" "$(balance alice)"
            rainbowfs atomic -- bash -c 'echo 8 > names/alice/balance' <&- >&- 2>&-
            echo "$?" "$(balance alice)"
            """)
        #expect(result.output == "125 0\n0 8\n", "\(result.errors)")
    }

    @Test("Each run reads the same input: a file is rewound, a pipe or socket replayed.")
    func input() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            add='number=$(run_number); value=$(<names/alice/balance)
                (( number % 3 == 0 )) || disturb alice
                sum=$(awk "{ s += \\$1 } END { printf \\"%d\\", s }")
                echo $(( value + sum )) > names/alice/balance; echo "$number: $sum"'
            seq 50000 | rainbowfs atomic -- bash -c "$add"
            seq 50000 > "$SCRATCH/numbers"
            { read -r first; rainbowfs atomic -- bash -c "$add"; } < "$SCRATCH/numbers"
            balance alice
            """)
        #expect(result.errors == "")
        #expect(result.output == "3: 1250025000\n6: 1250024999\n2500050399\n")
    }

    @Test("What the command does not read of a pipe is there for the next reader.")
    func sharedInput() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            seq 5 | while read -r number; do
                rainbowfs atomic -- bash -c '
                    echo $(( $(<names/alice/balance) + $0 )) > names/alice/balance' $number
            done
            balance alice
            seq 5 | { rainbowfs atomic -- head -n 0; rainbowfs atomic -- bash -c 'read a; echo $a'
                cat; }
            """)
        #expect(result.errors == "")
        #expect(result.output == "15\n1\n2\n3\n4\n5\n")
    }

    @Test("The exit status is the command's own, 126 or 127 if it cannot be run or is not there.")
    func exitStatus() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            touch "$SCRATCH/plain"
            for command in true false 'bash -c "exit 42"' "$SCRATCH/plain" no-such-program; do
                eval "rainbowfs atomic -- $command"; echo "$?"
            done
            until_gone
            """)
        #expect(result.output == "0\n1\n42\n126\n127\n")
        #expect(result.errors.contains("rainbowfs: no-such-program: No such file or directory"))
    }

    @Test("A script that does not say what reads it is read by sh, from PATH too")
    func plainScript() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            mkdir "$SCRATCH/bin"; echo 'echo "read $1"' > "$SCRATCH/bin/script"
            chmod +x "$SCRATCH/bin/script"
            rainbowfs atomic -- "$SCRATCH/bin/script" well; echo $?
            PATH="/nowhere:$SCRATCH/bin:$PATH" rainbowfs atomic -- script well; echo $?
            """)
        #expect(result.output == "read well\n0\nread well\n0\n", "\(result.errors)")
    }

    @Test(
        "What is wrong before the command runs gives 125 and a sentence.",
        arguments: [
            ("cd / && rainbowfs atomic -- touch \"$SCRATCH/ran\"", "not below a mounted space"),
            ("rainbowfs atomic -m /no/such -- touch \"$SCRATCH/ran\"", "There is no /no/such"),
            ("rainbowfs atomic -C nowhere -- touch \"$SCRATCH/ran\"", "There is no nowhere"),
            (
                "rainbowfs atomic -m . -C / -- touch \"$SCRATCH/ran\"",
                "/ is not below"
            ),
            ("rainbowfs atomic -C snapshots -- touch \"$SCRATCH/ran\"", "no folder snapshots"),
            ("rainbowfs atomic --retries", "Missing value"),
            ("rainbowfs atomic --", "Name the command"),
            ("rainbowfs atomic --loudly touch \"$SCRATCH/ran\"", "There is no option --loudly"),
            ("kill -9 $DAEMON; rainbowfs atomic touch \"$SCRATCH/ran\"", "died"),
        ])
    func refusals(script: String, reason: String) throws {
        let fixture = try AtomicFixture()
        let daemon = try #require(fixture.mount.daemon())
        let result = try fixture.bash("DAEMON=\(daemon); { \(script); }; echo $?; ls $SCRATCH")
        #expect(result.output == "125\n")
        #expect(result.errors.contains(reason), "\(result.errors)")
    }

    @Test("If nobody reads its output any more, SIGPIPE ends it, after the commit.")
    func brokenPipe() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            rainbowfs atomic -- bash -c 'echo 4 > names/alice/balance; yes | head -c 3000000' |
                head -n 1
            echo "${PIPESTATUS[0]}"; balance alice
            """)
        #expect(result.output == "y\n141\n4\n", "\(result.errors)")
    }

    @Test("Transactions do not nest: inside of one atomic is refused with 125.")
    func nested() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            rainbowfs atomic -- rainbowfs atomic -- touch "$SCRATCH/ran"; echo $?
            mkdir transactions/t && cd transactions/t/names
            rainbowfs atomic -- touch "$SCRATCH/ran"; echo $?
            rainbowfs atomic -C /  -m "$MOUNT/transactions/t" -- touch "$SCRATCH/ran"; echo $?
            cd "$MOUNT/transactions" && rainbowfs atomic -- touch "$SCRATCH/ran"; echo $?
            mkdir "$MOUNT/snapshots/s" && cd "$MOUNT/snapshots/s/names"
            rainbowfs atomic -- touch "$SCRATCH/ran"; echo $?
            ls "$SCRATCH"
            """)
        #expect(result.output == "125\n125\n125\n125\n125\n")
        let lines = result.errors.split(separator: "\n")
        try #require(lines.count == 5, "\(result.errors)")
        #expect(lines[0].contains(/do not nest, and RAINBOW says .*transactions\/atomic-/))
        for line in lines[1...2] { #expect(line.contains(/do not nest, and .*\/t is a trans/)) }
        #expect(lines[3].contains("no folder transactions in a transaction"))
        #expect(lines[4].contains("snapshots/s is a snapshot"))
    }

    @Test("`new`, `set` and `get` work in the transaction whose folder they are run in.")
    func otherCommands() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            rainbowfs atomic -- bash -c '
                eve=$(rainbowfs new regions/transactional/bank Account balance=3)
                ln -s "../$eve" names/eve
                rainbowfs set names/eve balance=4
                rainbowfs set names/alice balance=5
                rainbowfs get names/eve balance; rainbowfs get names/alice balance
                cd / && rainbowfs get -m "$RAINBOW" names/alice balance
                rainbowfs get "$RAINBOW/names/alice" balance
                rainbowfs get -m "$MOUNT" names/alice balance; ls "$MOUNT/names"'
            rainbowfs get names/eve balance; rainbowfs get names/alice balance
            """)
        #expect(result.errors == "")
        #expect(result.output == "4\n5\n5\n5\n0\nalice\nbob\ncarol\ndave\n4\n5\n")
    }

    @Test(
        "When the mount dies, atomic ends with 125, whatever the command says.", arguments: [0, 9])
    func deadMount(status: Int) throws {
        let fixture = try AtomicFixture()
        let daemon = try #require(fixture.mount.daemon())
        let result = try fixture.bash(
            "rainbowfs atomic -- bash -c 'kill -9 \(daemon); exit \(status)'; echo $?")
        #expect(result.output == "125\n")
        #expect(result.errors.contains("the mount there has died"), "\(result.errors)")
    }
}
