import Glibc
import RainbowCore
import TestSupport
import Testing

extension TransactionalMemory {
    /// Accesses and commits ask for no memory once they run.
    @Suite struct AllocationTests {
        @Test("A million transactions of the optimised build allocate only to read snapshots")
        func optimised() throws {
            let own = builtProgram("space-worker")
            guard let range = own.range(ofText: "/debug/") else { return }
            let worker = String(own[..<range.lowerBound] + "/release/" + own[range.upperBound...])
            guard unsafe access(worker, X_OK) == 0 else {
                print("there is no optimised space-worker: make test builds it")
                return
            }
            // A run that lost sixteen times before it wrote goes on at a snapshot, which takes
            // memory: on a loaded machine some do.
            try Self.expectAllocations(0...10_000, worker, mode: 0)
        }

        @Test("A million loads, stores and commits allocate nothing in any build")
        func plain() throws {
            try Self.expectAllocations(0...0, builtProgram("space-worker"), mode: 1)
        }

        private static func expectAllocations(
            _ range: ClosedRange<UInt64>, _ worker: String, mode: Int
        ) throws {
            let name = uniqueSpaceName("core")
            defer { try? Space.destroy(name, force: true) }
            let board = try Scoreboard()
            board[BoardPlace.result(mode)] = .max
            let child = try Child(
                worker, ["allocations", name, "\(mode)", "1", "1000000"],
                descriptor: board.descriptor)
            #expect(child.wait() == .exited(0))
            let count = board[BoardPlace.result(mode)]
            #expect(range.contains(count), "\(count)")
        }
    }
}

extension String {
    /// The first place of a text in this one.
    fileprivate func range(ofText text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) {
                return start..<index(start, offsetBy: text.count)
            }
            start = index(after: start)
        }
        return nil
    }
}
