import Glibc
import TestSupport
import Testing

@testable import RainbowCore

extension TransactionalMemory {
    /// Spaces come and go, while others come, too, or are killed meanwhile.
    @Suite struct AttachTests {
        static let counter = Address(region: 1, offset: 0x10000)

        /// Starts 16 processes that make and attach the same new space at once.
        /// - Parameter meddle: is called once all of them wait for the start, with the start.
        /// - Returns: how each of them ended.
        static func race(
            _ name: String, _ board: Scoreboard, armed: Set<Int>,
            _ meddle: ([Child], _ start: () -> Void) -> Void
        ) throws -> [ChildStatus] {
            let children = try (0..<16).map { worker in
                try Child(
                    builtProgram("space-worker"), ["attach", name, "\(worker)", "1", "0"],
                    environment: armed.contains(worker)
                        ? ["RAINBOWFS_FAILPOINT": Failpoint.attachLocked.rawValue] : [:],
                    descriptor: board.descriptor)
            }
            board.wait { $0[BoardPlace.shared] == 16 }
            meddle(children) { board[BoardPlace.shared + 1] = 1 }
            return children.map { $0.wait() }
        }

        /// What a race leaves: one space, in which each one that got to its end is counted.
        static func expectOneSpace(
            _ name: String, _ board: Scoreboard, _ statuses: [ChildStatus]
        ) throws {
            let survivors = statuses.indices.filter { statuses[$0] == .exited(0) }
            let space = try Space.attach(name)
            defer {
                space.detach()
                try? Space.destroy(name)
            }
            let count: UInt64 = try space.transact { tx throws(TransactionError) in
                try tx.load(counter)
            }
            #expect(count >= UInt64(survivors.count) && count <= UInt64(statuses.count))
            for survivor in survivors {
                #expect(board[BoardPlace.result(survivor)] == space.identity.0)
            }
            #expect(SpaceInspection(space).leftovers() == [])
        }

        @Test("Sixteen processes make one space, also when some are killed with the lock of it")
        func creationRace() throws {
            let seed = printedSeed("creation races")
            var generator = SeededGenerator(seed: seed)
            for round in 0..<10 {
                let name = uniqueSpaceName("core")
                let board = try Scoreboard()
                let armed = Set((0..<round).map { _ in Int.random(in: 0..<16, using: &generator) })
                let statuses = try withDeadline(seconds: 60, "a creation race") {
                    try Self.race(name, board, armed: armed) { _, start in start() }
                }
                for worker in 0..<16 {
                    let expected: ChildStatus =
                        armed.contains(worker) ? .signaled(SIGKILL) : .exited(0)
                    #expect(statuses[worker] == expected)
                }
                try Self.expectOneSpace(name, board, statuses)
            }
        }

        @Test("Makers killed at random times leave a space that the next one can use")
        func killedMakers() throws {
            let seed = printedSeed("killed makers")
            var generator = SeededGenerator(seed: seed)
            for _ in 0..<20 {
                let name = uniqueSpaceName("core")
                let board = try Scoreboard()
                let victims = (0..<16).shuffled(using: &generator).prefix(8)
                let pause = Int.random(in: 0...3000, using: &generator)
                let statuses = try withDeadline(seconds: 60, "a race with kills") {
                    try Self.race(name, board, armed: []) { children, start in
                        start()
                        for victim in victims {
                            spin(microseconds: pause / 8)
                            children[victim].sendKill()
                        }
                    }
                }
                for worker in 0..<16 where !victims.contains(worker) {
                    #expect(statuses[worker] == .exited(0))
                }
                try Self.expectOneSpace(name, board, statuses)
            }
        }

        @Test("A space in use is not destroyed, one whose processes are dead is")
        func destroyInUse() throws {
            let scene = try CrashScene(workers: 1, seed: 1)
            defer { scene.close() }
            try scene.start(0, command: "hold")
            let node = scene.waitForNode(0)
            #expect(node == 0)
            do {
                try Space.destroy(scene.name)
                Issue.record("a space in use was destroyed")
            } catch SpaceError.inUse(let name, let nodes) {
                #expect(name == scene.name && nodes == 1)
            }
            try scene.expectSoundBesideOthers()
            _ = scene.kill(0)
            try Space.destroy(scene.name)
            #expect(throws: SpaceError.self) { try Space.destroy(scene.name) }
            var options = SpaceOptions()
            options.create = false
            #expect(throws: SpaceError.self) { try Space.attach(scene.name, options) }
        }

        @Test(
            "A node of a space destroyed by force touches no later space of its name")
        func destroyByForce() throws {
            let name = uniqueSpaceName("core")
            let old = try Space.attach(name)
            defer { old.detach() }
            try Space.destroy(name, force: true)
            try withNamedSpace(name) { new in
                #expect(old.identity != new.identity)
                try new.createRegionFile(2)
                let address = Address(region: 2, offset: 4096)
                for space in [old, new] {
                    try space.transact { tx throws(TransactionError) in
                        try tx.store(1, at: Self.counter)
                    }
                }
                try new.transact { tx throws(TransactionError) in try tx.store(7, at: address) }
                #expect(throws: TransactionError.unavailable(errno: ESTALE)) {
                    try old.transact { tx throws(TransactionError) in
                        try tx.store(8, at: address)
                    }
                }
            }
        }

