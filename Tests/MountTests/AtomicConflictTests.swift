import Foundation
import TestSupport
import Testing

/// The lines of Docs/Semantics.md about what `rainbowfs atomic` does on conflicts.
@Suite("atomic: conflicts")
struct AtomicConflictTests {
    /// Eight shells add one to a number ten times each; `how` is put before the shell that does it.
    private static func count(_ how: String) -> String {
        """
        for shell in {1..8}; do
            for turn in {1..10}; do
                \(how) bash -c 'value=$(<names/alice/balance); sleep 0.002
                    echo $(( value + 1 )) > names/alice/balance' || exit
            done &
        done
        wait; balance alice
        """
    }

    @Test("Shells that add to one number at once lose updates, and with atomic none.")
    func counter() throws {
        let fixture = try AtomicFixture()
        let without = try fixture.bash(Self.count(""))
        let lost = try #require(Int(without.output.dropLast()))
        #expect((1..<80).contains(lost))
        let with = try fixture.bash(
            "echo 0 > names/alice/balance\n" + Self.count("rainbowfs atomic --"))
        #expect(with.output == "80\n" && with.errors == "")
        #expect(eventually { fixture.transactions == [] })
    }

    @Test("A command whose transaction conflicts runs again, in a new one.")
    func again() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            rainbowfs atomic --verbose -- bash -c '
                number=$(run_number); value=$(<names/alice/balance)
                (( number > 2 )) || disturb alice
                echo $(( value + 1 )) > names/alice/balance; basename "$RAINBOW"'
            balance alice
            """)
        #expect(fixture.runs == 3)
        let output = result.output.split(separator: "\n")
        #expect(output.count == 2 && output[0].hasSuffix("-3") && output[1] == "201")
    }

    @Test("`--verbose` says what conflicted with whose commit, and the version of its own.")
    func verbose() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            rainbowfs atomic --verbose -- bash -c '
                number=$(run_number); value=$(<names/alice/balance)
                (( number > 1 )) || disturb alice
                echo $(( value + 1 )) > names/alice/balance'
            basename "$(readlink names/alice)"; getfattr --only-values -n user.rainbow.version \\
                names/alice
            """)
        let facts = result.output.split(separator: "\n")
        let lines = result.errors.split(separator: "\n")
        try #require(facts.count == 2 && lines.count == 2, "\(result.errors)")
        let prefix = "rainbowfs: attempt 1 runs again: objects/"
        #expect(lines[0].hasPrefix(prefix))
        let conflict = try #require(
            lines[0].dropFirst(prefix.count)
                .wholeMatch(of: /(\w+) \(Account\) changed by node 0 at version (\d+)/))
        #expect(conflict.1 == facts[0])
        #expect(Int(conflict.2)! < Int(facts[1])!)
        #expect(lines[1] == "rainbowfs: attempt 2 was committed at version \(facts[1])")
    }

    @Test("A command that only reads never runs again.")
    func readOnly() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            rainbowfs atomic -- bash -c '
                run_number > /dev/null; cat names/alice/balance; disturb alice
                cat names/alice/balance; disturb bob; cat names/bob/balance'
            """)
        #expect(result.output == "0\n0\n0\n")
        #expect(fixture.runs == 1)
    }

    @Test("With `--retries N` it gives up after 1 + N runs: 75, nothing shown, nothing done.")
    func retries() throws {
        let fixture = try AtomicFixture()
        let command = """
            bash -c 'run_number; value=$(<names/alice/balance); disturb alice
                echo 1 > names/alice/balance; echo 1 > names/bob/balance'
            """
        let none = try fixture.bash("rainbowfs atomic --retries 0 -- \(command); echo $?")
        #expect(none.output == "75\n" && fixture.runs == 1)
        let two = try fixture.bash(
            "rainbowfs atomic --retries 2 -- \(command); echo $?; balance alice; balance bob")
        #expect(two.output == "75\n400\n0\n" && fixture.runs == 4)
        #expect(
            two.errors.contains(/Gave up after 3 attempts: objects\/\w+ \(Account\) changed by/))
        #expect(eventually { fixture.transactions == [] })
    }

    @Test("After eight conflicts nobody else commits until the command ends, so that it ends.")
    func serial() throws {
        let fixture = try AtomicFixture()
        let result = try fixture.bash(
            """
            rainbowfs atomic --verbose -- bash -c '
                number=$(run_number); value=$(<names/alice/balance)
                if (( number <= 8 )); then
                    disturb alice
                else
                    grep "^serial:" "$RAINBOW/control"
                    (disturb bob; touch "$SCRATCH/after") > /dev/null & sleep 0.3
                    ls "$SCRATCH"
                fi
                echo $(( value + 1 )) > names/alice/balance'
            until_there after; balance alice; balance bob
            """)
        #expect(result.output == "serial: yes\nruns\n801\n100\n")
        #expect(result.errors.contains("attempt 9 is serial"))
        #expect(fixture.runs == 9)
    }

    @Test("A long command among many short ones is not kept from ending")
    func starvation() throws {
        let fixture = try AtomicFixture()
        // Each run but the serial one is sure to lose: it waits until it has.
        let result = try fixture.bash(
            """
            version() {
                getfattr --absolute-names --only-values -n user.rainbow.version "$MOUNT/names/alice"
            }
            export -f version
            for writer in {1..4}; do
                until [[ -e $SCRATCH/stop ]]; do
                    rainbowfs set names/alice balance=0
                done &
            done
            rainbowfs atomic -- bash -c '
                number=$(run_number); value=$(<names/alice/balance); before=$(version)
                if (( number <= 8 )); then
                    while [[ $(version) == "$before" ]]; do :; done
                else
                    sleep 0.2
                fi
                echo 7 > names/alice/balance; cp names/alice/balance names/bob/balance'
            echo $?; touch "$SCRATCH/stop"; wait; balance bob
            """)
        #expect(result.output == "0\n7\n" && result.errors == "", "\(result.errors)")
        #expect(fixture.runs == 9)
    }

    @Test("In serial mode the command must end within `serial_timeout=`: 125.")
    func serialTimeout() throws {
        let fixture = try AtomicFixture(["-o", "serial_timeout=1"])
        let result = try fixture.bash(
            """
            rainbowfs atomic -- bash -c '
                number=$(run_number); value=$(<names/alice/balance)
                if (( number <= 8 )); then disturb alice; else
                    until grep -q serial_timeout= "$RAINBOW/control"; do sleep 0.05; done
                fi
                echo 1 > names/bob/balance; echo shown' 2> "$SCRATCH/errors"
            echo $?; cat "$SCRATCH/errors"; disturb alice; balance alice; balance bob
            """)
        let lines = result.output.split(separator: "\n")
        #expect(lines.first == "125" && lines.suffix(2) == ["900", "0"])
        #expect(result.output.contains("serial_timeout="), "\(result.output)")
        #expect(!lines.contains("shown"))
        #expect(eventually { fixture.transactions == [] })
    }
}
