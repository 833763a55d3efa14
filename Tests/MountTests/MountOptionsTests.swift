import Testing

@testable import RainbowFS

@Suite("The words after -o")
struct MountOptionsTests {
    @Test("What fstab and mount.fuse3 add is taken and dropped")
    func fromFstab() throws {
        let words =
            "rw,dev,suid,exec,auto,nouser,async,relatime,_netdev,nofail,x-gvfs-show,defaults"
        let options = try MountOptions.parse([words, "noauto,user"])
        #expect(options.kernel == ["exec", "async"])
        #expect(!options.isReadOnly)
    }

    @Test("Values are read with their units")
    func values() throws {
        let options = try MountOptions.parse(
            ["size=3G,uid=7", "gid=root,umask=027,node=left,ro", "fsname=a\\,b"])
        #expect(options.sizeBytesMax == 3 << 30)
        #expect(options.uid == 7 && options.gid == 0 && options.umask == 0o27)
        #expect(options.nodeName == "left" && options.isReadOnly)
        #expect(try MountOptions.parse(["attr_timeout=0.5"]).attributeSeconds == 0.5)
        #expect(options.sourceName == "a,b")
        let limits = try MountOptions.parse([
            "snapshot_memory=1M,transaction_memory=2K,transaction_timeout=3,serial_timeout=4"
        ])
        #expect(limits.snapshotBytesMax == 1 << 20)
        #expect(
            limits.transactions
                == TransactionLimits(idleSeconds: 3, serialSeconds: 4, bytesMax: 2048))
    }

    @Test("The later of ro and rw counts")
    func lastWord() throws {
        #expect(try MountOptions.parse(["ro,rw"]).isReadOnly == false)
        #expect(try MountOptions.parse(["rw", "ro"]).isReadOnly)
    }

    @Test(
        "Nonsense is refused",
        arguments: [
            "x", "size=", "size=1Q", "size=0", "size=-1", "uid=", "umask=8", "node=", "rw=1", "Ro",
            "readdirplus=maybe", "size=99999999999999999999", "size=20000000T",
            "snapshot_memory=", "transaction_memory=0", "transaction_timeout=0",
            "serial_timeout=1s", "attr_timeout=-1", "attr_timeout=nan", "attr_timeout=90000",
            "sync", "dirsync", "ro,sync",
        ])
    func refused(_ word: String) {
        #expect(throws: MountFailure.self) { try MountOptions.parse([word]) }
    }

    @Test(
        "Amounts of memory",
        arguments: [
            ("0", 0), ("4096", 4096), ("1K", 1 << 10), ("2m", 2 << 20), ("3G", 3 << 30),
            ("1T", 1 << 40),
        ] as [(String, UInt64)])
    func amounts(_ text: String, _ count: UInt64) {
        #expect(ByteCount.parse(text) == count)
    }

    @Test("Escaped characters of the kernel's table of mounts")
    func mountTable() {
        #expect(MountTable.unescaped("/mnt/a\\040b\\134c") == "/mnt/a b\\c")
    }
}
