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
        let space = try Space.attach(arguments[1], options)
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
        try space.transact { tx in
            let giver = try balance(ofName: from, &tx)
            let taker = try balance(ofName: to, &tx)
            let left = try tx.load(giver, as: Int64.self) - amount
            guard left >= 0 else { throw Refusal(reason: "\(from) has too little.") }
            try tx.store(left, at: giver)
            try tx.store(try tx.load(taker, as: Int64.self) + amount, at: taker)
            return left
        }
    }

    /// Where the balance of a named account lies.
    static func balance(ofName name: String, _ tx: inout Transaction) throws -> Address {
        guard let account = try tx.target(ofName: name) else {
            throw Refusal(reason: "there is no name \(name).")
        }
        let type = try tx.descriptor(of: account)
        guard let field = type.field(named: "balance"), field.type == .int64, field.count == 1
        else {
            throw Refusal(reason: "\(name) is no account: \(type.name) has no int64 balance.")
        }
        return account + field.offset
    }
}
