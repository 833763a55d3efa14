import ArgumentParser
import Glibc
import RainbowCore

/// `bench alloc`: objects made in batches, one after the other.
struct AllocationCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alloc",
        abstract: "Make objects in batches.",
        discussion: """
            The objects are on pages that nobody has touched, whose first use costs the kernel \
            more than the objects, or with --reserved on pages made ready before.

            Example: rainbowfs bench alloc --objects 1000000 --reserved
            """)

    @Option(help: "How many objects to make.")
    var objects = 1_000_000

    @Option(help: ArgumentHelp("How many int64 fields each has.", valueName: "n"))
    var numbers = 0

    @Flag(help: "Reserve the memory before the clock starts.")
    var reserved = false

    @OptionGroup var json: JSONOption

    func validate() throws {
        guard (1...10_000_000_000).contains(objects), (0...256).contains(numbers) else {
            throw ValidationError("Make at least 1 object, of 0 to 256 numbers.")
        }
    }

    func run() throws {
        try BenchSpace.with("alloc") { space in
            let fields = (0..<numbers).map { "int64 n\($0)\n" }.joined()
            let stride = 8 + 8 * numbers
            let allocator = try BenchSpace.allocator(
                in: space, capacity: UInt64(objects * stride), className: "Simple", fields: fields)
            if reserved { try reserve(allocator.base, space) }
            // A quarter of what a transaction can make, so that it holds its locks briefly.
            let batch = ObjectLimits.objectBytes / 4 / stride
            let start = SystemClock.monotonicSeconds
            for made in Swift.stride(from: 0, to: objects, by: batch) {
                try space.transact { tx in
                    _ = try tx.newObjects(
                        of: tx.classDescriptor(named: "Simple"), in: allocator.address,
                        count: min(batch, objects - made))
                }
            }
            report((SystemClock.monotonicSeconds - start) * 1e9 / Double(objects), stride)
        }
    }

    private func reserve(_ base: Address, _ space: Space) throws {
        let bytes = objects * (8 + 8 * numbers)
        for start in stride(from: 0, to: bytes, by: 1 << 20) {
            try space.transact { (tx) throws(TransactionError) in
                try tx.reserve(base + start, count: min(1 << 20, bytes - start))
            }
        }
    }

    private func report(_ nanoseconds: Double, _ stride: Int) {
        let rounded = (nanoseconds * 100).rounded() / 100
        guard json.isOn else {
            StandardOutput.print("\(objects) objects of \(stride) bytes: \(rounded) ns an object")
            return
        }
        StandardOutput.print(
            JSON.object([
                ("objects", .integer(objects)), ("bytes_per_object", .integer(stride)),
                ("reserved", .bool(reserved)), ("ns_per_object", .real(rounded)),
            ]))
    }
}