        private func withNamedSpace(_ name: String, _ body: (Space) throws -> Void) throws {
            let space = try Space.attach(name)
            defer {
                space.detach()
                try? Space.destroy(name, force: true)
            }
            try body(space)
        }

        @Test("Attaching and leaving many times leaves nothing open")
        func descriptors() throws {
            try withTestSpace("core") { space in
                let before = Self.openFiles(below: space.directory)
                #expect(before > 0)
                for round in 0..<100 {
                    let other = try Space.attach(space.name)
                    try other.transact { tx throws(TransactionError) in
                        try tx.store(round, at: Self.counter)
                    }
                    // Every other one just goes out of use.
                    if round % 2 == 0 { other.detach() }
                }
                #expect(Self.openFiles(below: space.directory) == before)
                #expect(space.liveNodes.count == 1)
                #expect(try Space.list().first { $0.name == space.name }?.nodes == 1)
            }
        }

        /// How many descriptors of this process are of files in the folder.
        static func openFiles(below folder: String) -> Int {
            guard let list = unsafe opendir("/proc/self/fd") else { return 0 }
            defer { unsafe closedir(list) }
            var count = 0
            while let entry = unsafe readdir(list) {
                let name = unsafe withUnsafePointer(to: &entry.pointee.d_name.0) {
                    unsafe String(cString: $0)
                }
                var path = [UInt8](repeating: 0, count: 4096)
                let length = unsafe path.withUnsafeMutableBytes { bytes in
                    unsafe readlink(
                        "/proc/self/fd/\(name)",
                        bytes.assumingMemoryBound(to: CChar.self).baseAddress!, bytes.count)
                }
                guard length > 0 else { continue }
                if String(decoding: path[..<length], as: UTF8.self).hasPrefix(folder + "/") {
                    count += 1
                }
            }
            return count
        }

        @Test("A node that gets the number of a dead one is not taken for it")
        func reusedNumbers() throws {
            try withTestSpace("core") { space in
                let dead = try Space.attach(space.name)
                let incarnation = dead.nodes.ownIncarnation
                #expect(space.nodes.isAlive(incarnation: incarnation))
                dead.detach()
                #expect(!space.nodes.isAlive(incarnation: incarnation))
                let next = try Space.attach(space.name)
                defer { next.detach() }
                #expect(next.node == dead.node)
                for one in [space, next] {
                    #expect(!one.nodes.isAlive(incarnation: incarnation))
                }
                // A slot that the dead one left is anybody's, though its number is in use again.
                let slot = SpaceInspection(space).slot(99)
                slot.owner.store(incarnation)
                slot.recoverer.store(incarnation)
                space.recoverIfDead(slot: 99)
                #expect(slot.owner.load() == 0 && slot.recoverer.load() == 0)
            }
        }

        @Test("A node is alive also when its number was given out more than 2^32 times")
        func manyGenerations() throws {
            try withTestSpace("core") { space in
                let first = try Space.attach(space.name)
                let number = first.node
                first.detach()
                space.meta[SpaceLayout.nodesOffset + number * SpaceLayout.nodeSize]
                    .store(0xffff_ffff)
                let second = try Space.attach(space.name)
                defer { second.detach() }
                #expect(second.node == number)
                #expect(space.nodes.isAlive(incarnation: second.nodes.ownIncarnation))
            }
        }

        @Test("A space that was detached says so, and has its memory until the last reference goes")
        func detached() throws {
            try withTestSpace("core") { other in
                let space = try Space.attach(other.name)
                let address = Address(region: 1, offset: 0x10000)
                try space.transact { tx in try tx.store(7, at: address) }
                let snapshot = try space.takeSnapshot(named: "s")
                let open = try space.begin(name: "t")
                try open.perform { tx in try tx.store(8, at: address) }
                space.detach()
                // Another space of the process, which has the key of the detached one now.
                let next = try Space.attach(other.name)
                defer { next.detach() }
                try next.transact { tx in try tx.store(9, at: address) }

                func expectDetached(
                    at location: SourceLocation = #_sourceLocation, _ body: () throws -> Void
                ) {
                    let error = #expect(
                        throws: SpaceError.self, sourceLocation: location, performing: body)
                    guard case .detached = error else {
                        Issue.record("\(error as Any)", sourceLocation: location)
                        return
                    }
                }
                expectDetached { try space.transact { tx in try tx.store(10, at: address) } }
                expectDetached { try space.read(at: snapshot) { _ in } }
                expectDetached { _ = try space.takeSnapshot(named: "t") }
                expectDetached { _ = try space.begin(name: "t") }
                expectDetached { try open.perform { _ in } }
                expectDetached { try open.restart() }
                #expect(throws: TransactionError.stale) { try open.commit() }
                #expect(open.state == .aborted && open.memory == (0, 0))
                open.abort()
                snapshot.end()
                space.recoverSnapshots()
                space.checkMemory { Issue.record("\($0)") }
                #expect(space.version == other.version && space.commitFeed().next() == nil)
                #expect(other.liveNodes.map(\.index) == [other.node, next.node])
                #expect(try other.transact { tx in try tx.load(address, as: Int.self) } == 9)
            }
        }
    }
}
