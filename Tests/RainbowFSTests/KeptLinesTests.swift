import Testing

@testable import RainbowFS

@Suite("The lines whose attributes are kept")
struct KeptLinesTests {
    /// Takes lines and has told the kernel at once.
    private func settle(_ lines: KeptLines, _ page: UInt64, _ bits: UInt64) -> UInt64 {
        let taken = lines.take(page, bits)
        lines.told([(page, taken)])
        return taken
    }

    @Test("Those that were noted are taken once, others not at all")
    func taking() {
        let lines = KeptLines()
        #expect(lines.isEmpty && lines.take(7, ~0) == 0)
        #expect(lines.insert(7, 0b0110) && lines.insert(7, 0b1000) && lines.insert(9, 1))
        #expect(settle(lines, 7, 0b1010) == 0b1010)
        #expect(settle(lines, 7, ~0) == 0b0100)
        #expect(lines.take(7, ~0) == 0 && !lines.isEmpty)
        #expect(lines.take(9, 2) == 0 && settle(lines, 9, 3) == 1)
        #expect(lines.isEmpty)
    }

    @Test("Until the kernel is told, each one that comes takes them as well")
    func untold() {
        let lines = KeptLines()
        #expect(lines.insert(7, 0b0111) && lines.insert(8, 1))
        #expect(lines.take(7, 0b0011) == 0b0011)
        #expect(lines.take(7, 0b0110) == 0b0110)
        // Noted again meanwhile, it is not told with the one before.
        #expect(lines.insert(7, 0b0001))
        lines.told([(7, 0b0011)])
        #expect(lines.take(7, ~0) == 0b0101)
        lines.told([(7, 0b0101), (7, ~0), (9, ~0)])
        #expect(lines.take(7, ~0) == 0 && !lines.isEmpty)
        #expect(lines.takeAll { $1 }.map(\.page) == [8])
        #expect(!lines.isEmpty)
        lines.told([(8, 1)])
        #expect(lines.isEmpty)
    }

    @Test("They last for two generations, and are found in both")
    func generations() {
        let lines = KeptLines()
        #expect(lines.insert(1, 1))
        lines.age()
        #expect(lines.insert(1, 2) && lines.insert(2, 4))
        #expect(settle(lines, 1, 3) == 3)
        lines.age()
        #expect(!lines.isEmpty)
        lines.age()
        #expect(lines.isEmpty && lines.take(2, 4) == 0)
    }

    @Test("There is an end to them: a walk through more is not kept, and costs no more memory")
    func bound() {
        let lines = KeptLines()
        let kept = (0..<200_000).count { lines.insert(UInt64($0), 1) }
        #expect(kept == 64 * 1024)
        #expect(lines.insert(3, 2))
        let first = lines.takeAll { page, lines in page == 3 ? lines : 0 }
        let rest = lines.takeAll { $1 }
        #expect(first.count == 1 && rest.count == kept - 1)
        lines.told(first + rest)
        #expect(lines.isEmpty)
    }
}
