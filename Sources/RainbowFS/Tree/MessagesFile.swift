import Core
import Glibc
import Synchronization

/// `messages`: what went wrong through this mount and why, newest last.
struct MessagesFile: Node {
    let tree: Tree
    let id = NodeID(.messages)

    func describe(_ tx: inout Transaction) throws -> Description {
        try tree.ownFile(id, mode: 0o444, size: tree.messages.byteCount, &tx)
    }

    func open(_ request: OpenRequest) throws -> OpenFile {
        try refuseWriting(request)
        return OpenMessages(tree.messages)
    }
}

/// The open messages: those of the moment of opening, and at their end what came since, so that
/// `tail -f` follows.
final class OpenMessages: OpenFile, @unchecked Sendable {
    private let log: MessageLog
    private let text: Mutex<[UInt8]>

    init(_ log: MessageLog) {
        self.log = log
        text = Mutex(Array(log.text.utf8))
    }

    override func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer)
        throws(TreeError) -> Int
    {
        text.withLock { text in
            if offset >= UInt64(text.count), log.byteCount > text.count {
                let longer = Array(log.text.utf8)
                // Old lines may have gone meanwhile: then the offsets mean nothing any more.
                if longer.starts(with: text) { text = longer }
            }
            return unsafe text.copy(from: offset, into: buffer)
        }
    }
}
