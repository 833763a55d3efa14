import Foundation
import TestSupport
import Testing

@Suite("A mounted space whose files are gone")
struct FilesGoneTests {
    @Test(
        "When the files of a space are gone, those who have it go on, and say what cannot be done.",
        arguments: ["rainbowfs destroy --force $SPACE", "rm -r $RAINBOWFS_DIR/rainbowfs.$SPACE"])
    func goOn(_ removal: String) throws {
        let mount = try TestMount("gone")
        try mount.mount()
        try mount.mount(at: mount.two)
        let result = try mount.bash(
            """
            cd $MOUNT; mkdir regions/transactional/a; echo 'int64 v' > classes/C
            x=$(rainbowfs new regions/transactional/a C v=1); ln -s ../$x names/x
            mkdir regions/before $MOUNT2/snapshots/before regions/before/b
            \(removal); rainbowfs ls | grep -c $SPACE
            echo 2 > $x/v; cat $MOUNT2/$x/v snapshots/before/$x/v; rmdir snapshots/before
            mkdir snapshots/s; echo 3 > $MOUNT2/$x/v; cat snapshots/s/$x/v; rmdir snapshots/s
            rainbowfs new regions/transactional/a C v=5 >/dev/null; echo 'int64 w' > classes/D
            y=$(rainbowfs new regions/before/b D w=8); cat $y/w
            echo 'new C *100000' > regions/transactional/a/allocator
            rainbowfs atomic -- bash -c "echo 4 > $x/v"; cat $MOUNT2/names/x/v
            cat $MOUNT2/$y/w 2>&1 | grep -o 'Stale.*'
            { df $MOUNT && stat -f $MOUNT && rainbowfs status; } >/dev/null && echo df
            mkdir regions/after
            """)
        #expect(result.output == "0\n2\n1\n2\n8\n4\nStale file handle\ndf\n")
        #expect(result.errors.hasSuffix("‘regions/after’: Stale file handle\n"), "\(result.errors)")
        #expect(!result.errors.dropLast().contains("\n"), "\(result.errors)")
        let messages = try mount.bash("grep mkdir $MOUNT/messages; ls $MOUNT/regions")
        #expect(messages.output.contains("The files of the space '\(mount.space)' are gone"))
        #expect(messages.output.hasSuffix("\nbefore\ntransactional\n"))
        // A space of that name is another one from now on.
        #expect(try mount.unmount(mount.two).status == 0)
        try mount.mount(at: mount.two)
        #expect(try mount.bash("ls $MOUNT2/names; cat $MOUNT/names/x/v").output == "4\n")
    }

    @Test("A check names the file of a region that was removed or cut short by hand")
    func regionFile() throws {
        let mount = try TestMount("gone")
        try mount.mount()
        let made = try mount.bash(
            """
            cd $MOUNT; mkdir regions/more regions/more/a; echo 'int64 v' > classes/C
            for n in 1 2 3; do ln -s ../$(rainbowfs new regions/more/a C v=$n) names/n$n; done
            """)
        #expect(made.errors == "")
        #expect(try mount.unmount().status == 0)
        for damage in ["truncate -s 1M", "rm"] {
            let result = try mount.bash(
                """
                cd $RAINBOWFS_DIR/rainbowfs.$SPACE; file=$(ls region-* | grep -vx region-1)
                \(damage) "$file"; echo "$file"; rainbowfs fsck $SPACE; echo $?
                """)
            let lines = (result.output + result.errors).split(separator: "\n").map(String.init)
            let file = try #require(lines.first)
            #expect(file.hasPrefix("region-") && lines.contains("4"), "\(lines)")
            #expect(
                lines.contains { $0.hasSuffix("more: its file \(file) is gone or cut short.") },
                "\(lines)")
        }
        // What lies elsewhere can still be read.
        try mount.mount()
        let rest = try mount.bash("cd $MOUNT; cat classes/C; ls names; cat names/n1/v")
        #expect(rest.output == "int64 v\nn1\nn2\nn3\n" && rest.status != 0)
    }
}
