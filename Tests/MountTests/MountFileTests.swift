import Foundation
import TestSupport
import Testing

@Suite("Files of a mount as system calls see them")
struct MountFileTests {
    /// A mount with the object of one class, and the path of its field `data`.
    private func mountWithObject(
        _ size: Int, _ options: [String] = []
    ) throws -> (TestMount, String) {
        let mount = try TestMount("file")
        try mount.mount(options)
        let result = try mount.bash(
            """
            cd "$MOUNT" && echo 'bytes data[\(size)]' > classes/Blob &&
            mkdir regions/transactional/b && rainbowfs new regions/transactional/b Blob
            """)
        let object = result.output.split(separator: "\n").first ?? ""
        return (mount, "\(mount.one)/\(object)/data")
    }

    @Test("A shared mapping fails with ENODEV, a private one shows the bytes")
    func mapping() throws {
        let (mount, path) = try mountWithObject(4096)
        defer { withExtendedLifetime(mount) {} }
        let file = unsafe open(path, O_RDWR)
        #expect(file >= 0)
        defer { close(file) }
        #expect(unsafe pwrite(file, "abc", 3, 0) == 3)
        let shared = unsafe mmap(nil, 4096, PROT_READ, MAP_SHARED, file, 0)
        #expect(unsafe shared == MAP_FAILED && errno == ENODEV)
        let memory = unsafe mmap(nil, 4096, PROT_READ, MAP_PRIVATE, file, 0)
        let bytes = unsafe try #require(memory != MAP_FAILED ? memory : nil)
        #expect(unsafe bytes.load(as: UInt8.self) == UInt8(ascii: "a"))
        unsafe _ = munmap(bytes, 4096)
    }

    @Test("A large read or write is one request", arguments: [4096, 65536, 1 << 19])
    func sizes(_ count: Int) throws {
        let (mount, path) = try mountWithObject(1 << 19)
        let file = unsafe open(path, O_RDWR)
        defer { close(file) }
        var bytes: UnsafeMutableRawPointer?
        unsafe _ = posix_memalign(&bytes, 4096, count)
        defer { unsafe free(bytes) }
        let buffer = unsafe try #require(bytes)
        unsafe memset(buffer, 7, count)
        let before = try commits(mount)
        #expect(unsafe pwrite(file, buffer, count, 0) == count)
        #expect(try commits(mount) == before + 1)
        unsafe memset(buffer, 0, count)
        #expect(unsafe pread(file, buffer, count, 0) == count)
        #expect(unsafe buffer.load(fromByteOffset: count - 1, as: UInt8.self) == 7)
    }

    private func commits(_ mount: TestMount) throws -> Int {
        let text = try mount.bash("sed -n 's/^rainbowfs_commits_total.* //p' \"$MOUNT/metrics\"")
        return try #require(Int(text.output.split(separator: "\n").first ?? ""))
    }

    @Test("Closing a file sets what a write may have cut off, and makes a class without fields")
    func closing() throws {
        let (mount, _) = try mountWithObject(8)
        let made = try mount.bash(
            """
            cd "$MOUNT" && echo 'int32 n[3000]' >classes/Many && : >classes/Empty &&
            rainbowfs new regions/transactional/b Many && cat classes/Empty
            """)
        let path = "\(mount.one)/\(made.output.dropLast())/n"
        #expect(made.status == 0)
        let file = unsafe open(path, O_WRONLY)
        let text = String(repeating: "1 ", count: 2999) + "23"
        #expect(unsafe write(file, text, text.utf8.count) == text.utf8.count)
        #expect(close(file) == 0)
        #expect(try String(contentsOfFile: path, encoding: .utf8).hasSuffix("\n1\n23\n"))
    }

    @Test("Many threads on one file of two mounts lose nothing")
    func parallelWrites() async throws {
        let (mount, path) = try mountWithObject(4096)
        try mount.mount(at: mount.two)
        let other = path.replacing(mount.one, with: mount.two)
        await withTaskGroup(of: Void.self) { group in
            for part in 0..<8 {
                group.addTask {
                    let file = unsafe open(part % 2 == 0 ? path : other, O_RDWR)
                    defer { close(file) }
                    var bytes = [UInt8](repeating: UInt8(part + 1), count: 64)
                    for _ in 0..<200 { unsafe _ = pwrite(file, &bytes, 64, part * 64) }
                }
            }
        }
        let contents = try Data(contentsOf: URL(fileURLWithPath: path))
        for part in 0..<8 {
            #expect(contents[part * 64..<part * 64 + 64].allSatisfy { $0 == UInt8(part + 1) })
        }
    }

    @Test("The times of directories that are kept follow the commits of the other mount")
    func keptTimes() throws {
        let mount = try TestMount("kept")
        try mount.mount()
        try mount.mount(at: mount.two)
        func time() throws -> String { try mount.bash("stat -c %y \"$MOUNT2/names\"").output }
        let before = try time()
        passCommitTime()
        #expect(try time() == before)
        #expect(try mount.bash("ln -s ../objects/0x8000001028 \"$MOUNT/names/root\"").status == 0)
        #expect(try eventually { try time() != before })
    }

    @Test("Memory stays bounded when everything is read at once, and listed with attributes")
    func memory() throws {
        let (mount, path) = try mountWithObject(1 << 19, ["-o", "readdirplus=yes"])
        let result = try mount.bash(
            """
            cd "$MOUNT" && echo 'int64 n' > classes/N &&
            rainbowfs new regions/transactional/b N -n 20000 > /dev/null
            for i in {1..24}; do cat \(path) > /dev/null & done; wait
            ls -l objects | wc -l
            """)
        #expect(result.errors == "")
        #expect(try #require(Int(result.output.dropLast())) > 20_000)
        let daemon = try #require(mount.daemon())
        let kibibytes = try mount.bash("awk '/RssAnon/ {print $2}' /proc/\(daemon)/status").output
        #expect(try #require(Int(kibibytes.dropLast())) < 50 << 10)
    }
}
