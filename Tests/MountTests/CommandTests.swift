import Foundation
import TestSupport
import Testing

/// The commands that work on a mount or on a space, as a shell runs them.
@Suite("Commands")
struct CommandTests {
    /// A mounted space with a class and an allocator.
    private func bank() throws -> TestMount {
        let mount = try TestMount("commands")
        try mount.mount()
        let result = try mount.bash(
            """
            cd "$MOUNT"
            printf 'int64 balance\\nref<Account> heir\\nstring label[16]\\nint8 grades[3]\\n' \\
                > classes/Account
            mkdir regions/transactional/bank
            """)
        try #require(result.status == 0, "\(result.errors)")
        return mount
    }

    private func json(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test("new makes objects with the values given, one or many")
    func new() throws {
        let mount = try bank()
        let one = try mount.bash(
            """
            cd "$MOUNT/regions"
            a=$(rainbowfs new transactional/bank Account balance=-5 label='a "b" #c' grades=1,2,3)
            rainbowfs get -m "$MOUNT" "$a"
            rainbowfs new -m .. regions/transactional/bank Account heir="$a" -n 3 | wc -l
            rainbowfs new "$MOUNT/regions/transactional/bank" Account --json
            """)
        #expect(one.errors == "")
        let lines = one.output.split(separator: "\n").map(String.init)
        try #require(lines.count == 6)
        #expect(
            Array(lines[0..<4]) == ["balance=-5", "heir=null", "label=a \"b\" #c", "grades=1,2,3"])
        #expect(lines[4] == "3")
        #expect(((try json(lines[5]))["objects"] as? [String])?.count == 1)
    }

    @Test("get shows one value bare, several by name, and all as JSON")
    func get() throws {
        let mount = try bank()
        let result = try mount.bash(
            """
            cd "$MOUNT"
            a=$(rainbowfs new regions/transactional/bank Account balance=7 label=x)
            b=$(rainbowfs new regions/transactional/bank Account heir="$a")
            ln -s "../$b" names/b
            rainbowfs get names/b/heir balance
            rainbowfs get "$a" balance label
            rainbowfs get "$a/raw" balance
            [[ $(rainbowfs get names/b heir) == "$a" ]] && echo same
            rainbowfs get "$a" --json
            """)
        #expect(result.errors == "")
        let lines = result.output.split(separator: "\n").map(String.init)
        try #require(lines.count == 6)
        #expect(Array(lines[0..<5]) == ["7", "balance=7", "label=x", "7", "same"])
        let object = try json(lines[5])
        #expect(object["class"] as? String == "Account")
        let fields = try #require(object["fields"] as? [String: Any])
        #expect(fields["balance"] as? Int == 7 && fields["grades"] as? [Int] == [0, 0, 0])
        #expect(fields["heir"] is NSNull)
    }

    @Test("set changes all fields or none")
    func set() throws {
        let mount = try bank()
        let result = try mount.bash(
            """
            cd "$MOUNT"
            a=$(rainbowfs new regions/transactional/bank Account)
            rainbowfs set "$a" balance=1 label='two words' 'grades[1]=9' heir="$a" || exit
            rainbowfs set "$a" balance=2 grades=1000,1
            echo $?
            rainbowfs get "$a" balance grades label
            """)
        #expect(result.output == "3\nbalance=1\ngrades=0,9,0\nlabel=two words\n")
        #expect(result.errors.contains("-128 to 127"))
    }

    @Test(
        "What cannot be done is said in a sentence, with its exit status",
        arguments: [
            ("cd / && rainbowfs status", 2, "is not below a mounted space"),
            ("rainbowfs status -m /no/such", 2, "There is no /no/such"),
            ("cd \"$MOUNT\" && rainbowfs new regions/transactional/bank Nothing", 3, "Nothing"),
            (
                "cd \"$MOUNT\" && rainbowfs new regions/transactional/none Account", 3,
                "No such file"
            ),
            (
                "cd \"$MOUNT\" && rainbowfs new regions/transactional/bank Account x", 1,
                "field=value"
            ),
            ("cd \"$MOUNT\" && rainbowfs get names/nobody", 3, "No such file"),
            ("cd \"$MOUNT\" && rainbowfs get classes", 3, "does not lead to an object"),
            ("rainbowfs destroy \"$SPACE\"", 3, "in use by a process:"),
            ("rainbowfs destroy no-such-space", 3, "no space"),
            ("rainbowfs fsck no-such-space", 3, "no space"),
            ("rainbowfs bench bank --threads 0", 1, "1 to 512"),
            ("rainbowfs bench bank --snapshot-milliseconds=-1", 1, "0 to 3600000"),
            ("rainbowfs bench make --milliseconds 0", 1, "1 to 10000"),
        ])
    func refusals(script: String, status: Int32, reason: String) throws {
        let result = try bank().bash(script)
        #expect(result.status == status)
        #expect(result.errors.contains(reason), "\(result.errors)")
    }

    @Test("status, ls and fsck tell of a mounted space, as text and as JSON")
    func spaces() throws {
        let mount = try bank()
        let status = try mount.rainbowfs(["status", "-m", mount.one, "--json"])
        let facts = try json(status.output)
        #expect(facts["space"] as? String == mount.space)
        #expect((facts["nodes"] as? [[String: Any]])?.first?["mount_point"] as? String == mount.one)
        #expect((facts["regions"] as? [[String: Any]])?.first?["number"] as? Int == 1)
        #expect(try mount.rainbowfs(["status", "-m", mount.one]).output.contains("mount point"))

        let list = try json(try mount.rainbowfs(["ls", "--json"]).output)
        let space = try #require((list["spaces"] as? [[String: Any]])?.first)
        #expect(space["space"] as? String == mount.space && space["live_nodes"] as? Int == 1)
        #expect(try mount.rainbowfs(["ls"]).output.hasPrefix("SPACE"))

        let check = try mount.rainbowfs(["fsck", mount.space, "--json"])
        #expect(check.status == 0)
        let found = try json(check.output)
        #expect(found["clean"] as? Bool == true && found["in_use"] as? Bool == true)
        #expect(found["regions"] as? Int == 1 && found["names"] as? Int == 0)
    }

