import Foundation
import TestSupport
import Testing

/// The lines of Docs/Semantics.md about signals to `rainbowfs atomic` and its command.
@Suite("atomic: signals and kills")
struct AtomicSignalTests {
    /// A command in the background that has written and waits; `$atomic` is the process.
    private static let waiting = """
        rainbowfs atomic -- bash -c '
            echo 9 > names/alice/balance; echo printed; echo $$ > "$SCRATCH/command"
            touch "$SCRATCH/up"; while :; do sleep 0.01; done' &
        atomic=$!; until_there up
        """

    @Test(
        "A signal to atomic goes to the command; one that it dies of gives 128 + N.",
        arguments: [("TERM", 143), ("HUP", 129), ("USR1", 138), ("USR2", 140)])
    func passedOn(signal: String, status: Int) throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            \(Self.waiting)
            kill -\(signal) $atomic; wait $atomic; echo $?
            until_gone; balance alice; kill -0 "$(<"$SCRATCH/command")" && echo lives
            """)
        #expect(result.output == "printed\n\(status)\n0\n")
    }

    @Test("A command that catches a signal and ends with 0 is committed.")
    func caught() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            rainbowfs atomic -- bash -c '
                trap "echo caught; echo 5 > names/alice/balance; exit 0" TERM
                touch "$SCRATCH/up"; while :; do sleep 0.01; done' &
            atomic=$!; until_there up; kill -TERM $atomic; wait $atomic; echo $?; balance alice
            """)
        #expect(result.output == "caught\n0\n5\n")
    }

    @Test("One that was to end, and conflicts, does not run again.")
    func notAgain() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            rainbowfs atomic -- bash -c '
                run_number; value=$(<names/alice/balance); trap "disturb alice
                echo 5 > names/alice/balance; exit 0" TERM
                touch "$SCRATCH/up"; while :; do sleep 0.01; done' &
            atomic=$!; until_there up; kill -TERM $atomic; wait $atomic; echo $?; balance alice
            """)
        #expect(result.output == "143\n100\n")
        #expect(fixture.runs == 1)
    }

    @Test("What the terminal sends to both reaches the command once.")
    func terminal() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            cat > "$SCRATCH/session" <<'END'
            rainbowfs atomic -- bash -c '
                trap "echo INT >> $SCRATCH/caught" INT
                touch "$SCRATCH/up"; until [[ -e $SCRATCH/caught ]]; do sleep 0.01; done
                for i in {1..30}; do sleep 0.01; done
                echo 5 > names/alice/balance'
            echo $? > "$SCRATCH/status"
            END
            { until_there up; printf '\\003'; until_there status; } |
                script -qc 'bash "$SCRATCH/session"' /dev/null > /dev/null
            cat "$SCRATCH/caught" "$SCRATCH/status"; balance alice
            """)
        #expect(result.output == "INT\n143\n0\n" || result.output == "INT\n0\n5\n")
    }

    @Test("A command that is killed leaves nothing, and others go on.")
    func killedCommand() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            \(Self.waiting)
            kill -KILL "$(<"$SCRATCH/command")"; wait $atomic; echo $?
            until_gone; balance alice
            rainbowfs atomic -- bash -c 'echo 4 > names/alice/balance'; balance alice
            """)
        #expect(result.output == "printed\n137\n0\n4\n")
    }

    @Test("When atomic itself is killed, nothing is committed and its transaction is gone.")
    func killedAtomic() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            mkdir transactions/other; echo 3 > transactions/other/names/bob/balance
            \(Self.waiting)
            ls transactions | wc -l
            kill -KILL $atomic; wait $atomic; echo $?
            until [[ $(ls transactions) == other ]]; do sleep 0.01; done
            cd names 2> "$SCRATCH/errors"
            cat "/proc/$(<"$SCRATCH/command")/cwd/names/alice/balance"
            balance alice
            echo commit > "$MOUNT/transactions/other/control"; balance bob
            kill -KILL "$(<"$SCRATCH/command")"
            """)
        #expect(result.output == "2\n137\n0\n3\n")
        #expect(result.errors.contains("Stale file handle"), "\(result.errors)")
    }

    @Test("Signals that atomic was started to ignore stay ignored.")
    func ignored() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            nohup rainbowfs atomic -- bash -c '
                number=$(run_number); value=$(<names/alice/balance)
                touch "$SCRATCH/up"; until_there go
                (( number > 1 )) || disturb alice
                echo $(( value + 5 )) > names/alice/balance' &
            atomic=$!; until_there up; kill -HUP $atomic; sleep 0.1; touch "$SCRATCH/go"
            wait $atomic; echo $?; balance alice
            """)
        #expect(result.output == "0\n105\n")
    }
}
