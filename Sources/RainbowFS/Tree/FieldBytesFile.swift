import Core
import Glibc
import Synchronization

/// An open field of type `bytes`: read and written in place.
final class FieldBytesFile: OpenObject, @unchecked Sendable {
    private let field: Field
    /// Whether the next write at the start replaces the whole value: the file was opened as `>` of
    /// a shell does, with O_TRUNC.
    private let isReplaced: Atomic<Bool>

    init(_ tree: Tree, _ place: FieldPlace, isReplaced: Bool) {
        field = place.field
        self.isReplaced = Atomic(isReplaced)
        super.init(tree, place.object, place.descriptor)
    }

    override func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer)
        throws(TreeError) -> Int
    {
        noteRead()
        guard offset < UInt64(field.byteCount) else { return 0 }
        let start = Int(offset)
        let count = min(buffer.count, field.byteCount - start)
        let part = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
        try tree.transact { tx in unsafe try tx.readField(object, field, at: start, into: part) }
        return count
    }

    override func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer, isAppend: Bool)
        throws(TreeError) -> Int
    {
        guard !isAppend, let start = Int(exactly: offset) else { throw OpenFile.fixedSize }
        if start == 0, isReplaced.load(ordering: .relaxed) {
            unsafe try replace(bytes)
        } else {
            try tree.transact { tx in
                unsafe try tx.writeField(object, field, at: start, from: bytes)
            }
        }
        return bytes.count
    }

    /// Writes the whole value; NUL after it.
    private func replace(_ bytes: UnsafeRawBufferPointer) throws(TreeError) {
        try tree.translating {
            try unsafe withUnsafeTemporaryAllocation(byteCount: field.byteCount, alignment: 8) {
                value in
                _ = unsafe try FieldContent.parse(bytes, field, into: value)
                try tree.transact { tx in
                    unsafe try tx.writeField(
                        object, field, at: 0, from: UnsafeRawBufferPointer(value))
                }
            }
        }
        isReplaced.store(false, ordering: .relaxed)
    }
}
