import Foundation
import RainbowCore
import TestSupport
import Testing

@Suite("Attributes that the kernel keeps")
struct KeptAttributeTests {
    private func mountedCounters(_ options: [String] = []) throws -> (TestMount, Address) {
        let mount = try TestMount("kept")
        #expect(try mount.mount(options).status == 0)
        let made = try mount.bash(
            """
            cd "$MOUNT" && printf '%s\\n' 'int64 count' 'int64 other' 'ref<Object> next' \
                >classes/Counter && mkdir regions/transactional/c &&
            rainbowfs new regions/transactional/c Counter -n 64 | head -n 1
            """)
        let name = made.output.split(separator: "/").last?.prefix(18) ?? ""
        return (mount, try #require(Address(text: name), "\(made.errors)"))
    }

    private func lookUp(_ path: [String], _ kernel: FakeKernel) throws -> (UInt64, UInt64) {
        var (node, valid): (UInt64, UInt64) = (1, 0)
        for name in path {
            var isKept = false
            while !isKept {
                let (reply, stale) = try answer(toLookUpOf: name, in: node, kernel)
                let found = reply.number(at: 0)
                valid = reply.number(at: 24)
                // What is taken back before the answer comes, the kernel does not keep.
                isKept = !stale.contains(found)
                if isKept { node = found }
            }
        }
        return (node, valid)
    }

    /// The answer, and the nodes that the kernel was told to ask for again before it came.
    private func answer(
        toLookUpOf name: String, in folder: UInt64, _ kernel: FakeKernel
    ) throws -> (FakeKernel.Reply, Set<UInt64>) {
        var body = RequestBody()
        body.add(Array(name.utf8))
        let request = try kernel.send(.lookup, node: folder, body)
        var stale: Set<UInt64> = []
        while true {
            let reply = try #require(try kernel.receive(milliseconds: 60_000))
            if reply.isStaleNode { stale.insert(reply.number(at: 0)) }
            guard reply.unique == request else { continue }
            #expect(reply.error == 0, "\(name)")
            return (reply, stale)
        }
    }

    /// The next nodes that the kernel is told to ask for again, until one is `last`.
    private func staleNodes(_ kernel: FakeKernel, upTo last: UInt64) throws -> Set<UInt64> {
        var nodes: Set<UInt64> = []
        while !nodes.contains(last), let reply = try kernel.receive(milliseconds: 30_000) {
            if reply.isStaleNode { nodes.insert(reply.number(at: 0)) }
        }
        return nodes
    }

    @Test("Are those of objects and of snapshots; a commit of anybody takes them back")
    func takenBack() throws {
        let (mount, object) = try mountedCounters()
        let kernel = try FakeKernel(mount.space, environment: mount.environment)
        let (folder, valid) = try lookUp(["objects", object.description], kernel)
        let (field, fieldValid) = try lookUp(
            ["objects", object.description, "count"], kernel)
        #expect(valid > 0 && fieldValid > 0)
        #expect(try mount.bash("echo 7 >\"$MOUNT\"/objects/\(object)/other").status == 0)
        let stale = try staleNodes(kernel, upTo: field)
        #expect(stale.isSuperset(of: [folder, field]))
        // A new mode of the allocator is one of all its objects.
        _ = try lookUp(["objects", object.description, "count"], kernel)
        #expect(try mount.bash("chmod 700 \"$MOUNT\"/regions/transactional/c").status == 0)
        #expect(try staleNodes(kernel, upTo: field).contains(field))
        #expect(kernel.end() == .exited(0))
    }

    @Test("Are taken back before the caller of a commit hears of it")
    func beforeTheAnswer() throws {
        let (mount, object) = try mountedCounters()
        let kernel = try FakeKernel(mount.space, environment: mount.environment)
        let (other, _) = try lookUp(["objects", object.description, "other"], kernel)
        let (field, _) = try lookUp(["objects", object.description, "count"], kernel)
        var opening = RequestBody()
        opening.add32(UInt32(O_WRONLY), 0)
        let opened = try #require(
            try kernel.answer(to: kernel.send(.open, node: field, opening)))
        for round in 1...50 {
            _ = try lookUp(["objects", object.description, "other"], kernel)
            var body = RequestBody()
            let text = Array("\(round)\n".utf8)
            body.add64(opened.number(at: 0), 0)
            body.add32(UInt32(text.count), 0)
            body.add64(0)
            body.add32(UInt32(O_WRONLY), 0)
            body.bytes += text
            let write = try kernel.send(.write, node: field, body)
            var stale: Set<UInt64> = []
            while let reply = try kernel.receive(milliseconds: 60_000), reply.unique != write {
                if reply.isStaleNode { stale.insert(reply.number(at: 0)) }
            }
            #expect(stale.contains(other), "round \(round)")
        }
        #expect(kernel.end() == .exited(0))
    }

    @Test("Are the new ones soon, also for one that looks while others commit")
    func neverOldForLong() throws {
        let (mount, object) = try mountedCounters()
        #expect(try mount.mount(at: mount.two).status == 0)
        // Each value has another length, so that the size tells whether it is the last one.
        let result = try mount.bash(
            """
            field=objects/\(object)/count
            for round in {1..40}; do
                (for i in {1..60}; do stat -c %s "$MOUNT/$field"; done >/dev/null) &
                looker=$!
                number=$((10 ** (round % 15)))
                for i in 1 2 3; do echo 5 >"$MOUNT2/$field"; done
                echo $number >"$MOUNT2/$field"
                wait $looker
                deadline=$((SECONDS + 20))
                while [[ $(stat -c %s "$MOUNT/$field") != $((${#number} + 1)) ]]; do
                    if ((SECONDS > deadline)); then
                        echo "round $round: $(stat -c %s "$MOUNT/$field") for $number"
                        exit 1
                    fi
                done
                [[ $(stat -c %s "$MOUNT2/$field") == $((${#number} + 1)) ]] || exit 2
            done
            """)
        #expect(result.status == 0, "\(result.output) \(result.errors)")
    }

    @Test("Are none with -o attr_timeout=0")
    func none() throws {
        let (mount, object) = try mountedCounters()
        let kernel = try FakeKernel(
            mount.space, environment: mount.environment, options: ["-o", "attr_timeout=0"])
        let (_, valid) = try lookUp(["objects", object.description, "count"], kernel)
        #expect(valid == 0)
    }
}

extension FakeKernel.Reply {
    func number(at offset: Int) -> UInt64 {
        guard body.count >= offset + 8 else { return 0 }
        return unsafe body.withUnsafeBytes {
            unsafe $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        }
    }

    /// Whether it tells the kernel to ask for the attributes of a node again.
    var isStaleNode: Bool { unique == 0 && error == -2 }
}
