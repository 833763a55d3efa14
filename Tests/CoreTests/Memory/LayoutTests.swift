import Foundation
import TestSupport
import Testing

@testable import RainbowCore

extension TransactionalMemory {
    /// `Docs/Layout.md` and the code say the same.
    @Suite struct LayoutTests {
        @Test("Each number of the layout's page is the one of the code, and each is compared")
        func numbers() throws {
            let document = try LayoutDocument.read()
            let facts = try withTestSpace("core") { LayoutFacts.all(try LayoutProbe(), $0) }
            #expect(document.violations(facts) == [])
            #expect(document.sections.count == 16)

            // So each number that is changed on one side only is found.
            for (heading, text) in document.sections {
                for number in LayoutDocument.numbers(in: text) {
                    let changed = text.replacingCharacters(in: number, with: "\(text[number])1")
                    let found = LayoutDocument.violations(in: changed, facts[heading] ?? [])
                    #expect(!found.isEmpty, "\(heading): \(text[number])")
                }
            }
        }

        @Test("A fact that is missing or there twice is found, and a number that is in no fact")
        func violations() {
            let text = "| 8 | version | | 16 | ticket |"
            let facts = ["| 8 | version |", "| 16 | ticket |"]
            #expect(LayoutDocument.violations(in: text, facts) == [])
            #expect(LayoutDocument.violations(in: text, [facts[0]]).count == 1)
            #expect(LayoutDocument.violations(in: text + text, facts).count == 2)
            #expect(LayoutDocument.violations(in: "| 9 | version |", [facts[0]]).count == 2)
            #expect(LayoutDocument("# A\n1\n").violations(["B": []]).count == 2)
        }

        @Test("Numbers are written as the page writes them")
        func spelling() {
            #expect(LayoutDocument.grouped(16384) == "16,384")
            #expect(LayoutDocument.grouped(64) == "64")
            #expect(LayoutDocument.size(4096) == "4 KiB")
            #expect(LayoutDocument.size(UInt64(1) << 39) == "512 GiB")
        }
    }
}
