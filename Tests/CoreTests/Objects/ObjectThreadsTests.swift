import Synchronization
import TestSupport
import Testing

@testable import RainbowCore

@Suite("The object layer under many threads")
struct ObjectThreadsTests {
    @Test("Threads that allocate, bind, define and check at once leave a sound space")
    func everythingAtOnce() throws {
        let seed = printedSeed("object threads")
        try withObjectSpace { space in
            let shared = try space.run { tx throws in
                try tx.defineClass(name: "Node", text: "int64 x\nref<Node> next")
                return try tx.makeAllocator("shared", capacity: 64 << 20).address
            }
            let made = Atomic<Int>(0)
            withDeadline(seconds: 120, "the object threads") {
                onThreads(4) { thread in
                    var random = SeededGenerator(seed: seed &+ UInt64(thread))
                    do {
                        let own = try space.run { tx throws in
                            try tx.makeAllocator("own\(thread)", capacity: 16 << 20).address
                        }
                        for round in 0..<300 {
                            let count = Int.random(in: 1...20, using: &random)
                            let place = Bool.random(using: &random) ? own : shared
                            let first = try space.run { tx throws in
                                let node = try tx.classDescriptor(named: "Node")
                                let first = try tx.newObjects(of: node, in: place, count: count)
                                try tx.bind("t\(thread)-\(round)", to: first)
                                return first
                            }
                            made.add(count, ordering: .relaxed)
                            try space.run { tx throws in
                                try tx.rebind("latest", to: first)
                                if round % 2 == 0 { try tx.unbind("t\(thread)-\(round)") }
                            }
                            try space.run { tx throws in
                                _ = try tx.defineClass(
                                    name: "C\(thread)", text: "ref<Node> a[\(round % 7 + 1)]")
                            }
                        }
                    } catch {
                        Issue.record(error)
                    }
                }
                onThreads(2) { thread in
                    do {
                        if thread == 0 {
                            #expect(try problems(of: space) == [])
                        }
                    } catch {
                        Issue.record(error)
                    }
                }
            }
            try space.run { tx throws in
                let node = try tx.classDescriptor(named: "Node")
                #expect(try tx.instanceCount(of: node) == UInt64(made.load(ordering: .relaxed)))
                #expect(try tx.names(after: 0, limit: 10_000).count == 4 * 150 + 1)
            }
        }
    }

    @Test("A check beside busy writers finds nothing wrong")
    func liveCheck() throws {
        try withObjectSpace { space in
            let allocator = try space.run { tx throws in
                try tx.defineClass(name: "Node", text: "int64 x\nref<Node> next")
                return try tx.makeAllocator("a", capacity: 64 << 20).address
            }
            let isDone = Atomic<Bool>(false)
            onThreads(3) { thread in
                do {
                    if thread == 0 {
                        for _ in 0..<10 { #expect(try problems(of: space) == []) }
                        isDone.store(true, ordering: .relaxed)
                        return
                    }
                    var round = 0
                    while !isDone.load(ordering: .relaxed), round < 20_000 {
                        round += 1
                        try space.run { tx throws in
                            let node = try tx.classDescriptor(named: "Node")
                            let first = try tx.newObjects(of: node, in: allocator, count: 3)
                            try tx.setReference(
                                first, node.field(named: "next")!, to: first + node.stride)
                            try tx.rebind("n\(thread)-\(round % 50)", to: first)
                            if round % 3 == 0 { try tx.unbind("n\(thread)-\(round % 50)") }
                            try tx.defineClass(
                                name: "D\(thread)_\(round % 4)", text: "int8 x[\(round % 9 + 1)]")
                        }
                    }
                } catch {
                    Issue.record(error)
                }
            }
        }
    }

    @Test("Two spaces with different classes at the same address do not mix them up")
    func twoSpaces() throws {
        try withObjectSpace { first in
            try withObjectSpace { second in
                let a = try first.run { tx throws in
                    try tx.defineClass(name: "A", text: "int64 x")
                }
                let b = try second.run { tx throws in
                    try tx.defineClass(name: "B", text: "ref<B> y\nint8 z")
                }
                #expect(a.address == b.address)
                try first.run { tx throws in
                    #expect(try tx.classDescriptor(at: a.address).name == "A")
                }
                try second.run { tx throws in
                    #expect(try tx.classDescriptor(at: b.address).name == "B")
                }
            }
        }
    }
}
