import Glibc
import RainbowCore
import TestSupport
import Testing

extension TransactionalMemory {
    /// The ends of regions, of the log and of the memory.
    @Suite struct MemoryLimitTests {
        static let regionEnd = Address(region: 2, offset: 0)

        /// The error that an access ends with.
        static func failure(
            _ space: Space, _ body: (inout Transaction) throws(TransactionError) -> Void
        ) throws -> TransactionError? {
            do {
                try space.transact { tx throws(TransactionError) in try body(&tx) }
                return nil
            } catch let error as TransactionError {
                return error
            }
        }

        static func failures(
            _ space: Space, _ address: Address, count: Int
        ) throws -> [TransactionError?] {
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
            defer { unsafe buffer.deallocate() }
            unsafe buffer.initializeMemory(as: UInt8.self, repeating: 1)
            return try [
                failure(space) { tx throws(TransactionError) in
                    try unsafe tx.read(address, into: buffer)
                },
                failure(space) { tx throws(TransactionError) in
                    try unsafe tx.write(address, from: UnsafeRawBufferPointer(buffer))
                },
                failure(space) { tx throws(TransactionError) in
                    try tx.zero(address, count: count)
                },
                failure(space) { tx throws(TransactionError) in
                    try tx.reserve(address, count: count)
                },
                failure(space) { tx throws(TransactionError) in
                    _ = try tx.version(of: address, count: count)
                },
            ]
        }

        @Test(
            "A range may end where its region ends, and not after it", arguments: [1, 63, 64, 9000])
        func regionEnds(count: Int) throws {
            try withTestSpace("core") { space in
                let last = Self.regionEnd - count
                let within = try Self.failures(space, last, count: count)
                #expect(within.allSatisfy { $0 == nil })
                let beyond = try Self.failures(space, last, count: count + 1)
                #expect(beyond.allSatisfy { $0 == .invalidAddress(last) })
            }
        }

        @Test(
            "Addresses in no region of the space are refused",
            arguments: [
                Address.null, Address(0x1000), Address(region: 2, offset: 0),
                Address(region: 63, offset: 64), Address(region: 64, offset: 0),
                Address(region: 1000, offset: 8), Address(UInt64.max & ~7),
            ])
        func invalidAddresses(address: Address) throws {
            try withTestSpace("core") { space in
                let failures = try Self.failures(space, address, count: 8)
                #expect(failures.allSatisfy { $0 == .invalidAddress(address) })
                // Loads name the word, stores the line.
                let word = TransactionError.invalidAddress(address)
                let line = TransactionError.invalidAddress(Address(address.rawValue & ~63))
                let loading = try Self.failure(space) { tx throws(TransactionError) in
                    _ = try tx.load(address, as: UInt64.self)
                }
                let storing = try Self.failure(space) { tx throws(TransactionError) in
                    try tx.store(1 as UInt64, at: address)
                }
                #expect(loading == word && storing == line)
            }
        }

        @Test("A region exists once its file is whole: a file cut short is none")
        func shortRegionFile() throws {
            try withTestSpace("core") { space in
                let path = "\(space.directory)/region-2"
                let descriptor = unsafe open(path, O_RDWR | O_CREAT, 0o600)
                #expect(descriptor >= 0)
                close(descriptor)
                let address = Address(region: 2, offset: 4096)
                let failures = try Self.failures(space, address, count: 8)
                #expect(failures.allSatisfy { $0 == .invalidAddress(address) })
                try space.createRegionFile(2)
                let nothing = try Self.failures(space, address, count: 8)
                #expect(nothing.allSatisfy { $0 == nil })
            }
        }

        @Test("A transaction that writes more than its log holds is too large, and leaves nothing")
        func tooLarge() throws {
            try withTestSpace("core") { space in
                let start = Address(region: 1, offset: 0x10000)
                func store(_ value: Int, bytes: Int) throws -> TransactionError? {
                    try Self.failure(space) { tx throws(TransactionError) in
                        for position in stride(from: 0, to: bytes, by: 64) {
                            try tx.store(value, at: start + position)
                        }
                    }
                }
                try #expect(store(1, bytes: Transaction.bytesMax) == nil)
                try #expect(store(2, bytes: Transaction.bytesMax + 64) == .tooLarge)
                try #expect(store(3, bytes: 64) == nil)
                let sum = try space.transact { tx throws(TransactionError) in
                    var sum = 0
                    for position in stride(from: 0, to: Transaction.bytesMax, by: 64) {
                        sum += try tx.load(start + position)
                    }
                    return sum
                }
                #expect(sum == Transaction.bytesMax / 64 + 2)
            }
        }

