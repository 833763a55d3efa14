import RainbowCore
import Synchronization

/// An open field of an object, or its open memory.
///
/// It can be read and written at any time; poll(2) tells besides whether a commit touched the
/// object since the last read, or the opening. Whether there was one, the versions of the object's
/// lines say: so nothing needs to be noted while nobody asks.
class OpenObject: OpenFile, @unchecked Sendable {
    let tree: Tree
    let object: Address
    private let memory: Range<Address>
    /// The newest version at the time of the last read, or of the opening.
    private let seen: Atomic<UInt64>

    init(_ tree: Tree, _ object: Address, _ descriptor: ClassDescriptor) {
        self.tree = tree
        self.object = object
        memory = descriptor.memory(of: object)
        seen = Atomic(tree.space.version)
    }

    /// Called before each read: what is committed by now, the read sees.
    final func noteRead() {
        seen.store(tree.space.version, ordering: .relaxed)
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
        let isNew = version > seen.load(ordering: .relaxed)
        return isNew ? [.readable, .writable, .urgent] : [.readable, .writable]
    }
}
