import Foundation
import TestSupport
import Testing

@Suite("Limits of the process that mounts")
struct LimitTests {
    /// Mounts under a limit; the mount works, or says on one line why not and leaves nothing.
    /// - Parameter settings: what the shell sets before, as `ulimit -n 10`.
    private func mount(_ mount: TestMount, under settings: String) throws -> Bool {
        let result = try mount.bash("\(settings); exec rainbowfs $SPACE $MOUNT")
        if result.status == 0 {
            let use = try mount.bash(
                """
                echo 'int64 v' > $MOUNT/classes/C && mkdir $MOUNT/regions/transactional/a &&
                rainbowfs new $MOUNT/regions/transactional/a C v=1
                mkdir $MOUNT/regions/more; mkdir $MOUNT/snapshots/s; ls -l $MOUNT; df $MOUNT
                fusermount3 -u $MOUNT
                """)
            #expect(use.status == 0, "\(settings): \(use.errors)")
        } else {
            #expect(result.status == 4, "\(settings): \(result)")
            let lines = result.errors.split(separator: "\n")
            #expect(lines.last?.hasPrefix("rainbowfs: ") == true, "\(settings): \(result.errors)")
            let isLeft = FileManager.default.fileExists(atPath: folder(mount))
            #expect(!isLeft || settings.contains("FAULT"), "\(settings): \(result.errors)")
        }
        #expect(eventually { !MountedPoint.exists(mount.one) })
        #expect(eventually { mount.daemon() == nil })
        if FileManager.default.fileExists(atPath: folder(mount)) {
            let check = try mount.rainbowfs(["fsck", mount.space])
            #expect(check.status == 0, "\(settings): \(check.output)\(check.errors)")
            #expect(try mount.rainbowfs(["destroy", mount.space]).status == 0)
        }
        return result.status == 0
    }

    private func folder(_ mount: TestMount) -> String {
        "\(mount.folder)/spaces/rainbowfs.\(mount.space)"
    }

    @Test("A limit of file sizes is a sentence, never SIGXFSZ, and leaves no space.")
    func fileSize() throws {
        let mount = try TestMount("limit")
        for kibibytes in [1, 1024, 20 << 20, 200 << 20] {
            let result = try mount.bash(
                "ulimit -f \(kibibytes); exec rainbowfs $SPACE $MOUNT")
            #expect(result.status == 4)
            #expect(result.errors.contains("ulimit -f"))
            #expect(!FileManager.default.fileExists(atPath: folder(mount)))
        }
    }

    @Test("Output past a limit of file sizes is an error of the command, never SIGXFSZ.")
    func outputSize() throws {
        let mount = try TestMount("limit")
        let result = try mount.bash(
            """
            cd "$SCRATCH"
            (ulimit -f 0; exec rainbowfs ls >out); echo $?
            (ulimit -f 0; exec rainbowfs --help >out); echo $?
            (ulimit -f 0; exec rainbowfs $SPACE /dev/null 2>out); echo $?
            (ulimit -f 0; exec rainbowfs atomic -m /dev/null -- true 2>out); echo $?
            """)
        #expect(result.output == "3\n3\n2\n125\n", "\(result)")
    }

    @Test("A benchmark that cannot have its threads says why, and leaves nothing")
    func threads() throws {
        let mount = try TestMount("limit")
        for arguments in ["--threads 3", "--threads 1 --snapshot-milliseconds 5"] {
            let result = try mount.bash(
                """
                ulimit -s $((1 << 32)); exec rainbowfs bench bank --milliseconds 10 \(arguments)
                """)
            #expect(result.status == 3, "\(result)")
            #expect(result.errors.contains("Resource temporarily unavailable"), "\(result)")
            #expect(result.errors.contains("ulimit -u"), "\(result)")
        }
        let spaces = try FileManager.default.contentsOfDirectory(atPath: mount.folder + "/spaces")
        #expect(spaces == [])
    }

    @Test("Under a limit of file sizes a space that is there can be used, and says what cannot be.")
    func fileSizeOfUser() throws {
        let mount = try TestMount("limit")
        try mount.mount()
        #expect(try mount.unmount().status == 0)
        let result = try mount.bash(
            """
            (ulimit -f 1024; exec rainbowfs $SPACE $MOUNT); cd $MOUNT
            echo 'int64 v' > classes/C; mkdir regions/transactional/a
            x=$(rainbowfs new regions/transactional/a C v=1)
            mkdir snapshots/s; echo 2 > $x/v; cat $x/v snapshots/s/$x/v; rmdir snapshots/s
            mkdir regions/more && echo made; grep -c 'ulimit -f' messages; ls regions
            cd /; fusermount3 -u $MOUNT
            """)
        #expect(result.output == "2\n1\n1\ntransactional\n")
        #expect(result.errors.contains("File too large"))
        #expect(eventually { mount.daemon() == nil })
        #expect(try mount.rainbowfs(["fsck", mount.space]).status == 0)
    }

    @Test(
        "With too few descriptors or addresses a mount works or says why not, and harms nothing.",
        arguments: [
            ("-n", Array(4...40)),
            ("-v", [1, 9, 50, 80, 120, 500, 580, 640, 700, 800, 2000].map { $0 << 20 }),
        ])
    func limits(_ limit: String, _ values: [Int]) throws {
        let mount = try TestMount("limit")
        var working = 0
        for value in values where try self.mount(mount, under: "ulimit \(limit) \(value)") {
            working += 1
        }
        #expect(working > 0 && working < values.count)
    }

    @Test("Whichever call of a mount into the kernel fails, it works or says why not")
    func faults() throws {
        let mount = try TestMount("limit")
        let errors = ["EMFILE", "ENOMEM", "EIO", "EINTR", "ENOSPC"]
        for number in 1...60 {
            let fault = "\(errors[number % errors.count]):\(number)"
            _ = try self.mount(mount, under: "export RAINBOWFS_FAULT=\(fault)")
        }
    }
}
