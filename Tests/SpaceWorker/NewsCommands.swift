import Glibc
import RainbowCore
import TestSupport

/// What a follower of the commits of other processes gets to know.
enum NewsCommands {
    /// Puts the committers of `COUNT` commits on the board, one after another.
    static func committers(_ request: SpaceWorker.Request) throws {
        let space = try Space.attach(request.space)
        let feed = space.commitFeed()
        request.board[BoardPlace.node(request.worker)] = UInt64(space.node) + 1
        var found: UInt64 = 0
        while found < request.count {
            guard case .commit(let news) = feed.next(milliseconds: 1000) else { continue }
            let place = BoardPlace.result(request.worker) + 1 + Int(found)
            request.board[place] =
                UInt64(news.committer.userID) << 32 | UInt64(news.committer.processID)
            found += 1
            request.board[BoardPlace.result(request.worker)] = found
        }
        space.detach()
    }
}
