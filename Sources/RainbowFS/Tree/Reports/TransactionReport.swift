import RainbowCore

/// What the control file of a transaction says about it, in lines `key: value`.
struct TransactionReport {
    private static let objectsMax = 1000

    let transaction: NamedTransaction

    func text() throws -> String {
        try transaction.space.transact { tx in try text(&tx) }
    }

    /// - Parameter tx: reads the present, for a transaction that has ended.
    func text(_ tx: inout Transaction) throws -> String {
        let phase = transaction.phase
        let memory = transaction.open.memory
        let touched = transaction.lines
        let (read, written) = (try objects(touched.read, &tx), try objects(touched.written, &tx))
        var lines = [
            "state: \(phase.name)",
            "snapshot: \(transaction.version)",
            "began: \(TimeText.describe(milliseconds: transaction.began))",
            "serial: \(transaction.isSerial ? "yes" : "no")",
            "held: \(transaction.isHeld ? "yes" : "no")",
            "memory: \(memory.readBytes + memory.writtenBytes)",
            "objects read: \(read.count)",
            "objects written: \(written.count)",
        ]
        switch phase {
        case .running:
            if let conflict = transaction.open.conflict {
                lines.append("would conflict: " + TransactionReport.text(of: conflict, &tx))
            }
        case .committed(let version): lines.append("version: \(version)")
        case .conflict(let conflict):
            lines.append("conflict: " + TransactionReport.text(of: conflict, &tx))
        case .ended(let reason): lines.append("reason: \(reason)")
        case .aborted: break
        }
        lines += TransactionReport.list("read", read) + TransactionReport.list("written", written)
        return lines.map { $0 + "\n" }.joined()
    }

    private static func list(_ kind: String, _ objects: [ObjectInfo]) -> [String] {
        let shown = objects.prefix(objectsMax).map {
            "\(kind): \(LinkText.path(of: $0.address)) \($0.descriptor.name)"
        }
        return shown + (objects.count > objectsMax ? ["..."] : [])
    }

    /// The objects that have a part in any of the lines, in the order of their addresses. Those of
    /// the system are left out: tables and the like, which every path leads through.
    private func objects(
        _ lines: [Range<Address>], _ tx: inout Transaction
    ) throws -> [ObjectInfo] {
        let find: (inout Transaction) throws -> [ObjectInfo] = { tx in
            var found: [ObjectInfo] = []
            for range in lines {
                // One that reaches from range to range is there already.
                let last = found.last?.address
                found += try tx.objects(in: range).drop { $0.address == last }
            }
            return found.filter { !$0.descriptor.isSystem }
        }
        // What a transaction made itself is seen by it alone; of one that has ended, by nobody.
        do {
            return try transaction.phase == .running ? transaction.peek(find) : find(&tx)
        } catch {
            // It may have ended by now. Who finds something busy asks again later.
            if TreeError(error).wait != nil { throw error }
            return []
        }
    }

    /// `objects/0x... (Account) changed by node 1 at version 1240`
    static func text(of conflict: Conflict, in space: Space) -> String {
        let found = try? space.transact { tx in text(of: conflict, &tx) }
        return found ?? "the memory at \(conflict.line), which changed"
    }

    private static func text(of conflict: Conflict, _ tx: inout Transaction) -> String {
        let line = conflict.line..<conflict.line + Address.lineSize
        let found = (try? tx.objects(in: line)) ?? []
        let own = found.filter { !$0.descriptor.isSystem }
        let names = (own.isEmpty ? found : own).map {
            "\(LinkText.path(of: $0.address)) (\($0.descriptor.name))"
        }
        let what =
            names.isEmpty ? "the memory at \(conflict.line)" : names.joined(separator: " or ")
        let who = conflict.node.map { " by node \($0)" } ?? ""
        return "\(what) changed\(who) at version \(conflict.version)"
    }
}
