import TestSupport
import Testing

@testable import RainbowCore

@Suite("Bytes of the system as text")
struct SystemTextTests {
    /// Pieces that texts are made of: characters, parts of them, what is none, and the characters
    /// that stand for bytes.
    private static let pieces: [[UInt8]] = [
        [0x61], [0x2f], [0xc3, 0xa9], [0x65, 0xcc, 0x81], [0xcc, 0x81], [0xc3], [0xa9], [0xff],
        [0x80], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf0, 0x9f, 0x98, 0x80], [0xf0, 0x9f],
        [0xf4, 0x8f, 0xbe, 0x80], [0xf4, 0x8f, 0xbf, 0xbf], [0xf4, 0x8f, 0xbd, 0xbf],
        [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x84, 0xaa], [0xef, 0xbf, 0xbd],
    ]

    @Test("Any bytes come back as they were, and no two are taken for one text")
    func roundTrip() {
        var random = SeededGenerator(seed: printedSeed("system text"))
        var seen: [ExactText: [UInt8]] = [:]
        for _ in 0..<20_000 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 0...5, using: &random) {
                bytes += Self.pieces.randomElement(using: &random) ?? []
            }
            if Bool.random(using: &random) { bytes.append(.random(in: 1...255, using: &random)) }
            let text = String(systemBytes: bytes)
            #expect(text.systemBytes == bytes)
            #expect(text.systemByteCount == bytes.count)
            let copy = unsafe text.withSystemText { unsafe String(systemText: $0) }
            #expect(copy.isSame(as: text))
            #expect(seen.updateValue(bytes, forKey: ExactText(text)) ?? bytes == bytes)
            #expect(!text.unicodeText.utf8.contains(0xf4) || bytes.contains(0xf4))
        }
    }

    @Test("Text that is Unicode is itself, except for the characters that stand for bytes")
    func unicode() {
        for text in ["", "alice", "\u{e9}", "e\u{301}", "\u{1f600}", "\u{10ff7f}"] {
            #expect(String(systemBytes: Array(text.utf8)).isSame(as: text))
            #expect(text.systemBytes == Array(text.utf8))
            #expect(text.unicodeText.isSame(as: text))
        }
        #expect(String(systemBytes: [0x61, 0xff]).unicodeText == "a\u{fffd}")
        let held = Array("\u{10ffff}".utf8)
        #expect(String(systemBytes: held).unicodeScalars.count == 4)
    }

    @Test("Composed and decomposed text is told apart")
    func composition() {
        let (composed, decomposed) = ("\u{e9}", "e\u{301}")
        #expect(composed == decomposed && !composed.isSame(as: decomposed))
        #expect(Set([composed, decomposed].map { ExactText($0) }).count == 2)
        #expect("/\u{301}a".begins(with: "/") && !"\u{212a}".begins(with: "K"))
        #expect("a/\u{301}b//c".parts(at: "/").map { Array($0.utf8).count } == [1, 3, 1])
        #expect(",".parts(at: ",", omittingEmptySubsequences: false).count == 2)
    }

    @Test("Names of all kinds are bytes")
    func names() throws {
        try withObjectSpace { space in
            let names = [[0x6e, 0xff], [0xc3, 0xa9], [0x65, 0xcc, 0x81], [0xcc, 0x81]]
                .map { String(systemBytes: $0) }
            var taken: [Snapshot] = []
            for (index, name) in names.enumerated() {
                try space.run { tx throws in
                    let allocator = try tx.makeAllocator(name)
                    let region = try tx.createRegion(
                        name: name, model: "transactional", ownership: anyOwner)
                    try tx.bind(name, to: allocator.address)
                    #expect(try tx.allocator(named: name, in: tx.main()) == allocator)
                    #expect(try tx.region(named: name) == region)
                    #expect(try tx.names(after: 0, limit: 9).count == index + 1)
                }
                taken.append(try space.takeSnapshot(named: name))
                #expect(space.snapshot(named: name)?.version == taken.last?.version)
            }
            let bound = try space.run { tx throws in try tx.names(after: 0, limit: 9).map(\.name) }
            #expect(Set(bound.map(\.systemBytes)) == Set(names.map(\.systemBytes)))
            let kept = space.snapshots.map(\.name.systemBytes)
            #expect(Set(kept) == Set(names.map(\.systemBytes)))
            for snapshot in taken { snapshot.end() }
            #expect(space.snapshots.isEmpty)
            #expect(try problems(of: space) == [])
            let long = String(systemBytes: [UInt8](repeating: 0xff, count: 255))
            try space.run { tx throws in
                try tx.bind(long, to: SystemArea.root)
                #expect(throws: ObjectError.self) {
                    try tx.bind(long + "x", to: SystemArea.root)
                }
            }
        }
    }
}
