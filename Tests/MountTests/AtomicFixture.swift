import Foundation
import TestSupport
import Testing

/// A mounted space with accounts alice, bob, carol and dave, who have nothing.
struct AtomicFixture {
    let mount: TestMount

    init(_ options: [String] = []) throws {
        mount = try TestMount("atomic")
        let mounted = try mount.mount(options)
        try #require(mounted.status == 0, "\(mounted.errors)")
        let made = try mount.bash(
            """
            cd "$MOUNT" && printf 'int64 balance\\nbytes padding[64]\\n' > classes/Account &&
            mkdir regions/transactional/bank || exit
            for name in alice bob carol dave; do
                ln -s "../$(rainbowfs new regions/transactional/bank Account)" names/$name || exit
            done
            """)
        try #require(made.status == 0, "\(made.errors)")
    }

    /// Runs a script at the top of the mount, with these functions:
    /// `balance NAME` prints what somebody has;
    /// `run_number` counts the runs of a command, from 1;
    /// `disturb NAME` commits to an account from outside of every transaction;
    /// `until_there FILE` waits for a file of the scratch folder;
    /// `until_gone` waits until there is no transaction.
    func bash(_ script: String) throws -> CommandResult {
        try withDeadline(seconds: 300, "a session with atomic") { try session(script) }
    }

    private func session(_ script: String) throws -> CommandResult {
        try mount.bash(
            """
            balance() { cat "$MOUNT/names/$1/balance"; }
            run_number() { echo run >> "$SCRATCH/runs"; wc -l < "$SCRATCH/runs"; }
            disturb() { echo $(( $(balance "$1") + 100 )) > "$MOUNT/names/$1/balance"; }
            until_there() { until [[ -e $SCRATCH/$1 ]]; do sleep 0.01; done; }
            until_gone() { until [[ -z $(ls "$MOUNT/transactions") ]]; do sleep 0.01; done; }
            export -f balance run_number disturb until_there
            cd "$MOUNT"
            \(script)
            """)
    }

    var transactions: [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: mount.one + "/transactions"))
            ?? ["none"]
    }

    var runs: Int {
        let text = try? String(contentsOfFile: "\(mount.folder)/scratch/runs", encoding: .utf8)
        return text?.split(separator: "\n").count ?? 0
    }
}
