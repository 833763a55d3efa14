import Foundation
import TestSupport
import Testing

@Suite("What options change of what a mount shows")
struct MountShownTests {
    @Test("uid, gid and umask are shown for everything")
    func owner() throws {
        let mount = try TestMount("owner")
        try mount.mount(["-o", "uid=12,gid=34,umask=027"])
        let result = try mount.bash(
            "cd \"$MOUNT\" && stat -c '%u %g %a' . regions/transactional control")
        #expect(result.output == "12 34 750\n12 34 750\n12 34 640\n")
    }

    @Test("A mount is known by its name and its mount point")
    func node() throws {
        let mount = try TestMount("node")
        try mount.mount(["-o", "node=left"])
        let result = try mount.bash("cat \"$MOUNT\"/nodes/*")
        #expect(result.output.contains("left") && result.output.contains(mount.one))
        let daemon = try #require(mount.daemon())
        #expect(result.output.contains("\(daemon)"))
    }

    @Test("A space that has reached its size refuses more with ENOSPC, and goes on")
    func size() throws {
        let mount = try TestMount("size")
        try mount.mount(["-o", "size=4M"])
        let result = try mount.bash(
            """
            cd "$MOUNT" && echo 'bytes data[500000]' > classes/Blob &&
            mkdir regions/transactional/b
            for i in {1..20}; do echo 'new Blob' > regions/transactional/b/allocator; done 2>&1 |
                sed -n 's/.*: //p' | sort -u
            df --output=size "$MOUNT" | tail -n 1 | tr -d ' '
            cat objects/*/data > /dev/null && echo fine
            """)
        #expect(result.output == "No space left on device\n4096\nfine\n")
    }
}
