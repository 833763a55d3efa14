import RainbowCore

/// What a transaction of a recorded history does next.
public enum HistoryStep: Sendable {
    case read(_ register: Int)
    case write(_ register: Int)
}

/// The registers of the recorded histories: fields of the objects of one class, of which several
/// share a line.
public struct HistoryRegisters: Sendable {
    public static let className = "Cell"
    public static let classText = "int64 a\nint64 b\nint64 c[2]\n"
    private static let perObject = 4
    /// Where the scoreboard has the number of objects, and then their addresses.
    private static let boardPlace = 32

    private let objects: [Address]
    /// For each register of an object its field and the first byte in it.
    private let places: [(field: FieldDescriptor, position: Int)]

    public var count: Int { objects.count * HistoryRegisters.perObject }

    public static func leave(_ objects: [Address], on board: Scoreboard) {
        board[boardPlace] = UInt64(objects.count)
        for (index, object) in objects.enumerated() {
            board[boardPlace + 1 + index] = object.rawValue
        }
    }

    public init(_ space: Space, _ board: Scoreboard) throws {
        let place = HistoryRegisters.boardPlace
        objects = (0..<Int(board[place])).map { Address(board[place + 1 + $0]) }
        let descriptor = try space.transact { tx in
            try tx.classDescriptor(named: HistoryRegisters.className)
        }
        places = descriptor.fields.flatMap { field in
            (0..<field.count).map { (field, $0 * 8) }
        }
    }

    /// Does a step and notes it: a write before it is done, a read after it.
    /// - Parameter lastValue: what was written last; each write gets the next number.
    public func take(
        _ step: HistoryStep, _ tx: inout Transaction, _ log: HistoryLog, _ lastValue: inout Int64
    ) throws {
        switch step {
        case .read(let register):
            log.note("read \(register) \(try value(of: register, &tx))")
        case .write(let register):
            lastValue += 1
            log.note("write \(register) \(lastValue)")
            try set(register, to: lastValue, &tx)
        }
    }

    private func value(of register: Int, _ tx: inout Transaction) throws -> Int64 {
        var value: Int64 = 0
        let (field, position) = places[register % HistoryRegisters.perObject]
        let object = objects[register / HistoryRegisters.perObject]
        try unsafe withUnsafeMutableBytes(of: &value) { bytes in
            unsafe try tx.readField(object, field, at: position, into: bytes)
        }
        return value
    }

    private func set(_ register: Int, to value: Int64, _ tx: inout Transaction) throws {
        let (field, position) = places[register % HistoryRegisters.perObject]
        let object = objects[register / HistoryRegisters.perObject]
        try unsafe withUnsafeBytes(of: value) { bytes in
            unsafe try tx.writeField(object, field, at: position, from: bytes)
        }
    }
}
