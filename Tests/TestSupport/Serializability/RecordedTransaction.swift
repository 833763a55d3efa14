/// One transaction of a recorded history: what it saw and wrote, and when.
///
/// Registers are numbers, and no value is written to a register twice: so a value read tells who
/// wrote it.
public struct RecordedTransaction: Sendable {
    public enum Outcome: Sendable {
        case committed
        case aborted
        /// Its client was killed, or got no answer: it may be committed, now or later.
        case unknown
    }

    public enum Operation: Equatable, Sendable {
        case read(_ register: Int, _ value: Int64)
        case write(_ register: Int, _ value: Int64)
    }

    /// For explanations: who ran it.
    public var name: String
    /// A time before it began, and one after it ended, of a clock that all share. If the outcome
    /// is unknown, all that it read was read before `ended`; its commit may be later.
    public var began: UInt64
    public var ended: UInt64
    public var outcome: Outcome
    /// In the order in which they were done. Of one that is not committed it may be less than all
    /// of its reads, but no write is missing.
    public var operations: [Operation]

    public init(
        _ name: String, _ began: UInt64, _ ended: UInt64, _ operations: [Operation],
        _ outcome: Outcome = .committed
    ) {
        self.name = name
        self.began = began
        self.ended = ended
        self.outcome = outcome
        self.operations = operations
    }
}

extension RecordedTransaction: CustomStringConvertible {
    public var description: String {
        let steps = operations.map { operation in
            switch operation {
            case .read(let register, let value): "r\(register)=\(value)"
            case .write(let register, let value): "w\(register)=\(value)"
            }
        }
        let text = steps.joined(separator: " ")
        let end = outcome == .committed ? "" : " \(outcome)"
        return "\(name) [\(began), \(ended)] \(text)\(end)"
    }
}
