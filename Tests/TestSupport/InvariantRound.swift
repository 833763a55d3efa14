import RainbowCore

/// One round of the accounts and the ring of `CrashWorkload`, for threads and for processes.
public enum InvariantRound {
    /// - Parameter violated: called from inside a running transaction that sees what cannot be.
    public static func run(
        _ space: Space, _ round: UInt64, _ generator: inout SeededGenerator,
        violated: (String) -> Void
    ) throws {
        let from = Int.random(in: 0..<CrashWorkload.accountCount, using: &generator)
        let to = Int.random(in: 0..<CrashWorkload.accountCount, using: &generator)
        let node = Int.random(in: 0..<CrashWorkload.ringCount, using: &generator)
        switch round % 4 {
        case 0:
            try space.transact { tx throws(TransactionError) in try check(&tx, violated) }
        case 1:
            // A look at everything and a write: it may lose, but must not see nonsense before.
            try space.transact { tx throws(TransactionError) in
                try check(&tx, violated)
                try CrashWorkload.transferBetween(&tx, from, to)
                try check(&tx, violated)
            }
        case 2:
            try space.transact { tx throws(TransactionError) in
                try CrashWorkload.turnRing(&tx, node)
            }
        default:
            try space.transact { tx throws(TransactionError) in
                try CrashWorkload.transferBetween(&tx, from, to)
            }
        }
    }

    /// The sum is right and the ring is a ring.
    public static func check(
        _ tx: inout Transaction, _ violated: (String) -> Void
    ) throws(TransactionError) {
        let expected = CrashWorkload.openingBalance * Int64(CrashWorkload.accountCount)
        let sum = try CrashWorkload.sum(&tx)
        if sum != expected { violated("the accounts hold \(sum), not \(expected)") }
        let length = try CrashWorkload.ringLength(&tx)
        if length != CrashWorkload.ringCount { violated("the ring has \(length) nodes") }
    }
}
