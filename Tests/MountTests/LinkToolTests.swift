import Foundation
import TestSupport
import Testing

@Suite("References and the tools that replace and remove links")
struct LinkToolTests {
    /// `$o` and `$p` are objects; the references of `$o` lead to `$p` after `reset`.
    private static let setUp = """
        cd "$MOUNT"; printf 'ref<A> next\\nint64 x\\nref<A> many[3]\\n' > classes/A
        r=regions/transactional; mkdir $r/a
        p=$(rainbowfs new $r/a A x=2); o=$(rainbowfs new $r/a A x=1); q=../${p#*/}
        reset() { ln -sfn $q $o/next; for i in 0 1 2; do ln -sfn ../$q $o/many/$i; done; }
        # What each reference is: null, or set.
        show() { (cd $o; readlink next many/{0,1,2}) | sed 's/.*0x.*/set/' | tr '\\n' ' '; }
        quiet() { "$@" > /dev/null 2>&1; echo -n "$? "; }
        """

    private func lines(_ body: String) throws -> [String] {
        let mount = try TestMount("links")
        try mount.mount()
        let result = try mount.bash("\(Self.setUp)\n\(body)")
        #expect(result.status == 0 && result.errors == "")
        return result.output.split(separator: "\n").map {
            $0.trimmingCharacters(in: .whitespaces)
        }
    }

    @Test("Where a reference is null, `ln -s` sets it, as after `rm`; else that is EEXIST.")
    func afterRemoval() throws {
        let outcome = try lines(
            """
            rm $o/next; readlink $o/next; ln -s $q $o/next; quiet ln -sT $q $o/next; show; echo
            rm $o/many/1; ln -s ../$q $o/many/1; show; echo
            ln -s null $o/many/0; quiet ln -sT names $o/many/0; show; echo
            mkdir transactions/t; cd transactions/t; rm $o/next; ln -s $q $o/next; readlink $o/next
            """)
        #expect(
            outcome.prefix(4) == [
                "null", "1 set null null null", "set null set null", "1 set null set null",
            ])
        #expect(outcome.count == 5 && outcome.last != "null")
    }

    @Test(
        "Programs that remove a link and make it again replace a reference",
        arguments: [
            "busybox ln -sfn $q $o/next",
            "ruby -e \"File.unlink('$o/next'); File.symlink('$q', '$o/next')\"",
            "python3 -c \"import os; os.unlink('$o/next'); os.symlink('$q', '$o/next')\"",
            "ln -sfn $q $o/next",
        ])
    func replacing(_ command: String) throws {
        let outcome = try lines(
            """
            for i in 1 2; do \(command); show; echo; ln -sfn ../${o#*/} $o/next; done
            \(command); [[ $(readlink $o/next) = $q ]] && echo replaced
            """)
        #expect(outcome == ["set null null null", "set null null null", "replaced"])
    }

    @Test(
        "`rm -r` of an object fails with EPERM and leaves its references as they are.",
        arguments: [
            "rm -r", "rm -rf", "busybox rm -r", "busybox rm -rf",
        ])
    func removingTrees(_ command: String) throws {
        let outcome = try lines(
            """
            reset; quiet \(command) $o; show; echo; quiet \(command) $o/many; show; echo
            rm $o/next $o/many/*; show
            """)
        #expect(
            outcome == ["1 set set set set", "1 set set set set", "null null null null"])
    }

    @Test("tar and cp into the directory of an object end, and set its references.")
    func trees() throws {
        let outcome = try lines(
            """
            ln -sfn ../${o#*/} $p/next; tar cf $SCRATCH/p.tar -C $p .
            for how in "tar xf $SCRATCH/p.tar -C $o" "tar xf $SCRATCH/p.tar --overwrite -C $o" \\
                "cp -a $p/. $o/" "cp -af $p/. $o/"; do
                reset; timeout 60 $how > /dev/null 2>&1; [[ $? = 124 ]] && echo forever
                readlink $o/next | grep -c ${o#*/}
                show; echo
            done
            """)
        #expect(
            outcome
                == Array(
                    repeating: ["1", "set null null null"], count: 4
                ).flatMap { $0 })
    }

    @Test(
        "Where a reference is null, a new file made with O_EXCL holds its place."
    )
    func holdingPlaces() throws {
        let outcome = try lines(
            """
            python3 - $o <<'END'
            import os, sys
            for name in 'next', 'many/1':
                path = sys.argv[1] + '/' + name
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0))
                print(os.path.islink(path), os.path.isfile(path), os.lstat(path).st_size)
                os.unlink(path)
                print(os.readlink(path))
            try: os.open(sys.argv[1] + '/x', os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0)
            except FileExistsError: print('exists')
            END
            """)
        #expect(
            outcome == ["False True 0", "null", "False True 0", "null", "exists"])
    }

    @Test(
        "rsync -aX, cp -a, tar x, install and mv onto a field work, or leave it as it was.",
        arguments: [
            "rsync -aIX $f $o/x", "rsync -aI $f $o/x", "rsync -aI --inplace $f $o/x",
            "cp -a $f $o/x", "cp -af $f $o/x", "cp -p $f $o/x", "install $f $o/x",
            "install -m 600 $f $o/x", "mv $f $o/x", "mv -f $f $o/x", "busybox cp -a $f $o/x",
            "busybox mv -f $f $o/x", "tar xf $t -C $o", "tar xf $t --overwrite -C $o",
            "tar xf $t --xattrs -C $o", "tar xf $t --overwrite --xattrs -C $o",
            "tar xf $t -U -C $o", "busybox tar xf $t -C $o", "busybox tar xof $t -C $o",
        ])
    func ontoFields(_ command: String) throws {
        let outcome = try lines(
            """
            for attribute in '' mine; do
                d=$SCRATCH/from$attribute; f=$d/x; t=$d.tar; mkdir $d; echo 7 > $f
                [[ -z $attribute ]] || setfattr -n user.$attribute -v 1 $f 2> /dev/null
                tar cf $t --xattrs -C $d x; rainbowfs set $o x=1
                \(command) > /dev/null 2>&1
                case $?,$(<$o/x) in 0,7) echo worked;; 0,*) echo wrong;; *,1) echo as it was;;
                    *) echo failed and changed;; esac
            done
            """)
        #expect(outcome.count == 2)
        #expect(outcome.allSatisfy { $0 == "worked" || $0 == "as it was" }, "\(outcome)")
    }

    @Test("rsync -aX brings the fields of an object back from a copy")
    func copyAndBack() throws {
        let outcome = try lines(
            """
            ln -sfn $q $o/next; rsync -aX $o/ $SCRATCH/copy/; rainbowfs set $o x=9
            rsync -aIX $SCRATCH/copy/ $o/; echo $? $(<$o/x)
            """)
        #expect(outcome == ["0 1"])
    }

    @Test("A path that leads into a snapshot or a transaction names no object of the present")
    func otherViews() throws {
        let outcome = try lines(
            """
            ln -s ../$p names/alice; mkdir snapshots/s transactions/t
            ln -sfn ../$o names/alice
            (cd transactions/t; rainbowfs new $r/a A x=7 > "$SCRATCH/new")
            for path in snapshots/s/names/alice transactions/t/names/alice \\
                transactions/t/$(cat "$SCRATCH/new") snapshots/s/$p; do
                quiet ln -s ../$path names/bob; quiet test -L names/bob
                quiet bash -c "echo 'set $path x=9' > control"
            done; echo
            cat $o/x $p/x
            """)
        #expect(outcome == [String(repeating: "1 ", count: 12).dropLast() + "", "1", "2"])
    }
}
