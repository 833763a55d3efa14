import Testing

@testable import RainbowFS

@Suite("The lines whose attributes are kept")
struct KeptLinesTests {
    @Test("Those that were noted are taken once, others not at all")
    func taking() {
        let lines = KeptLines()
        #expect(lines.isEmpty && lines.take(7, ~0) == 0)
        #expect(lines.insert(7, 0b0110) && lines.insert(7, 0b1000) && lines.insert(9, 1))
        #expect(lines.take(7, 0b1010) == 0b1010)
        #expect(lines.take(7, ~0) == 0b0100)
        #expect(lines.take(7, ~0) == 0 && !lines.isEmpty)
        #expect(lines.take(9, 2) == 0 && lines.take(9, 3) == 1)
        #expect(lines.isEmpty)
    }

    @Test("They last for two generations, and are found in both")
    func generations() {
        let lines = KeptLines()
        #expect(lines.insert(1, 1))
        lines.age()
        #expect(lines.insert(1, 2) && lines.insert(2, 4))
        #expect(lines.take(1, 3) == 3)
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
        #expect(lines.takeAll { page, lines in page == 3 ? lines : 0 }.count == 1)
        #expect(lines.takeAll { $1 }.count == kept - 1)
        #expect(lines.isEmpty)
    }
}
