import Glibc
import RainbowCore

/// `regions/NAME/ALLOCATOR/0x....Class`: an object's memory, byte by byte.
struct ObjectFile: Node {
    let tree: Tree
    let id: NodeID

    func describe(_ tx: inout Transaction) throws -> Description {
        let state = try ObjectState(id.address, &tx)
        return state.file(tree, id, size: state.descriptor.size)
    }

    func describedObject(_ tx: inout Transaction) throws -> ObjectInfo? {
        ObjectInfo(address: id.address, descriptor: try tx.descriptor(of: id.address))
    }

    func change(_ change: AttributeChange, _ tx: inout Transaction) throws {
        try refuseChange(change, describe(&tx), ObjectState.ownershipRefusal)
    }

    func checkWritable(_ tx: inout Transaction) throws {
        if try tx.descriptor(of: id.address).isSystem { throw FieldNode.systemRefusal }
    }

    func open(_ request: OpenRequest) throws -> OpenFile {
        let address = id.address
        let descriptor = try tree.transact { tx in try tx.descriptor(of: address) }
        if request.writes && descriptor.isSystem { throw FieldNode.systemRefusal }
        return ObjectBytesFile(tree, address, descriptor)
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
