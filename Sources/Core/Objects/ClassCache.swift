import Synchronization

/// The descriptors that this process has made, for all spaces, so that an access loads no more of
/// a class than its revision.
///
/// A revision is a random number drawn for each definition, so a descriptor stays right for its
/// key even if the transaction that read the definition is thrown away.
final class ClassCache: Sendable {
    static let shared = ClassCache()

    private struct Key: Hashable {
        var address: Address
        var revision: UInt64
    }

    /// Classes come by the dozen; past this many the cache starts anew and stays small.
    private static let countMax = 4096

    private let descriptors = Mutex<[Key: ClassDescriptor]>([:])

    func descriptor(at address: Address, revision: UInt64) -> ClassDescriptor? {
        descriptors.withLock { $0[Key(address: address, revision: revision)] }
    }

    func insert(_ descriptor: ClassDescriptor) {
        descriptors.withLock { descriptors in
            if descriptors.count >= ClassCache.countMax { descriptors.removeAll() }
            let key = Key(address: descriptor.address, revision: descriptor.revision)
            descriptors[key] = descriptor
        }
    }
}
