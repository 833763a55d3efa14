import Foundation
import TestSupport
import Testing

@Suite("One rule for files, commands and access(2)")
struct PermissionRuleTests {
    /// `ways WHO...` says in one line which of the ways to an object are open to WHO: those that
    /// read, then those that write.
    private static let setUp = """
        cd "$MOUNT"; printf 'ref<A> next\\nint64 x\\n' > classes/A
        r=regions/transactional; mkdir $r/a $r/open; chmod 777 $r/open
        o=$(rainbowfs new $r/a A x=1); raw=$r/a/${o#*/}.A
        try() { "$@" >/dev/null 2>&1 && echo yes || echo no; }
        reads() {
            echo "read:" $(try "$@" cat $o/x; try "$@" cat $raw; try "$@" test -r $o/x
                try "$@" rainbowfs get $o x; try "$@" getfattr -n user.rainbow.class $o/x)
        }
        writes() {
            echo "write:" $(try "$@" bash -c "echo 5 > $o/x"
                try "$@" bash -c "echo 'set $o x=6' > control"
                try "$@" rainbowfs set $o x=7; try "$@" test -w $o/x; try "$@" touch $o/x
                try "$@" touch -c $o/x; try "$@" truncate -s 0 $o/x
                try "$@" ln -sfn ../${o#*/} $o/next
                try "$@" rm $o/next; try "$@" rainbowfs new $r/a A)
        }
        nobody='setpriv --reuid=nobody --regid=nogroup --clear-groups'
        member='setpriv --reuid=nobody --regid=nogroup --groups=4242,4243'
        """

    private func lines(_ options: String, _ body: String) throws -> [String] {
        let mount = try TestMount("rule", everybodyRuns: true)
        #expect(try mount.mount(["-o", "allow_other" + options]).status == 0)
        let result = try mount.bash("\(Self.setUp)\n\(body)")
        return result.output.split(separator: "\n").map(String.init)
    }

    private static let openToAll = ["read: yes yes yes yes yes"]
    private static let closedToRead = ["read: no no no no no"]
    private static let mayWrite = ["write:" + String(repeating: " yes", count: 10)]
    private static let mayNotWrite = ["write:" + String(repeating: " no", count: 10)]

    private static let kernelChecks = ["", ",default_permissions"]

    @Test(
        "Every supplementary group of the caller counts, on every way", .needsRoot,
        arguments: kernelChecks)
    func groups(_ options: String) throws {
        let setUp = "chgrp 4243 $r/a; chmod 770 $r/a"
        #expect(
            try lines(options, "\(setUp); reads $member; writes $member")
                == Self.openToAll + Self.mayWrite)
        #expect(
            try lines(options, "\(setUp); reads $nobody; writes $nobody")
                == Self.closedToRead + Self.mayNotWrite)
    }

    @Test("Who may only read changes nothing, on any way", .needsRoot, arguments: kernelChecks)
    func readers(_ options: String) throws {
        let outcome = try lines(
            options, "chgrp 4243 $r/a; reads $member; writes $member")
        #expect(outcome == Self.openToAll + Self.mayNotWrite)
    }

    @Test("The owner that is shown decides, on every way", .needsRoot, arguments: kernelChecks)
    func shownOwner(_ options: String) throws {
        let isOwner = try lines(
            ",uid=nobody" + options, "chmod 700 $r/a; reads $nobody; writes $nobody")
        #expect(isOwner == Self.openToAll + Self.mayWrite)
        let isMember = try lines(
            ",gid=4242,umask=007" + options, "reads $member; writes $member")
        #expect(isMember == Self.openToAll + Self.mayWrite)
        let isOther = try lines(",umask=077" + options, "reads $nobody; writes $nobody")
        #expect(isOther == Self.closedToRead + Self.mayNotWrite)
        let isNoLongerOwner = try lines(
            ",uid=0,umask=022" + options,
            "chown nobody $r/a; chmod 777 $r/a; writes $nobody")
        #expect(isNoLongerOwner == Self.mayNotWrite)
    }

    @Test(
        "access(2) says what open(2) does: below snapshots, for made texts, for programs.",
        .needsRoot)
    func access() throws {
        let outcome = try lines(
            "",
            """
            mkdir snapshots/s; s=snapshots/s
            echo $(try test -r $s/$o/x; try test -w $s/$o/x; try test -w $s; try touch $s/$o/x
                try test -x $o/x; try test -x $o; try test -w metrics; try test -w messages
                try test -w control; try test -w events; try test -w classes/System
                try test -w $o; try test -x $o/x)
            """)
        #expect(outcome == ["yes no no no no yes no no yes yes no yes no"])
    }

    @Test("access(2) on a mount for reading only grants no writing")
    func readOnly() throws {
        let mount = try TestMount("rule")
        try mount.mount()
        let made = try mount.bash(Self.setUp + "\necho $o")
        let object = made.output.trimmingCharacters(in: .newlines)
        try mount.mount(at: mount.two, ["-o", "ro"])
        let result = try mount.bash(

            """
            cd $MOUNT2; test -r \(object)/x && ! test -w \(object)/x && ! test -w names &&
            ! touch names
            """)
        #expect(result.status == 0)
    }

    @Test("Times are set by the owner, and to now by who may write", .needsRoot)
    func times() throws {
        let outcome = try lines(
            "",
            """
            chgrp 4243 $r/a; chmod 775 $r/a
            echo $(try $member touch -c $o/x; try $member touch -c -d 2001-01-01 $o/x
                try $nobody touch -c $o/x; try $nobody touch -h $o/next
                try $nobody touch -h -d 2001-01-01 $o/next)
            chown nobody $r/a
            echo $(try $nobody touch -c -d 2001-01-01 $o/x
                try $nobody touch -h -d 2001-01-01 $o/next)
            """)
        #expect(outcome == ["yes no no yes no", "yes yes"])
    }

    @Test(
        "A path in a link or a command leads only through what its writer may search.", .needsRoot)
    func paths() throws {
        let outcome = try lines(
            "",
            """
            p=$(rainbowfs new $r/open A)
            ln -sfn ../${p#*/} $o/next; ln -s ../$o names/secret; chmod 700 $r/a
            echo $(try $nobody ln -sfn "../${o#*/}/next" $p/next
                try $nobody rainbowfs set $p next=$o/next
                try $nobody rainbowfs set $p next=names/secret/next
                try $nobody rainbowfs new $r/open A next=$o/next
                try $nobody bash -c "exec 3<> events; echo $o/next >&3")
            readlink $p/next
            """)
        #expect(outcome == ["no no no no no", "null"])
    }

    @Test("Names that the kernel knows lead nobody else into a transaction.", .needsRoot)
    func transactions() throws {
        let outcome = try lines(
            "",
            """
            chmod 777 $r/a
            t=transactions/t/$o/x
            $nobody bash -c "mkdir transactions/t; echo 5 > $t; cat $t"
            daemon='setpriv --reuid=daemon --regid=daemon --clear-groups'
            for i in {1..20}; do
                $nobody cat $t > /dev/null
                try $daemon cat $t; try $daemon stat $t; try $daemon bash -c "echo 6 > $t"
            done | sort -u
            $nobody cat $t
            """)
        #expect(outcome == ["5", "no", "5"])
    }
}
