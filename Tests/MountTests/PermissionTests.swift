import Foundation
import TestSupport
import Testing

@Suite("Owner, group and mode are enforced")
struct PermissionTests {
    private static let setUp = """
        cd "$MOUNT"; printf 'int64 x\\n' > classes/A; mkdir regions/transactional/a
        o=$(rainbowfs new regions/transactional/a A x=1); raw=regions/transactional/a/${o#*/}.A
        stranger() { \(asNobody) "$@" 2>/dev/null && echo yes || echo no; }
        """

    private static let attempts = """
        echo "read: $(stranger dd if=$o/x of=/dev/null)"
        echo "write: $(stranger bash -c "echo 5 > $o/x")"
        echo "replace: $(stranger sed -i s/5/6/ $o/x)"
        echo "write raw: $(stranger dd if=/dev/zero of=$raw bs=8 seek=1 count=1 conv=notrunc)"
        echo "truncate: $(stranger truncate -s 0 $o/x)"
        echo "list: $(stranger bash -c 'ls regions/transactional/a >/dev/null')"
        echo "control: $(stranger bash -c "echo set $o x=7 > control")"
        echo "allocate: $(stranger rainbowfs new regions/transactional/a A)"
        echo "chmod: $(stranger chmod 711 regions/transactional/a)"
        """

    /// Without the kernel's checks and with them the answers are the same.
    private static let ways = [["-o", "allow_other"], ["-o", "allow_other,default_permissions"]]

    private func outcome(_ options: [String], _ body: String) throws -> [String] {
        let mount = try TestMount("permission", everybodyRuns: true)
        #expect(try mount.mount(options).status == 0)
        let result = try mount.bash("\(Self.setUp)\n\(body)\n\(Self.attempts)\ncat $o/x")
        return result.output.split(separator: "\n").map(String.init)
    }

    @Test("A stranger reads what all may read, and changes nothing", .needsRoot, arguments: ways)
    func stranger(_ options: [String]) throws {
        let lines = try outcome(options, "")
        #expect(
            lines == [
                "read: yes", "write: no", "replace: no", "write raw: no", "truncate: no",
                "list: yes", "control: no", "allocate: no", "chmod: no", "1",
            ])
    }

    @Test("What is closed to strangers is not even read", .needsRoot, arguments: ways)
    func closed(_ options: [String]) throws {
        let lines = try outcome(options, "chmod 700 regions/transactional/a")
        #expect(lines.dropLast().allSatisfy { $0.hasSuffix(": no") })
        #expect(lines.last == "1")
    }

    @Test(
        "An owner may do everything, and a member of the group what the group may", .needsRoot,
        arguments: ways)
    func owner(_ options: [String]) throws {
        let own = try outcome(options, "chown nobody regions/transactional/a")
        #expect(own.filter { $0.hasSuffix(": no") } == [])
        #expect(own.last == "7")
        let group = try outcome(
            options, "chgrp nogroup regions/transactional/a; chmod 770 regions/transactional/a")
        #expect(group.contains("write: yes") && group.contains("chmod: no"))
    }

    @Test(
        "Students bind names and define classes where a teacher lets them", .needsRoot,
        arguments: ways)
    func students(_ options: [String]) throws {
        let lines = try outcome(
            options,
            """
            chmod 777 names; chgrp nogroup classes; chmod 775 classes
            stat -c '%A %G' names classes
            echo "name: $(stranger ln -s ../$o names/n)"
            echo "rename: $(stranger mv names/n names/m)"
            echo "unbind: $(stranger rm names/m)"
            echo "class: $(stranger bash -c 'echo int8 x > classes/B')"; cat classes/B
            echo "again: $(stranger bash -c 'echo int16 x > classes/B')"; cat classes/B
            echo "remove: $(stranger rm classes/B)"
            echo "chmod: $(stranger chmod 700 names)"
            echo "clear: $(stranger bash -c 'echo clear messages > control')"
            chmod 755 names classes
            echo "closed: $(stranger ln -s ../$o names/n; stranger touch classes/B)"
            """)
        #expect(
            lines.prefix(13) == [
                "drwxrwxrwx root", "drwxrwxr-x nogroup", "name: yes", "rename: yes", "unbind: yes",
                "class: yes", "int8 x", "again: yes", "int16 x", "remove: yes", "chmod: no",
                "clear: no", "closed: no",
            ])
        #expect(lines.dropFirst(13).first == "no")
    }

    @Test("Directories of the space are its owner's", .needsRoot, arguments: ways)
    func directories(_ options: [String]) throws {
        let lines = try outcome(
            options,
            """
            echo "name: $(stranger ln -s ../$o names/n)"
            echo "class: $(stranger touch classes/B)"
            echo "region: $(stranger mkdir regions/r)"
            echo "allocator: $(stranger mkdir regions/transactional/b)"
            echo "unlink: $(stranger rm -f classes/A)"
            echo "access: $(stranger test -w classes)"
            """)
        #expect(lines.prefix(6).allSatisfy { $0.hasSuffix(": no") })
    }
}
