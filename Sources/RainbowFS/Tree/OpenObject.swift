import Core
import Synchronization

/// An open field of an object, or its open memory.
///
/// It can be read and written at any time. To poll(2) it is new until it is read, and after each
/// commit that touched the object. Whether there was one, the versions of the object's lines say:
/// so nothing needs to be noted while nobody asks.
class OpenObject: OpenFile, @unchecked Sendable {
    let tree: Tree
    let object: Address
    private let memory: Range<Address>
    private let openedAt: UInt64
    /// The newest version at the time of the last read; 0 before the first.
    private let readAt = Atomic<UInt64>(0)

    init(_ tree: Tree, _ object: Address, _ descriptor: ClassDescriptor) {
        self.tree = tree
        self.object = object
        memory = descriptor.memory(of: object)
        openedAt = tree.space.version
    }

    /// Called before each read: what is committed by now, the read sees.
    final func noteRead() {
        readAt.store(tree.space.version, ordering: .relaxed)
    }

    override var watchedMemory: Range<Address>? {
        if case .present = tree.moment { memory } else { nil }
    }

    override func readiness() throws(TreeError) -> Readiness {
        guard case .present = tree.moment else { return [.readable, .writable] }
        let count = Int(memory.upperBound.rawValue - memory.lowerBound.rawValue)
        let version = try tree.transact { tx in
            try tx.version(of: memory.lowerBound, count: count)
        }
        let readAt = readAt.load(ordering: .relaxed)
        var result: Readiness = .writable
        if readAt == 0 || version > readAt { result.insert(.readable) }
        if version > max(readAt, openedAt) { result.insert(.urgent) }
        return result
    }
}
