import Core
import Glibc
import Synchronization

/// `messages`: what went wrong through this mount and why, newest last.
struct MessagesFile: TextNode {
    let tree: Tree
    let id = NodeID(.messages)

    func describe(_ tx: inout Transaction) throws -> Description {
        var description = try tree.ownFile(
            id, mode: 0o444, size: tree.messages.byteCount, version: 0, &tx)
        if let milliseconds = tree.messages.changedMilliseconds {
            description.attributes.setTime(milliseconds: milliseconds)
        }
        return description
    }

    func open(_ request: OpenRequest) throws -> OpenFile {
        try refuseWriting(request)
        return OpenMessages(tree.messages)
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
    private let state: Mutex<State>

    init(_ log: MessageLog) {
        self.log = log
        let content = log.content
        state = Mutex(State(content: content, origin: content.start))
    }

    override func seekEnd() -> UInt64? { followedSize }

    /// It grows with what is added, and does not shrink with what is dropped: tail(1) takes a file
    /// that shrinks for another one.
    override var followedSize: UInt64? {
        state.withLock { log.end - $0.origin }
    }

    override func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer)
        throws(TreeError) -> Int
    {
        state.withLock { state in
            let position = state.origin + offset
            if position >= state.content.end, log.end > state.content.end {
                state.content = log.content
            }
            // Where lines are gone it goes on with the first one that is left.
            if position < state.content.start { state.origin = state.content.start - offset }
            let place = state.origin + offset - state.content.start
            return unsafe state.content.text.copy(from: place, into: buffer)
        }
    }
}
