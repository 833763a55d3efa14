import Glibc
import RainbowCore
import Synchronization

/// `messages`: what went wrong through this mount and why, newest last.
///
/// Its owner and root read all of it, others what they were told themselves.
struct MessagesFile: TextNode {
    let tree: Tree
    let id = NodeID(.messages)

    func describe(_ tx: inout Transaction) throws -> Description {
        let size = tree.messages.byteCount(for: .everyone)
        var description = try tree.ownFile(id, mode: 0o444, size: size, version: 0, &tx)
        if let milliseconds = tree.messages.changedMilliseconds {
            description.attributes.setTime(milliseconds: milliseconds)
        }
        return description
    }

    private func reader(_ caller: Caller, _ owner: UInt32) -> MessageLog.Reader {
        caller.uid == 0 || caller.uid == owner ? .everyone : .user(caller.uid)
    }

    func size(for caller: Caller, _ attributes: Attributes) -> UInt64 {
        UInt64(tree.messages.byteCount(for: reader(caller, attributes.uid)))
    }

    func open(_ request: OpenRequest) throws -> OpenFile {
        try refuseWriting(request)
        let owner = try tree.examine(self) { tx in try describe(&tx) }.attributes.uid
        return OpenMessages(tree.messages, reader(request.caller, owner))
    }
}

/// The open messages: those of the moment of opening, and at their end what came since, so that
/// `tail -f` follows, also when old lines were dropped meanwhile.
final class OpenMessages: OpenFile, @unchecked Sendable {
    private struct State {
        var content: MessageLog.Content
        /// What the offset 0 stands for.
        var origin: UInt64
    }

    private let log: MessageLog
    private let reader: MessageLog.Reader
    private let state: Mutex<State>

    init(_ log: MessageLog, _ reader: MessageLog.Reader) {
        self.log = log
        self.reader = reader
        let content = log.content(for: reader)
        state = Mutex(State(content: content, origin: content.start))
    }

    override func seekEnd() -> UInt64? { followedSize }

    /// It grows with what is added, and does not shrink with what is dropped: tail(1) takes a file
    /// that shrinks for another one.
    override var followedSize: UInt64? {
        state.withLock { log.end(for: reader) - $0.origin }
    }

    override func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer)
        throws(TreeError) -> Int
    {
        state.withLock { state in
            let position = state.origin + offset
            if position >= state.content.end, log.end(for: reader) > state.content.end {
                state.content = log.content(for: reader)
            }
            // Where lines are gone it goes on with the first one that is left.
            if position < state.content.start { state.origin = state.content.start - offset }
            let place = state.origin + offset - state.content.start
            return unsafe state.content.text.copy(from: place, into: buffer)
        }
    }
}
