import TestSupport
import Testing

@testable import RainbowCore

@Suite("Tables")
struct TableTests {
    /// Names of sixteen letters that all have the same hash: the first half is chosen, the second
    /// follows from it by undoing the last step of the hash.
    private func collidingNames(_ count: Int) -> [String] {
        var random = SeededGenerator(seed: 7)
        let start = NameBytes.mix(16)
        func printable() -> UInt64 {
            (0..<8).reduce(0) { word, _ in
                word << 8 | UInt64.random(in: 0x61...0x7a, using: &random)
            }
        }
        var inner = NameBytes.mix(start ^ printable())
        inner ^= printable()
        var names: [String] = []
        while names.count < count {
            let first = printable()
            let second = NameBytes.mix(start ^ first) ^ inner
            let bytes = [first, second].flatMap { word in
                (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64($0 * 8)) }
            }
            guard bytes.allSatisfy({ (0x21..<0x7f).contains($0) && $0 != 0x2f }) else { continue }
            names.append(String(decoding: bytes, as: UTF8.self))
        }
        return names
    }

    @Test("Names with the same hash live side by side, list together and go one by one")
    func collisions() throws {
        try withObjectSpace { space in
            let names = collidingNames(24)
            let target = SystemArea.root
            for name in names { try space.run { tx throws in try tx.bind(name, to: target) } }
            try space.run { tx throws in
                try tx.bind("before", to: target)
                try tx.bind("after", to: target)
                for name in names { #expect(try tx.target(ofName: name) == target) }
            }
            var found: [String] = []
            var keys: Set<UInt64> = []
            var key: UInt64 = 0
            while true {
                let page = try space.run { tx throws in try tx.names(after: key, limit: 1) }
                guard let last = page.last else { break }
                key = last.key
                keys.insert(key)
                found += page.map(\.name)
            }
            #expect(keys.count == 3)
            #expect(found.sorted() == (names + ["before", "after"]).sorted())
            #expect(try problems(of: space) == [])
            for (index, name) in names.enumerated() {
                try space.run { tx throws in try tx.unbind(name) }
                try space.run { tx throws in
                    for (other, name) in names.enumerated() {
                        #expect(try tx.target(ofName: name) == (other > index ? target : nil))
                    }
                }
            }
            #expect(try problems(of: space) == [])
        }
    }

    @Test("A table is a sorted dictionary, whatever comes and goes")
    func model() throws {
        var random = SeededGenerator(seed: printedSeed("table model"))
        try withObjectSpace { space in
            var model: [UInt64: Address] = [:]
            let table = try space.run { tx throws in try Table.make(&tx) }
            for round in 0..<3000 {
                // Pages close together and far apart, so that paths share much and little.
                let page = UInt64.random(in: 1..<(round % 2 == 0 ? 64 : 1 << 27), using: &random)
                let base = Address(region: 1, offset: page << 12)
                let key = TableKey(extentAt: base)
                try space.run { tx throws in
                    #expect(try table.entry(key, &tx) == model[key.number])
                    if model[key.number] == nil {
                        let entry = try AllocatorObject.make(&tx)
                        try tx.store(base.rawValue, at: entry.base)
                        try table.insert(entry.address, key, &tx)
                        model[key.number] = entry.address
                    } else {
                        let entry = try table.remove(key, &tx)
                        #expect(entry == model.removeValue(forKey: key.number))
                        try AllocatorObject(#require(entry)).free(&tx)
                    }
                }
                guard round % 50 == 0 else { continue }
                let probe = UInt64.random(in: 0..<1 << 60, using: &random)
                try space.run { tx throws in
                    let sorted = model.keys.sorted()
                    let listed = try table.entries(.extents, after: probe, limit: 20, &tx)
                    #expect(listed == sorted.filter { $0 > probe }.prefix(20).map { model[$0]! })
                    let last = try table.lastEntry(.extents, upTo: probe, &tx)
                    #expect(last == sorted.last { $0 <= probe }.map { model[$0]! })
                }
            }
            try space.run { tx throws in
                for number in model.keys {
                    let page = Address(region: 1, offset: (number >> 33) << 12)
                    try table.remove(TableKey(extentAt: page), &tx)
                }
                for index in 0..<16 { #expect(try tx.load(table.entries[index]) == .null) }
            }
        }
    }
}