    @Test("ls says of a space that it cannot read only that")
    func unreadable() throws {
        let mount = try bank()
        let made = try mount.bash(
            """
            mkdir "$RAINBOWFS_DIR/rainbowfs.broken"
            truncate -s 8M "$RAINBOWFS_DIR/rainbowfs.broken/meta"
            printf junk | dd of="$RAINBOWFS_DIR/rainbowfs.broken/meta" conv=notrunc status=none
            rainbowfs ls
            """)
        let row = try #require(made.output.split(separator: "\n").first { $0.hasPrefix("broken") })
        #expect(row.split(separator: " ").prefix(4) == ["broken", "?", "?", "?"])
        let list = try json(try mount.rainbowfs(["ls", "--json"]).output)
        let spaces = try #require(list["spaces"] as? [[String: Any]])
        let broken = try #require(spaces.first { $0["space"] as? String == "broken" })
        #expect(broken["memory_bytes"] is NSNull && broken["problem"] is String)
    }

    @Test("fsck finds a reference to nothing and ends with status 4")
    func damagedReference() throws {
        let mount = try bank()
        let made = try mount.bash(
            "cd \"$MOUNT\" && rainbowfs new regions/transactional/bank Account | tail -c 13")
        let address = try #require(UInt64(made.output.dropLast(), radix: 16))
        #expect(try mount.unmount().status == 0)
        let region = "\(mount.folder)/spaces/rainbowfs.\(mount.space)/region-1"
        let file = try #require(FileHandle(forUpdatingAtPath: region))
        try file.seek(toOffset: address - (1 << 39) - 8)
        try file.write(contentsOf: Data([0x40, 0, 0, 0, 0x90, 0, 0, 0]))
        try file.close()
        let result = try mount.rainbowfs(["fsck", mount.space])
        #expect(result.status == 4)
        #expect(result.output.contains("0x0000009000000040"))
    }

    @Test("fsck finds a damaged line word and ends with status 4")
    func damage() throws {
        let mount = try bank()
        #expect(try mount.unmount().status == 0)
        let region = "\(mount.folder)/spaces/rainbowfs.\(mount.space)/region-1"
        let file = try #require(FileHandle(forUpdatingAtPath: region))
        // The word of the line at offset 4096: a version that nobody has drawn.
        try file.seek(toOffset: (1 << 39) + 4096 / 64 * 8)
        try file.write(contentsOf: Data([0, 0, 0, 0, 0, 1, 0, 0]))
        try file.close()
        let result = try mount.rainbowfs(["fsck", mount.space])
        #expect(result.status == 4)
        #expect(result.output.contains("0x0000008000001000"))
    }

    @Test(
        "A region file gone or cut short: fsck finds it, a mount refuses it",
        arguments: ["rm", "truncate -s 0"])
    func lostRegion(command: String) throws {
        let mount = try bank()
        #expect(try mount.unmount().status == 0)
        let region = "\(mount.folder)/spaces/rainbowfs.\(mount.space)/region-1"
        #expect(try mount.bash("\(command) \(region)").status == 0)
        let result = try mount.rainbowfs(["fsck", mount.space])
        #expect(result.status == 4)
        #expect(result.output.contains("their memory is gone"))
        let refused = try mount.mount()
        #expect(refused.status == 4)
        #expect(refused.errors.contains("the memory of its region 1 is gone"))
    }

    @Test(
        "The benchmarks run, and the bank keeps its sum",
        arguments: [
            ["--threads", "2"], ["--processes", "2", "--pin"], ["--read-all", "50"],
            ["--snapshot-milliseconds", "1"], ["--snapshot-milliseconds", "0", "--processes", "2"],
        ])
    func bench(arguments: [String]) throws {
        let mount = try TestMount("bench")
        let bank = try mount.rainbowfs(
            ["bench", "bank", "--milliseconds", "100", "--json"] + arguments)
        let facts = try json(bank.output)
        #expect(facts["sum_ok"] as? Bool == true)
        #expect((facts["transfers_per_second"] as? Int ?? 0) > 0)
        let sums = facts["snapshot_sums"] as? Int ?? 0
        #expect(sums > 0 || !arguments.contains("--snapshot-milliseconds"))
        let alloc = try json(
            try mount.rainbowfs(["bench", "alloc", "--objects", "5000", "--json"]).output)
        #expect((alloc["ns_per_object"] as? Double ?? 0) > 0)
        #expect(try mount.rainbowfs(["ls"]).output.split(separator: "\n").count == 1)
    }

    @Test(
        "The benchmark of single objects finds all that its workers made",
        arguments: [["--threads", "2"], ["--processes", "2", "--own-allocators", "--pin"]])
    func benchMake(arguments: [String]) throws {
        let mount = try TestMount("bench")
        let made = try mount.rainbowfs(
            ["bench", "make", "--milliseconds", "100", "--json"] + arguments)
        let facts = try json(made.output)
        #expect(facts["sum_ok"] as? Bool == true)
        #expect((facts["objects_per_second"] as? Int ?? 0) > 0)
        #expect(try mount.rainbowfs(["ls"]).output.split(separator: "\n").count == 1)
    }
}
