import Foundation
import TestSupport
import Testing

@Suite("A mount of a space that is being damaged", .serialized)
struct DamageMountTests {
    /// 20 seconds each time; `RAINBOWFS_FUZZ_SECONDS` for more.
    private static let seconds = environmentNumber("RAINBOWFS_FUZZ_SECONDS", default: 20)

    private static let setUp = """
        cd "$MOUNT"; mkdir regions/transactional/a
        printf 'int64 x\\nstring label[20]\\nref<Object> next\\nint32 more[5]\\n' > classes/A
        for n in {1..30}; do
            o=$(rainbowfs new regions/transactional/a A x=$n) && ln -s ../$o names/n$n
        done
        mkdir snapshots/s transactions/t
        """

    /// What people do in a mount; each command is given some seconds, and its errors are its own.
    private static let use = """
        cd "$MOUNT" 2>/dev/null || exit 0
        try() { timeout -s KILL 20 "$@" >/dev/null 2>&1; [ $? != 137 ] || echo "hangs: $*"; }
        while [ ! -e "$SCRATCH/stop" ]; do
            for n in {1..10}; do
                try bash -c "echo $RANDOM > names/n$n/x; cat names/n$n/*"
                [ ! -e "$SCRATCH/stop" ] || exit 0
            done
            try ls -lR names objects classes nodes
            try bash -c "cat control metrics nodes/* classes/*"
            try bash -c "cat regions/*/status regions/*/*/allocator"
            try rainbowfs new regions/transactional/a A x=1 next=n2
            try bash -c "cat snapshots/s/names/*/x; ls snapshots/s/objects"
            try bash -c "echo 5 > transactions/t/names/n3/x; cat transactions/t/control"
            try bash -c "echo commit > transactions/t/control"
            try bash -c "echo restart > transactions/t/control; mkdir snapshots/u"
            try bash -c "rmdir snapshots/u; ln -s ../names/n4 names/m; rm names/m"
            try df . ; try bash -c "stat -c %y names/* objects/*"
            try bash -c "echo 'int8 b' > classes/B$RANDOM; mkdir regions/transactional/b$RANDOM"
        done
        """

    @Test("Whatever is written into a space's files, its mounts answer and end as they should")
    func daemon() throws {
        let seed = printedSeed("damage beside mounts")
        let end = Date().addingTimeInterval(Double(Self.seconds))
        var rounds: UInt64 = 0
        while Date() < end {
            try Self.round(seed &+ rounds)
            rounds += 1
        }
        print("\(rounds) spaces")
        #expect(rounds > 0)
    }

    private static func round(_ seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let mount = try TestMount("damage")
        let daemons = try [mount.one, mount.two].map { point in
            let daemon = try Child(
                RainbowBinary.path, [mount.space, point, "-f"], environment: mount.environment)
            #expect(eventually { mount.answers(point) })
            return daemon
        }
        _ = try mount.bash(setUp)
        var damage = Damage(
            folder: "\(mount.folder)/spaces/rainbowfs.\(mount.space)", seed: generator.next())
        var strikes: [String] = []
        let users = try [mount.one, mount.two].map { point in
            let user = Process()
            user.executableURL = URL(fileURLWithPath: "/bin/bash")
            user.arguments = ["-c", use]
            user.environment = mount.environment.merging(["MOUNT": point]) { $1 }
            user.standardInput = FileHandle.nullDevice
            user.standardError = FileHandle.nullDevice
            let output = Pipe()
            user.standardOutput = output
            try user.run()
            return (user, output)
        }
        for _ in 0..<Int.random(in: 1...40, using: &generator) {
            strikes.append(damage.strike())
            usleep(UInt32.random(in: 0...100_000, using: &generator))
        }
        _ = FileManager.default.createFile(atPath: "\(mount.folder)/scratch/stop", contents: nil)
        var problems: [String] = []
        for (user, output) in users {
            let text = try output.fileHandleForReading.readToEnd() ?? Data()
            user.waitUntilExit()
            problems += String(decoding: text, as: UTF8.self).split(separator: "\n").map(
                String.init)
        }
        for (daemon, point) in zip(daemons, [mount.one, mount.two]) {
            _ = try mount.run(["fusermount3", "-uz", point])
            // One that is in the middle of something ends after it.
            if !eventually(within: 60, { daemon.hasEnded }) {
                problems.append("the mount at \(point) does not end")
                daemon.kill()
            } else if case .signaled(let signal) = daemon.wait() {
                problems.append("the mount at \(point) ended by signal \(signal)")
            }
        }
        guard !problems.isEmpty else { return }
        Issue.record(
            """
            RAINBOWFS_SEED=\(seed): \(problems.joined(separator: "; ")) after
            \(strikes.joined(separator: "\n"))
            """)
    }
}
