import Foundation
import Glibc
import RainbowCore
import TestSupport
import Testing

@testable import RainbowFS

/// Pieces of the mount that need no kernel.
@Suite struct MountPieceTests {
    @Test("A truncation finds the open file of its own thread and user only")
    func freshOpens() {
        let (opens, file, node) = (FreshOpens(), OpenFile(), NodeID.names)
        // In another namespace of processes all have the number 0.
        let opener = Caller(uid: 1000, gid: 1000, thread: 0)
        let stranger = Caller(uid: 1001, gid: 1001, thread: 0)
        opens.add(file, node, by: opener)
        #expect(opens.file(node, openedBy: opener) === file)
        #expect(opens.file(node, openedBy: stranger) == nil)
        #expect(opens.file(NodeID.classes, openedBy: opener) == nil)
        opens.forget(file)
        #expect(opens.file(node, openedBy: opener) == nil)
    }

    @Test("Each errno that the tree gives has its name in messages")
    func errorNames() {
        let spaceErrors: [SpaceError] = [
            .badName(""), .notFound(""), .damaged("", ""), .filesGone(""), .tooManyNodes(1),
            .inUse("", nodes: 1), .nested, .snapshotExists(""), .detached,
        ]
        for error in spaceErrors {
            #expect(ErrorName.of(TreeError.errno(of: error)).hasPrefix("E"), "\(error)")
        }
        #expect(ErrorName.of(ESTALE) == "ESTALE")
        #expect(ErrorName.of(4095) == "error 4095")
    }

    @Test("The number of a node in a table is not one that is in use")
    func partNumbers() {
        var parts = PartNumbers()
        let first = parts.next { _ in false }
        for _ in 1..<NodeID.partCount { _ = parts.next { _ in false } }
        #expect(parts.next { $0 == first } != first)
    }

    @Test("The process of a thread is found, that of none is the thread itself")
    func processOfThread() {
        #expect(Caller.current.process == UInt32(getpid()))
        #expect(Caller(uid: 0, gid: 0, thread: 0).process == 0)
        onThreads(1) { _ in
            let path = try? FileManager.default.destinationOfSymbolicLink(
                atPath: "/proc/thread-self")
            let thread = path?.split(separator: "/").last.flatMap { UInt32($0) } ?? 0
            #expect(thread != UInt32(getpid()))
            #expect(Caller(uid: 0, gid: 0, thread: thread).process == UInt32(getpid()))
        }
    }
}
