import Glibc
import RainbowCore
import Synchronization

/// `transactions/ID/control`
struct TransactionControl: Node {
    let view: View
    let id = NodeID(.control)
    let transaction: NamedTransaction

    var outlivesView: Bool { true }

    static let help = """
        Write one of these commands.

        commit           make everything visible at once, or fail with ECANCELED
        abort            forget everything
        restart          forget everything and begin again at the newest version
        restart serial   the same, and nobody else commits until this transaction ends
        hold             end and remove the transaction when this open file is closed
        set OBJECT FIELD=VALUE ...   change several fields of an object at once
        help             this text

        Reading tells the state, what was read and written, and what a commit conflicted with.

        """

    func describe(_ tx: inout Transaction) throws -> Description {
        var ownership = transaction.ownership
        ownership.mode = 0o600
        return Description(
            attributes: view.ownAttributes(
                id, S_IFREG, ownership,
                size: try TransactionReport(transaction: transaction).text(&tx).systemByteCount,
                milliseconds: transaction.began))
    }

    func open(_ request: OpenRequest) throws -> OpenFile {
        OpenTransactionControl(view, transaction, request)
    }
}

/// The commands of a transaction's control file.
private struct TransactionCommands: CommandInterpreter {
    let view: View
    let transaction: NamedTransaction
    let caller: Caller
    let hold: @Sendable () -> Void

    func status() throws -> String? { try TransactionReport(transaction: transaction).text() }

    /// Only a list of `set` may be longer than a write.
    func mayContinue(_ line: ArraySlice<UInt8>, after commands: [Command]) -> Bool {
        let name = line.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        return name.starts(with: "set".utf8) && commands.allSatisfy { $0.name == "set" }
    }

    func execute(_ commands: [Command]) throws -> CommandAnswer {
        if commands.allSatisfy({ $0.name == "set" }) {
            return try ControlCommands(view: view, caller: caller).execute(commands)
        }
        guard commands.count == 1 else {
            throw TreeError(EINVAL, "Write commit, abort, restart and hold each by itself.")
        }
        switch commands[0].words {
        case ["help"]: return .text(Array(TransactionControl.help.utf8))
        case ["commit"]:
            let (version, written) = try transaction.commit()
            view.noteCommit(of: written)
            return answer("version: \(version)\n")
        case ["abort"]:
            try transaction.checkRunning()
            transaction.abort()
        case ["restart"]:
            return answer("snapshot: \(try transaction.restart(isSerial: false))\n")
        case ["restart", "serial"]:
            return answer("snapshot: \(try transaction.restart(isSerial: true))\n")
        case ["hold"]:
            try transaction.checkRunning()
            hold()
        default:
            let text = TreeError.quoted(commands[0].words.joined(separator: " "))
            throw TreeError(
                EINVAL,
                "A transaction does not know the command \(text). Write commit, abort, restart,"
                    + " restart serial, hold, set, or help.")
        }
        return answer("")
    }

    private func answer(_ text: String) -> CommandAnswer { .text(text.systemBytes) }
}

/// The open control file of a transaction.
final class OpenTransactionControl: OpenFile, @unchecked Sendable {
    private let file: OpenCommands
    private let transaction: NamedTransaction
    private let holder: Holder

    /// Whether this open file holds the transaction.
    private final class Holder: Sendable {
        let isHolding = Atomic<Bool>(false)
    }

    init(_ view: View, _ transaction: NamedTransaction, _ request: OpenRequest) {
        let holder = Holder()
        self.holder = holder
        self.transaction = transaction
        file = OpenCommands(
            text: try TransactionReport(transaction: transaction).text(), isRead: request.reads,
            TransactionCommands(
                view: view, transaction: transaction, caller: request.caller.withGroups
            ) {
                holder.isHolding.store(true, ordering: .relaxed)
                transaction.hold()
            })
    }

    override var textSize: UInt64? { file.textSize }

    override func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer)
        throws(TreeError) -> Int
    {
        unsafe try file.read(at: offset, into: buffer)
    }

    override func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer, isAppend: Bool)
        throws(TreeError) -> Int
    {
        unsafe try file.write(at: offset, bytes, isAppend: isAppend)
    }

    override var wantsFlush: Bool { file.wantsFlush }
    override var holdsBack: Bool { file.holdsBack }
    override func flush() throws(TreeError) { try file.flush() }

    override func close() {
        if holder.isHolding.load(ordering: .relaxed) { transaction.remove() }
    }
}
