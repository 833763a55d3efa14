import Glibc
import RainbowCore
import Synchronization

/// An open field of type `bytes`: read and written in place.
final class FieldBytesFile: OpenBytes, @unchecked Sendable {
    private let field: Field
    /// Whether the next write at the start replaces the whole value: the file was opened as `>` of
    /// a shell does, with O_TRUNC.
    private let isReplaced = Atomic<Bool>(false)

    init(_ tree: Tree, _ place: FieldPlace) {
        field = place.field
        super.init(tree, place.object, place.descriptor)
    }

    override var name: String { field.name }

    override func truncate() throws(TreeError) {
        isReplaced.store(true, ordering: .relaxed)
    }

    override func read(
        at offset: Int, into buffer: UnsafeMutableRawBufferPointer, _ tx: inout Transaction
    ) throws -> Int {
        guard offset < field.byteCount else { return 0 }
        let count = min(buffer.count, field.byteCount - offset)
        let part = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
        unsafe try tx.readField(object, field, at: offset, into: part)
        return count
    }

    override func write(
        at offset: Int, _ bytes: UnsafeRawBufferPointer, _ tx: inout Transaction
    ) throws {
        guard offset == 0, isReplaced.load(ordering: .relaxed) else {
            return unsafe try tx.writeField(object, field, at: offset, from: bytes)
        }
        // The whole value; NUL after it.
        try unsafe withUnsafeTemporaryAllocation(byteCount: field.byteCount, alignment: 8) {
            value in
            _ = unsafe try FieldContent.parse(bytes, field, into: value)
            unsafe try tx.writeField(object, field, at: 0, from: UnsafeRawBufferPointer(value))
        }
    }

    override func noteWrite(at offset: Int) {
        if offset == 0 { isReplaced.store(false, ordering: .relaxed) }
    }
}
