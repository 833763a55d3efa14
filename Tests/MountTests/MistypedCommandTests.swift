import Foundation
import TestSupport
import Testing

@Suite("A mistyped command never mounts")
struct MistypedCommandTests {
    private func spaces(_ mount: TestMount) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(mount.folder)/spaces").sorted()
    }

    @Test("Nothing is mounted inside of a mounted space, whatever the space is called")
    func inside() throws {
        let mount = try TestMount("mistyped")
        try mount.mount()
        let before = try spaces(mount)
        let made = try mount.bash(
            """
            cd "$MOUNT" && mkdir regions/transactional/b && echo 'int64 v' > classes/C &&
            ln -s ../$(rainbowfs new regions/transactional/b C) names/hits
            """)
        #expect(made.status == 0, "\(made)")
        for words in [
            ["rm", "names/hits"], ["mount", "rm", "names/hits"], ["another", "names"],
            ["mount", "another", "regions/transactional/b", "-o", "ro"], [mount.space, "names"],
        ] {
            let result = try mount.bash("cd $MOUNT && rainbowfs \(words.joined(separator: " "))")
            #expect([1, 2].contains(result.status) && result.errors != "", "\(words): \(result)")
            #expect(try spaces(mount) == before, "\(words)")
        }
        let result = try mount.bash("cd $MOUNT && rainbowfs another names; cat names/hits/v")
        #expect(result.output == "0\n")
        #expect(result.errors.contains("lies inside of the space \(mount.space)"), "\(result)")
    }

    @Test(
        "A new space that is called nearly like a command is refused, with the command",
        arguments: [
            ("rm", "destroy"), ("gte", "get"), ("Set", "set"), ("statsu", "status"),
            ("wacth", "watch"), ("list", "ls"), ("destory", "destroy"), ("atomc", "atomic"),
            ("lss", "ls"), ("unmount", "fusermount3 -u"), ("umount", "fusermount3 -u"),
        ])
    func names(word: String, command: String) throws {
        let mount = try TestMount("mistyped")
        let refused = try mount.rainbowfs([word, mount.one])
        #expect(refused.status == 1 && !MountedPoint.exists(mount.one))
        #expect(refused.errors.split(separator: "\n").count == 1)
        #expect(refused.errors.contains("\(command) "), "\(refused)")
        let meant = "rainbowfs mount \(word) \(mount.one)"
        #expect(refused.errors.contains(meant), "\(refused)")
        #expect(try spaces(mount) == [])
        // Meant so, and then known.
        for words in [
            ["mount", word, mount.one], [word, mount.one], [word, mount.one, "-o", "ro"],
        ] {
            #expect(try mount.rainbowfs(words).status == 0, "\(words)")
            #expect(try mount.unmount().status == 0)
        }
        _ = try mount.rainbowfs(["destroy", word])
    }

    @Test("A line of fstab mounts a new space whatever it is called, and so do other names")
    func fstab() throws {
        let mount = try TestMount("mistyped")
        for words in [
            ["gte", mount.one, "-o", "rw,dev,suid"], ["demo", mount.one], ["bank", mount.one],
        ] {
            #expect(try mount.rainbowfs(words).status == 0, "\(words)")
            #expect(try mount.unmount().status == 0)
            #expect(try mount.rainbowfs(["destroy", words[0]]).status == 0)
        }
    }
}