        @Test("Fills of one mebibyte in all fit, and more as far as the log has room")
        func fillLimit() throws {
            try withTestSpace("core") { space in
                let start = Address(region: 1, offset: 0x10000)
                func fill(_ counts: [Int]) throws -> TransactionError? {
                    try Self.failure(space) { tx throws(TransactionError) in
                        var place = start
                        for count in counts {
                            try tx.fill(
                                start: place, stride: 64, count: count, headerOffset: 8, header: 5)
                            place = place + count * 64
                        }
                    }
                }
                let most = Transaction.fillBytesMax / 64
                try #expect(fill([most]) == nil)
                try #expect(fill([most + 1]) == .tooLarge)
                try #expect(fill([most - 1, 1]) == nil)
                // What is beyond goes through the log.
                try #expect(fill([most - 1, 2]) == nil)
                let logged = Transaction.bytesMax / 64
                try #expect(fill([most] + Array(repeating: most, count: logged / most)) == nil)
                try #expect(
                    fill([most] + Array(repeating: most, count: logged / most + 1)) == .tooLarge)
                try #expect(fill(Array(repeating: 3, count: 40)) == nil)
            }
        }

        @Test("The size limit is exact to the page", arguments: [1, 40 * 4096, 40 * 4096 + 1])
        func sizeLimit(bytes: UInt64) throws {
            var options = SpaceOptions()
            options.sizeBytesMax = bytes
            let pages = Int((bytes + 4095) / 4096)
            try withTestSpace("core", options) { space in
                let start = Address(region: 1, offset: 0x10000)
                for page in 0..<pages {
                    let failure = try Self.failure(space) { tx throws(TransactionError) in
                        try tx.store(1 as UInt8, at: start + page * 4096)
                    }
                    #expect(failure == nil)
                }
                #expect(space.usage.bytesUsed == UInt64(pages) * 4096)
                #expect(space.usage.bytesMax == UInt64(pages) * 4096)
                for count in [1, 64, 1000] {
                    let failure = try Self.failure(space) { tx throws(TransactionError) in
                        try tx.reserve(start + pages * 4096, count: count * 4096)
                    }
                    #expect(failure == .outOfMemory)
                }
                #expect(space.usage.bytesUsed == UInt64(pages) * 4096)
                // A larger limit, given by the next that attaches, makes room.
                options.sizeBytesMax = bytes + 4096
                let other = try Space.attach(space.name, options)
                defer { other.detach() }
                let failure = try Self.failure(space) { tx throws(TransactionError) in
                    try tx.store(1 as UInt8, at: start + pages * 4096)
                }
                #expect(failure == nil)
            }
        }

        /// Runs a worker on a space of a small memory file system; that takes root. Others get a
        /// space with a limit, in the common shared memory.
        static func runWorker(
            _ command: String, on space: String, in memory: TemporaryMemory?, _ board: Scoreboard
        ) throws -> ChildStatus {
            board[BoardPlace.shared + 1] = 1
            return try Child(
                builtProgram("space-worker"), [command, space, "0", "1", "0"],
                environment: memory.map { ["RAINBOWFS_DIR": $0.path] } ?? [:],
                descriptor: board.descriptor
            ).wait()
        }

        @Test(
            "Full memory is outOfMemory, never SIGBUS, and the space goes on",
            arguments: [6, 9, 16])
        func fullMemory(mebibytes: Int) throws {
            let memory = try TemporaryMemory.ifPossible(byteCount: mebibytes << 20)
            let board = try Scoreboard()
            var options = SpaceOptions()
            if memory == nil { options.sizeBytesMax = UInt64(mebibytes) << 20 }
            // In its own file system the name is free for the worker.
            try withTestSpace("core", options) { space in
                let filling = try Self.runWorker("fill-memory", on: space.name, in: memory, board)
                #expect(filling == .exited(0))
                #expect(board[BoardPlace.result(0)] > 100)
                // A process that comes later finds a space that works.
                let attaching = try Self.runWorker("attach", on: space.name, in: memory, board)
                #expect(attaching == .exited(0))
            }
        }

        @Test(
            "Memory too small for a space gives an error, not SIGBUS",
            .enabled(if: geteuid() == 0, "only root mounts a small tmpfs"),
            arguments: [64, 1024, 2000, 2800])
        func smallMemory(kibibytes: Int) throws {
            let board = try Scoreboard()
            let memory = try TemporaryMemory(byteCount: kibibytes << 10)
            let status = try Self.runWorker("attach", on: "small", in: memory, board)
            #expect(status == .exited(4))
            // Nothing of the space that could not be made is left.
            #expect(unsafe access("\(memory.path)/rainbowfs.small", F_OK) != 0)
        }
    }
}
