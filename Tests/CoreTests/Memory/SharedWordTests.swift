import Glibc
import Synchronization
import TestSupport
import Testing

@testable import RainbowCore

extension TransactionalMemory {
    /// What the code that shares words between processes relies on.
    @Suite struct SharedWordTests {
        /// The operations that the protocols take for full barriers.
        enum Barrier: String, CaseIterable {
            case store, add, union, comparison

            func change(_ word: SharedWord, from old: UInt64, to new: UInt64) {
                switch self {
                case .store: word.storeThenFence(new)
                case .add: _ = word.add(new &- old)
                case .union: _ = word.formUnion(new)
                case .comparison: _ = word.compareExchange(old, new)
                }
                SharedWord.fence()
            }
        }

        @Test(
            "Of two who each change a word and then look at the other's, one sees the other",
            arguments: Barrier.allCases)
        func barriers(barrier: Barrier) {
            let memory = UnsafeMutableRawPointer.allocate(byteCount: 512, alignment: 64)
            defer { unsafe memory.deallocate() }
            unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: 512)
            let shared = unsafe SharedMemory(memory)
            let (words, seen) = ([shared[0], shared[64]], [shared[128], shared[192]])
            let arrived = Atomic<Int>(0)
            let missed = Atomic<Int>(0)
            /// Waits until both threads have come here.
            @Sendable func meet(_ number: Int) {
                arrived.add(1, ordering: .sequentiallyConsistent)
                while arrived.load(ordering: .acquiring) < number { sched_yield() }
            }
            onThreads(2) { thread in
                for round in 1...3000 {
                    let bit: UInt64 = 1 << UInt64(round % 2)
                    meet(round * 6 - 4)
                    barrier.change(words[thread], from: 0, to: bit)
                    seen[thread].storeRelaxed(words[1 - thread].loadOrdered())
                    meet(round * 6 - 2)
                    if thread == 0, seen[0].load() == 0, seen[1].load() == 0 {
                        missed.add(1, ordering: .relaxed)
                    }
                    words[thread].store(0)
                    meet(round * 6)
                }
            }
            #expect(missed.load(ordering: .relaxed) == 0)
        }
    }
}
