import RainbowCore

/// Moves money between two named accounts of a space, beside whatever mounts it:
///
///     ledger SPACE FROM TO AMOUNT
///
/// `FROM` and `TO` are names as in `names/`, of objects with an `int64 balance`.
@main
struct Ledger {
    struct Refusal: Error { let reason: String }

    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 5, let amount = Int64(arguments[4]), amount >= 0 else {
            print("usage: ledger SPACE FROM TO AMOUNT")
            return
        }
        var options = SpaceOptions()
        options.create = false
        options.nodeName = "ledger"
        let space = try Space.open(arguments[1], options)
        defer { space.detach() }
        do {
            let left = try transfer(amount, from: arguments[2], to: arguments[3], in: space)
            print("\(arguments[2]) has \(left) left.")
        } catch let refusal as Refusal {
            print("Nothing was moved: \(refusal.reason)")
        }
    }

    /// Moves `amount` in one transaction; an error thrown inside of it undoes all of it.
    /// - Returns: what the giver has left.
    static func transfer(
        _ amount: Int64, from: String, to: String, in space: Space
    ) throws -> Int64 {
        let balance = try Field<Int64>("balance", of: "Account", in: space)
        return try space.transact { tx in
            let giver = try tx.object(named: from)
            let taker = try tx.object(named: to)
            try tx.update(giver, balance) { $0 -= amount }
            try tx.update(taker, balance) { $0 += amount }
            let left = try tx[giver, balance]
            guard left >= 0 else { throw Refusal(reason: "\(from) has too little.") }
            return left
        }
    }
}
