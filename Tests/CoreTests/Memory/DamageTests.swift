import Glibc
import TestSupport
import Testing

@testable import RainbowCore

extension TransactionalMemory {
    /// Files that are not what a space left there.
    @Suite struct DamageTests {
        /// Makes a space, leaves it, lets `damage` have its `meta`, and gives the error of the next
        /// to attach.
        static func errorAfter(
            removingRegions: Bool = false, _ damage: (_ meta: Int32) -> Void
        ) throws -> (SpaceError?, SpaceSummary?) {
            let name = uniqueSpaceName("core")
            let space = try Space.attach(name)
            let folder = space.directory
            try space.transact { tx throws(TransactionError) in
                try tx.store(1, at: Address(region: 1, offset: 0x8000))
            }
            space.detach()
            let meta = unsafe open("\(folder)/meta", O_RDWR)
            damage(meta)
            close(meta)
            if removingRegions { unsafe unlink("\(folder)/region-1") }
            defer { try? Space.destroy(name, force: true) }
            let summary = try Space.list().first { $0.name == name }
            do throws(SpaceError) {
                try Space.attach(name).detach()
                return (nil, summary)
            } catch {
                return (error, summary)
            }
        }

        static func put(_ value: UInt64, at offset: Int, _ meta: Int32) {
            var value = value
            let count = unsafe pwrite(meta, &value, 8, off_t(offset))
            #expect(count == 8)
        }

        @Test(
            "A space of another format is refused with a sentence",
            arguments: [0, 1, SpaceLayout.formatVersion + 1, UInt64.max])
        func otherFormat(version: UInt64) throws {
            let (error, summary) = try Self.errorAfter {
                Self.put(version, at: SpaceLayout.versionOffset, $0)
            }
            let problem = try #require(summary?.problem?.description)
            let known = SpaceLayout.formatVersion
            #expect(problem.contains("has format \(version), this program knows format \(known)"))
            #expect(error?.description == problem)
        }

        @Test("A smaller file of another format is refused with the same sentence")
        func smallerFormat() throws {
            let (error, _) = try Self.errorAfter { meta in
                Self.put(1, at: SpaceLayout.versionOffset, meta)
                #expect(ftruncate(meta, 1 << 20) == 0)
            }
            #expect(error?.description.contains("has format 1") == true)
        }

