import Glibc
import RainbowCore
import Synchronization

/// The content of a whole file as the value of a field: what one write at the start of a file that
/// was opened with O_TRUNC means. A string is shown with a line end, which is none of its text.
enum FieldContent {
    /// - Parameter value: what is filled from its start; `field.byteCount` bytes.
    /// - Returns: the bytes of the field that the content sets; of an array, those of the first
    ///   elements.
    static func parse(
        _ content: UnsafeRawBufferPointer, _ field: FieldDescriptor,
        into value: UnsafeMutableRawBufferPointer
    ) throws -> Int {
        if field.arrayCount != nil, !field.isRaw {
            let count = unsafe try parseElements(content, field, from: 0, into: value)
            return count * field.type.elementSize
        }
        var length = content.count
        if field.type == .string, unsafe content.last == StringEdit.lineEnd { length -= 1 }
        let text = unsafe UnsafeRawBufferPointer(rebasing: content[..<length])
        unsafe try FieldText.parse(text, for: field, into: value)
        return field.byteCount
    }

    /// - Parameter first: the element that the first value is for.
    /// - Returns: the number of values.
    static func parseElements(
        _ text: UnsafeRawBufferPointer, _ field: FieldDescriptor, from first: Int,
        into value: UnsafeMutableRawBufferPointer
    ) throws -> Int {
        let count = unsafe try FieldText.parsePrefix(text, for: field, into: value)
        guard count > 0 || first > 0 else {
            throw TreeError(EINVAL, "\(field.name) takes values; the text has none.")
        }
        guard first + count <= field.count else {
            throw TreeError(
                EINVAL, "\(field.name) takes \(field.count) values; the text has more.")
        }
        return count
    }

    /// Sets the field in this transaction.
    static func store(
        _ content: [UInt8], _ object: Address, _ field: FieldDescriptor, _ tx: inout Transaction
    ) throws {
        try unsafe withUnsafeTemporaryAllocation(byteCount: field.byteCount, alignment: 8) {
            value in
            let count = try unsafe content.withUnsafeBytes { content in
                unsafe try parse(content, field, into: value)
            }
            unsafe try tx.writeField(
                object, field, at: 0,
                from: UnsafeRawBufferPointer(rebasing: value[..<count]))
        }
    }
}

/// An open field of type `bytes`: read and written in place.
final class OpenFieldBytes: OpenBytes, @unchecked Sendable {
    private let field: FieldDescriptor
    /// Whether the next write at the start replaces the whole value: the file was opened as `>` of
    /// a shell does, with O_TRUNC.
    private let isReplaced = Atomic<Bool>(false)

    init(_ view: View, _ location: FieldLocation) {
        field = location.field
        super.init(view, location.object, location.descriptor)
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
