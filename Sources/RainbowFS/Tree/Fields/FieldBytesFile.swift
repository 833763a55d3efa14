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
final class FieldBytesFile: OpenBytes, @unchecked Sendable {
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

/// Open memory of an object, byte by byte: a field of type `bytes`, or all of it. Its size is that
/// of the class, so the kernel may also read it by the size that it remembers.
class OpenBytes: OpenObject, @unchecked Sendable {
    private let isSystem: Bool

    override init(_ view: View, _ object: Address, _ descriptor: ClassDescriptor) {
        isSystem = descriptor.isSystem
        super.init(view, object, descriptor)
    }

    /// Reads within a transaction; subclasses say what.
    func read(
        at offset: Int, into buffer: UnsafeMutableRawBufferPointer, _ tx: inout Transaction
    ) throws -> Int {
        throw TreeError(EBADF, "This file cannot be read.")
    }

    /// Writes within a transaction; subclasses say what.
    func write(at offset: Int, _ bytes: UnsafeRawBufferPointer, _ tx: inout Transaction) throws {
        throw TreeError(EBADF, "This file cannot be written.")
    }

    /// A write at this offset was committed.
    func noteWrite(at offset: Int) {}

    /// In a transaction the content also changes by a restart, of which nobody tells the kernel.
    final override var hasFixedSize: Bool { !view.source.isTransaction && !isSystem }

    /// The name of the file in the folder of the object.
    var name: String { ObjectDirectory.rawName }

    final override var path: String? { "objects/\(object)/\(name)" }

    final override func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer)
        throws(TreeError) -> Int
    {
        guard let offset = Int(exactly: offset) else { return 0 }
        noteRead()
        return try view.transact { tx in unsafe try read(at: offset, into: buffer, &tx) }
    }

    final override func write(
        at offset: UInt64, _ bytes: UnsafeRawBufferPointer, isAppend: Bool
    ) throws(TreeError) -> Int {
        guard !isAppend, let offset = Int(exactly: offset) else { throw OpenFile.fixedSize }
        try view.transact { tx in unsafe try write(at: offset, bytes, &tx) }
        noteWrite(at: offset)
        return bytes.count
    }

    /// Copies from another such file of the same view, in one transaction.
    fileprivate func copy(
        from source: OpenBytes, at start: Int, to offset: Int,
        through buffer: UnsafeMutableRawBufferPointer
    ) throws(TreeError) -> Int {
        source.noteRead()
        let count = try view.transact { tx in
            let count = unsafe try source.read(at: start, into: buffer, &tx)
            guard count > 0 else { return 0 }
            unsafe try write(at: offset, UnsafeRawBufferPointer(rebasing: buffer[..<count]), &tx)
            return count
        }
        if count > 0 { noteWrite(at: offset) }
        return count
    }
}

extension OpenFile {
    /// Does what copy_file_range(2) wants, as far as the buffer goes.
    ///
    /// - Returns: the bytes copied, 0 at the end of the source.
    /// - Throws: EINVAL for files whose size changes with what they show: of these the kernel would
    ///   copy as much as it remembers. Programs then read and write.
    static func copy(
        from source: OpenFile, at start: UInt64, to target: OpenFile, at offset: UInt64,
        through buffer: UnsafeMutableRawBufferPointer
    ) throws(TreeError) -> Int {
        guard source.hasFixedSize, target.hasFixedSize else { throw OpenFile.sizeChanges }
        if let source = source as? OpenBytes, let target = target as? OpenBytes,
            source.view === target.view
        {
            guard let start = Int(exactly: start), let offset = Int(exactly: offset) else {
                throw OpenFile.fixedSize
            }
            return unsafe try target.copy(from: source, at: start, to: offset, through: buffer)
        }
        let count = unsafe try source.read(at: start, into: buffer)
        guard count > 0 else { return 0 }
        let bytes = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<count])
        return unsafe try target.write(at: offset, bytes, isAppend: false)
    }

    /// For reads that the kernel cuts at the size that it remembers.
    static var sizeChanges: TreeError {
        TreeError(
            EINVAL,
            "The size of this file changes with what it shows: it is read with read(2), not by"
                + " sendfile, splice, copy_file_range or mmap.")
    }

    /// For writes past the end.
    static var fixedSize: TreeError {
        TreeError(
            EPERM,
            "Nothing can be appended: the size of an object and of its fields is that of the class."
        )
    }
}