        @Test(
            "A file cut short is refused, never SIGBUS",
            arguments: [
                0, 1, 7, 8, 16, 100, 4096, 8192, 1 << 20, SpaceLayout.fixedSize,
                SpaceLayout.metaSize - 1,
            ])
        func cutShort(size: Int) throws {
            let (error, summary) = try Self.errorAfter { meta in
                #expect(ftruncate(meta, off_t(size)) == 0)
            }
            #expect(error?.description.contains("is damaged") == true)
            // Listing looks at the header only.
            if size < 8192 { #expect(summary?.problem?.description.contains("is damaged") == true) }
        }

        @Test("Bytes of anything are refused", arguments: 0..<20)
        func garbage(run: Int) throws {
            let seed = printedSeed("garbage in meta") &+ UInt64(run)
            var generator = SeededGenerator(seed: seed)
            let size = [1, 8, 4096, 100_000].randomElement(using: &generator)!
            let bytes = (0..<size).map { _ in UInt8.random(in: 1...255, using: &generator) }
            let isCut = Bool.random(using: &generator)
            let (error, summary) = try Self.errorAfter { meta in
                if isCut { #expect(ftruncate(meta, 0) == 0) }
                let count = unsafe pwrite(meta, bytes, bytes.count, 0)
                #expect(count == bytes.count)
            }
            #expect(error?.description.contains("is damaged") == true)
            #expect(summary?.problem != nil)
        }

        @Test("A file whose maker was killed early is made again")
        func halfMade() throws {
            for size in [0, SpaceLayout.metaSize] {
                let (error, _) = try Self.errorAfter(removingRegions: true) { meta in
                    #expect(ftruncate(meta, 0) == 0)
                    #expect(ftruncate(meta, off_t(size)) == 0)
                }
                #expect(error == nil)
            }
        }

        @Test("Slots and logs full of anything are not followed", arguments: 0..<30)
        func garbageInSlots(run: Int) throws {
            var generator = SeededGenerator(seed: printedSeed("garbage in slots \(run)"))
            let (error, _) = try Self.errorAfter { meta in
                for index in 0..<40 {
                    let slot = SpaceLayout.slotsOffset + index * SpaceLayout.slotSize
                    for word in 1..<10 where word != 5 {
                        Self.put(Self.anything(&generator), at: slot + word * 8, meta)
                    }
                    // A dead node's slot in the middle of a commit, with a log.
                    Self.put(1, at: slot, meta)
                    let phase = UInt64.random(in: 1...2, using: &generator)
                    Self.put(phase << 62 | 5, at: slot + 8, meta)
                    Self.put(UInt64.random(in: 0...2, using: &generator), at: slot + 16, meta)
                    Self.put(UInt64.random(in: 0...40, using: &generator), at: slot + 24, meta)
                    Self.put(65536, at: slot + 64, meta)
                    let log = SpaceLayout.logsOffset + index * SpaceLayout.logSize
                    for word in 0..<128 {
                        Self.put(Self.anything(&generator), at: log + word * 8, meta)
                        let entry = log + RedoLog.entriesOffset + word * RedoLog.entrySize
                        Self.put(Self.anything(&generator), at: entry, meta)
                    }
                }
            }
            #expect(error == nil)
        }

        @Test("A log's size that makes no sense is not believed", arguments: [1 << 40, .max])
        func garbageInLogSize(size: UInt64) throws {
            try withTestSpace("core") { space in
                for index in 0..<SpaceLayout.slotCountMax {
                    Slot(meta: space.meta, index: index).logReserved.store(size)
                }
                let address = Address(region: 1, offset: 0x10000)
                try space.transact { tx throws(TransactionError) in
                    try tx.store(7, at: address)
                }
            }
        }

        /// Numbers that parsers trip over, small ones, addresses, and any.
        private static func anything(_ generator: inout SeededGenerator) -> UInt64 {
            switch UInt8.random(in: 0...4, using: &generator) {
            case 0: UInt64.random(in: 0...64, using: &generator)
            case 1: [0, 1, .max, 1 << 63, 1 << 62, .max - 63].randomElement(using: &generator) ?? 0
            case 2: 1 << 39 | UInt64.random(in: 0..<1 << 20, using: &generator) & ~63
            case 3: UInt64.random(in: 0..<1 << 46, using: &generator) & ~7
            default: UInt64.random(in: 0...UInt64.max, using: &generator)
            }
        }

        @Test("A line that is locked or dated by nobody is damaged, and the others go on")
        func damagedLines() throws {
            try withTestSpace("core") { space in
                let (address, other) = (
                    Address(region: 1, offset: 0x8040), Address(region: 1, offset: 0x8080)
                )
                func store(_ address: Address) throws {
                    try space.transact { tx throws(TransactionError) in
                        try tx.store(7, at: address)
                    }
                }
                func load(_ address: Address) throws -> Int {
                    try space.transact { tx throws(TransactionError) in try tx.load(address) }
                }
                try store(address)
                try store(other)
                let word = try space.mapRegion(1).lineWord(address.offset)
                let sound = word.load()
                let wrong = [
                    LineWord.lock(slot: 7, sequence: 3), LineWord.lock(slot: 0, sequence: 1 << 40),
                    LineWord.lock(slot: 2000, sequence: 1), .max, space.version + 1000,
                ]
                for value in wrong {
                    word.store(value)
                    #expect(throws: TransactionError.damaged(address)) { try load(address) }
                    if LineWord.isLocked(value) {
                        #expect(throws: TransactionError.self) { try store(address) }
                        let open = try space.begin(name: "open")
                        try open.perform { tx in try tx.store(1, at: address) }
                        #expect(throws: TransactionError.self) { try open.commit() }
                        open.abort()
                    }
                    try store(other)
                    try #expect(load(other) == 7)
                    word.store(sound)
                    try #expect(load(address) == 7)
                }
            }
        }

        @Test("Serial mode that nobody has is ended by who waits for it, or by who is named")
        func wrongSerialMode() throws {
            try withTestSpace("core") { space in
                let serial = space.meta[SpaceLayout.serialOffset]
                let address = Address(region: 1, offset: 0x8000)
                for holder in [1, 5, 700, 1024, 1025, .max, 1 << 63] as [UInt64] {
                    serial.store(holder)
                    try withDeadline(seconds: 60, "a commit beside serial mode of \(holder)") {
                        try space.transact { tx throws(TransactionError) in
                            try tx.store(holder, at: address)
                        }
                    }
                    #expect(serial.load() == 0)
                }
            }
        }

        @Test("Old versions in a circle, or beyond all records, are not followed")
        func damagedUndoVersions() throws {
            try withTestSpace("core") { space in
                let address = Address(region: 1, offset: 0x8000)
                func store(_ value: Int) throws {
                    try space.transact { tx throws(TransactionError) in
                        for line in 0..<2000 { try tx.store(value, at: address + line * 64) }
                    }
                }
                try store(1)
                let snapshot = try space.takeSnapshot(named: "snapshot")
                try store(2)
                let file = unsafe open("\(space.directory)/shadow", O_RDWR)
                defer { close(file) }
                for next in [1, 1 << 29, .max, 5] as [UInt64] {
                    for record in 0..<1500 {
                        Self.put(next, at: 262_144 + record * 128 + 32, file)
                    }
                    try withDeadline(seconds: 60, "old versions that lead to \(next)") {
                        for line in 0..<2000 {
                            _ = try? space.read(at: snapshot) { tx in
                                try tx.load(address + line * 64, as: Int.self)
                            }
                        }
                        try store(3)
                    }
                }
                try withDeadline(seconds: 60, "a snapshot whose old versions are damaged") {
                    snapshot.end()
                    let next = try space.takeSnapshot(named: "next")
                    try store(4)
                    let value = try space.read(at: next) { tx in try tx.load(address, as: Int.self)
                    }
                    #expect(value == 3)
                    next.end()
                }
            }
        }

        @Test("The check of the memory finds nothing in a sound space, and each kind of damage")
        func check() throws {
            try withTestSpace("core") { space in
                func problems() -> [String] {
                    var found: [String] = []
                    space.checkMemory { found.append($0) }
                    return found
                }
                for line in 0..<300 {
                    try space.transact { tx throws(TransactionError) in
                        try tx.store(line, at: Address(region: 1, offset: 0x8000) + line * 100 * 8)
                    }
                }
                #expect(problems() == [])
                let region = try space.mapRegion(1)
                let now = space.clock.now
                func expectProblem(_ text: String, _ word: SharedWord, _ value: UInt64) {
                    let before = word.load()
                    word.store(value)
                    let found = problems()
                    #expect(found.count == 1 && found[0].contains(text))
                    word.store(before)
                }
                let address = Address(region: 1, offset: 0x8040)
                expectProblem("\(address) has version", region.lineWord(0x8040), now + 1)
                expectProblem(
                    "\(address) is locked by slot 7", region.lineWord(0x8040),
                    LineWord.lock(slot: 7, sequence: 3))
                let slot = SpaceInspection(space).slot(500)
                expectProblem("slot 500 is free", slot.state, Slot.state(.committed, 5))
                expectProblem("slot 500 is free", slot.ticket, 9)
                expectProblem("serial mode", space.meta[SpaceLayout.serialOffset], 501)
                expectProblem("serial mode", space.meta[SpaceLayout.serialOffset], 5000)
                expectProblem("nobody has drawn", space.ring.entry(now + 1)[0], now + 1)
                expectProblem("wrong place", space.ring.entry(now - 1)[0], now)
                expectProblem(
                    "frames are counted", space.meta[SpaceLayout.framesUsedOffset], 1_000_000)
                #expect(problems() == [])
            }
        }

        @Test(
            "A committed slot that names a node that cannot be is brought to its end",
            arguments: [1 << 32, 0xffff_ffff, 1 << 32 | 5000] as [UInt64])
        func impossibleOwner(owner: UInt64) throws {
            try withTestSpace("core") { space in
                try space.transact { tx throws(TransactionError) in
                    try tx.store(1, at: Address(region: 1, offset: 0x8000))
                }
                let slot = Slot(meta: space.meta, index: 500)
                slot.ticket.store(space.clock.next())
                slot.state.store(Slot.state(.committed, 7))
                slot.owner.store(owner)
                try Space.attach(space.name).detach()
                #expect(slot.owner.load() == 0 && Slot.phase(of: slot.state.load()) == .idle)
                var problems: [String] = []
                space.checkMemory { problems.append($0) }
                #expect(problems == [])
            }
        }
    }
}
