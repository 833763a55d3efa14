import TestSupport
import Testing

@testable import RainbowCore

@Suite("The objects of a commit")
struct ChangedObjectsTests {
    /// Classes whose objects are smaller than a line, cross lines and pages, or have their
    /// references on other pages than their header.
    private static let classes = [
        "int8 x", "ref<Object> a\nint64 b[3]", "bytes data[200]", "ref<Object> list[1200]",
        "ref<Object> list[90]\nbytes data[9000]",
    ]

    private func scene(
        _ random: inout SeededGenerator, _ body: (Space, inout SeededGenerator) throws -> Void
    ) throws {
        try withObjectSpace { space in
            var generator = random
            for number in 0..<3 {
                try space.run { tx throws in
                    _ = try tx.makeAllocator("a\(number)", capacity: 1 << 20)
                }
            }
            for (index, text) in Self.classes.enumerated() {
                try space.run { tx throws in
                    _ = try tx.defineClass(name: "C\(index)", text: text)
                }
            }
            for _ in 0..<60 {
                let (number, index) = (
                    Int.random(in: 0..<3, using: &generator),
                    Int.random(in: 0..<Self.classes.count, using: &generator)
                )
                try space.run { tx throws in
                    let allocator = try tx.allocator(named: "a\(number)", in: try tx.main())
                    let descriptor = try tx.classDescriptor(named: "C\(index)")
                    _ = try tx.newObjects(of: descriptor, in: allocator.address)
                }
            }
            try body(space, &generator)
            random = generator
        }
    }

    /// What the changed lines hold, word by word.
    private func expected(
        _ pages: [(page: UInt64, lines: UInt64)], _ tx: inout Transaction
    ) throws -> [Address] {
        var found: Set<Address> = []
        for (page, lines) in pages {
            for word in 0..<UInt64(512) where lines >> (word / 8) & 1 != 0 {
                let address = Address(page << 12 + word * 8)
                if let object = try tx.object(containing: address) { found.insert(object) }
            }
        }
        return found.sorted()
    }

    @Test("Whatever lines are written, all objects on them are found, and no others")
    func random() throws {
        var random = SeededGenerator(seed: printedSeed("changed objects"))
        try scene(&random) { space, random in
            let all = try space.run { tx throws in
                try tx.allObjects(after: .null, limit: 10_000).objects
            }
            let places: [UInt64] =
                all.flatMap { [$0.address.page, $0.address.page + 1] } + [7, 1 << 30]
            for _ in 0..<200 {
                let chosen = (0..<Int.random(in: 1...5, using: &random)).map { _ in
                    (
                        page: places.randomElement(using: &random)!,
                        lines: UInt64(1) << UInt64.random(in: 0..<64, using: &random)
                            | UInt64(1) << UInt64.random(in: 0..<64, using: &random)
                    )
                }
                let news = CommitNews(version: 1, node: 0, pages: chosen)
                let pages = try #require(news.sortedPages)
                #expect(zip(pages, pages.dropFirst()).allSatisfy { $0.page < $1.page })
                try space.run { tx throws in
                    let found = try tx.objects(onLinesOf: pages, limit: 10_000)
                    #expect(!found.isTruncated)
                    #expect(found.objects.map(\.address) == (try expected(chosen, &tx)))
                    let few = try tx.objects(onLinesOf: pages, limit: 2)
                    #expect(few.objects.map(\.address) == found.objects.prefix(2).map(\.address))
                    #expect(few.isTruncated == (found.objects.count > 2))
                }
            }
        }
    }

    @Test("What a commit really wrote is found by its news")
    func written() throws {
        var random = SeededGenerator(seed: printedSeed("written objects"))
        try scene(&random) { space, random in
            let feed = space.commitFeed()
            let all = try space.run { tx throws in
                try tx.allObjects(after: .null, limit: 10_000).objects
            }.filter { !$0.descriptor.isSystem }
            for _ in 0..<100 {
                let object = all.randomElement(using: &random)!
                let memory = object.descriptor.memory(of: object.address)
                let field = try #require(object.descriptor.fields.last)
                try space.run { tx throws in
                    if field.isReference {
                        try tx.setReference(object.address, field, index: 0, to: object.address)
                    } else {
                        try unsafe [UInt8(1)].withUnsafeBytes { bytes in
                            try unsafe tx.writeField(object.address, field, from: bytes)
                        }
                    }
                }
                guard case .commit(let news) = feed.next() else {
                    Issue.record("the commit is missing")
                    return
                }
                try space.run { tx throws in
                    let found = try tx.objects(
                        onLinesOf: try #require(news.sortedPages), limit: 100)
                    #expect(found.objects.contains { $0.address == object.address })
                    #expect(memory.contains(object.address))
                }
            }
        }
    }
}
