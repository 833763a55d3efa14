import Glibc
import RainbowCore
import Synchronization

/// `regions/NAME/ALLOCATOR/0x....Class`: an object's memory, byte by byte.
struct ObjectFile: Node {
    let view: View
    let id: NodeID

    func describe(_ tx: inout Transaction) throws -> Description {
        let state = try ObjectState(id.address, &tx)
        return state.file(view, id, size: state.descriptor.size)
    }

    func describedObject(_ tx: inout Transaction) throws -> ObjectInfo? {
        ObjectInfo(address: id.address, descriptor: try tx.descriptor(of: id.address))
    }

    func change(_ change: AttributeChange, _ tx: inout Transaction) throws {
        try refuseChange(change, describe(&tx), ObjectState.ownershipRefusal)
    }

    func checkWritable(_ tx: inout Transaction) throws {
        if try tx.descriptor(of: id.address).isSystem { throw FieldRefusal.system }
    }

    func open(_ request: OpenRequest, _ tx: inout Transaction) throws -> OpenFile? {
        let descriptor = try tx.descriptor(of: id.address)
        if request.writes && descriptor.isSystem { throw FieldRefusal.system }
        return ObjectBytesFile(view, id.address, descriptor)
    }

    func extendedAttributes(_ tx: inout Transaction) throws -> [(name: String, value: String)] {
        try ObjectState(id.address, &tx).extendedAttributes(&tx)
    }
}

/// The open memory of an object.
final class ObjectBytesFile: OpenBytes, @unchecked Sendable {
    override func read(
        at offset: Int, into buffer: UnsafeMutableRawBufferPointer, _ tx: inout Transaction
    ) throws -> Int {
        unsafe try tx.readRaw(object, at: offset, into: buffer)
    }

    override func write(
        at offset: Int, _ bytes: UnsafeRawBufferPointer, _ tx: inout Transaction
    ) throws {
        unsafe try tx.writeRaw(object, at: offset, from: bytes)
    }
}

/// An open field of an object, or its open memory.
///
/// It can be read and written at any time; poll(2) tells besides whether a commit touched the
/// object since the last read, or the opening. Whether there was one, the versions of the object's
/// lines say: so nothing needs to be noted while nobody asks.
class OpenObject: OpenFile, @unchecked Sendable {
    let view: View
    let object: Address
    private let memory: Range<Address>
    /// The newest version at the time of the last read, or of the opening.
    private let seen: Atomic<UInt64>

    init(_ view: View, _ object: Address, _ descriptor: ClassDescriptor) {
        self.view = view
        self.object = object
        memory = descriptor.memory(of: object)
        seen = Atomic(view.space.version)
    }

    /// Called before each read: what is committed by now, the read sees.
    final func noteRead() {
        seen.store(view.space.version, ordering: .relaxed)
    }

    override var watchedMemory: Range<Address>? {
        if case .present = view.source { memory } else { nil }
    }

    override func readiness() throws(TreeError) -> Readiness {
        guard case .present = view.source else { return [.readable, .writable] }
        let count = Int(memory.upperBound.rawValue - memory.lowerBound.rawValue)
        let version = try view.transact { tx in
            try tx.version(of: memory.lowerBound, count: count)
        }
        let isNew = version > seen.load(ordering: .relaxed)
        return isNew ? [.readable, .writable, .urgent] : [.readable, .writable]
    }
}
