import Glibc
import RainbowCore

/// `events`: what commits change, as it happens.
///
/// Like a pipe it has no size, so that archivers do not wait in it.
struct EventsFile: Node {
    let tree: Tree
    let id = NodeID(.events)

    func describe(_ tx: inout Transaction) throws -> Description {
        try tree.ownFile(id, mode: 0o666, size: 0, &tx)
    }

    func open(_ request: OpenRequest) throws -> OpenFile {
        guard request.reads else {
            throw TreeError(
                EINVAL,
                "Open events for reading; or for reading and writing, to write the paths of the"
                    + " objects that it shall tell of.")
        }
        return EventStream(tree, request.caller)
    }
}
