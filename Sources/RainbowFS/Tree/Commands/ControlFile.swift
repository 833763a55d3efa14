import Glibc
import RainbowCore

/// `control`: commands that concern no single allocator; reading it gives help.
struct ControlFile: Node {
    let view: View
    let id = NodeID(.control)

    static let help = """
        Write one of these commands, one a line; a write is one transaction.

        set OBJECT FIELD=VALUE ...   change several fields of an object at once
        clear messages               empty the file messages of this mount; for its owner
        help                         this text

        OBJECT is an address or a path from the top of the tree: names/alice, objects/0x...
        FIELD[I]=VALUE sets one element of an array; values of an array are parted by commas.
        A VALUE with blanks is written in double quotes. A reference takes an OBJECT or null.

        """

    func describe(_ tx: inout Transaction) throws -> Description {
        try view.ownFile(id, mode: 0o666, size: ControlFile.help.utf8.count, version: 0, &tx)
    }

    func open(_ request: OpenRequest) throws -> OpenFile {
        OpenCommands(
            text: ControlFile.help, isRead: request.reads,
            ControlCommands(view: view, caller: request.caller.withGroups))
    }
}

/// The commands of `control`.
struct ControlCommands: CommandInterpreter {
    let view: View
    /// Who opened the file: everyone may write here, but not to every object.
    let caller: Caller

    func execute(_ commands: [Command]) throws -> CommandAnswer {
        var clearsMessages = false
        var answer = ""
        try view.transact { tx in
            (clearsMessages, answer) = (false, "")
            for command in commands {
                switch command.words {
                case ["help"]: answer = ControlFile.help
                case ["clear", "messages"]:
                    try requireOwnMessages(&tx)
                    clearsMessages = true
                case _ where command.name == "set": try set(command, &tx)
                default:
                    let text = TreeError.quoted(command.words.joined(separator: " "))
                    throw TreeError(
                        EINVAL,
                        "There is no command \(text)."
                            + " Reading control shows the commands that there are.")
                }
            }
        }
        if clearsMessages { view.messages.clear() }
        return .text(Array(answer.utf8))
    }

    /// What went wrong is everybody's to read, and its owner's to forget.
    private func requireOwnMessages(_ tx: inout Transaction) throws {
        let owner = try MessagesFile(view: view).describe(&tx).attributes.uid
        guard caller.uid == 0 || caller.uid == owner else {
            throw TreeError(
                EPERM, "Only the owner of the file messages, user \(owner), or root may clear it.")
        }
    }

    private func set(_ command: Command, _ tx: inout Transaction) throws {
        guard command.words.count > 2 else {
            throw TreeError(EINVAL, "Write \"set OBJECT FIELD=VALUE ...\".")
        }
        let object = try FieldAssignment.object(command.words[1], view, caller, &tx)
        guard object != .null else {
            throw TreeError(EINVAL, "null is no object whose fields could be set.")
        }
        let state = try ObjectState(object, &tx)
        guard !state.descriptor.isSystem else { throw FieldRefusal.system }
        // What opening one of its fields for writing would ask.
        try caller.require(
            .write, state.file(view, NodeID(.object, address: object), size: 0).attributes)
        for word in command.words[2...] {
            let assignment = try FieldAssignment(word, of: state.descriptor, view, caller, &tx)
            try assignment.apply(to: object, &tx)
        }
    }
}
