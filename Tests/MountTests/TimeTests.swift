import Foundation
import RainbowCore
import TestSupport
import Testing

@Suite("Times of files, and who made a commit")
struct TimeTests {
    private static let setUp = """
        cd "$MOUNT"; printf 'int64 x\\nbytes rest[120]\\n' > classes/A
        mkdir -m 777 regions/transactional/a
        new() { rainbowfs new regions/transactional/a A x=1; }
        """

    @Test(
        "What is written 30 ms after a file is newer than it, and what was written before is not."
    )
    func newer() throws {
        let mount = try TestMount("time")
        try mount.mount()
        let result = try mount.bash(
            """
            \(Self.setUp)
            old=$(new) object=$(new)
            (while [ ! -e "$SCRATCH/end" ]; do echo 7 > $old/x; sleep .003; done) & busy=$!
            for round in {1..30}; do
                [ $round != 15 ] || { touch "$SCRATCH/end"; wait $busy; }
                echo $round > $object/x; sleep .03
                touch "$SCRATCH/stamp"; sleep .03
                [ -z "$(find $object/x -newer "$SCRATCH/stamp")" ] || echo "$round: newer too early"
                echo -$round > $object/x
                [ -n "$(find $object/x -newer "$SCRATCH/stamp")" ] || echo "$round: not newer"
            done
            """)
        #expect(result.output == "")
    }

    @Test("A time that was shown stays, whatever is committed meanwhile.")
    func stay() throws {
        let mount = try TestMount("time")
        try mount.mount()
        try mount.mount(at: mount.two)
        let result = try mount.bash(
            """
            \(Self.setUp)
            times() { stat -c '%y' $objects; }
            busy=$(new) objects=
            for round in {1..20}; do objects+=" $(new)"; sleep .01; done
            mkdir snapshots/s
            before=$(times) shown=$(cd snapshots/s && times)
            [ "$before" = "$shown" ] || echo 'the snapshot has other times'
            for round in {1..400}; do echo $round > $busy/x; sleep .002; done
            [ "$before" = "$(times)" ] || echo 'moved'
            [ "$before" = "$(cd "$MOUNT2" && times)" ] || echo 'moved on the other mount'
            [ "$before" = "$(cd snapshots/s && times)" ] || echo 'moved in the snapshot'
            """)
        #expect(result.output == "")
    }

    @Test("A commit through a mount is the caller's: process and user, also by a transaction")
    func committers() throws {
        let mount = try TestMount("time")
        let isRoot = getuid() == 0
        try mount.mount(isRoot ? ["-o", "allow_other"] : [])
        let prepared = try mount.bash(
            """
            \(Self.setUp)
            chmod 777 .; object=$(new); chmod 666 regions/transactional/a/allocator; echo $object
            """)
        let object = String(prepared.output.split(separator: "\n").first ?? "")
        let board = try Scoreboard()
        let follower = try Child(
            builtProgram("space-worker"), ["committers", mount.space, "0", "1", "3"],
            environment: mount.environment, descriptor: board.descriptor)
        board.wait { $0[BoardPlace.node(0)] != 0 }
        let asOther = isRoot ? asNobody : ""
        let done = try mount.bash(
            """
            cd "$MOUNT"
            sh -c 'echo $$; id -u; echo 2 > $0/x' \(object)
            \(asOther) sh -c 'echo $$; id -u; echo 3 > $0/x' \(object)
            sh -c 'echo $$; id -u; mkdir transactions/t; echo 4 > transactions/t/$0/x
                   echo commit > transactions/t/control' \(object)
            """)
        let numbers = done.output.split(separator: "\n").compactMap { UInt64($0) }
        #expect(numbers.count == 6, "\(done.errors)")
        #expect(follower.wait() == .exited(0))
        for index in 0..<3 where numbers.count == 6 {
            let found = board[BoardPlace.result(0) + 1 + index]
            #expect(found & 0xffff_ffff == numbers[index * 2])
            #expect(found >> 32 == numbers[index * 2 + 1])
        }
    }
}
