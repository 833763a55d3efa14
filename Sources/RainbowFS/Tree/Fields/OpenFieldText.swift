import Glibc
import RainbowCore
import Synchronization

/// An open field that is shown as text: numbers and truth values, one a line.
///
/// A write sets one value. Of an array it sets as many elements as it has values, from the first; a
/// write that goes on where the last one ended sets those that follow, because bash writes line by
/// line and cp writes long files in pieces.
final class OpenFieldText: OpenField, @unchecked Sendable {
    private struct State {
        /// Where the next write has to begin to go on with an array.
        var end: UInt64 = 0
        /// Elements that are set and whose text is complete.
        var done = 0
        /// Text after them: a number that may go on in the next write.
        var tail: [UInt8] = []
        /// Whether the tail is not set yet.
        var holdsTail = false
    }

    private let state = Mutex(State())
    /// A write of at least this many bytes may be a piece that was cut inside of a number.
    private static let pieceBytes = 4096

    override func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer, isAppend: Bool)
        throws(TreeError) -> Int
    {
        if field.arrayCount == nil {
            unsafe try writeValue(bytes)
        } else {
            guard !isAppend else { throw OpenFile.fixedSize }
            try state.withLock { (state) throws(TreeError) in
                unsafe try writeElements(bytes, at: offset, &state)
            }
        }
        return bytes.count
    }

    /// A field with one value is set by each write.
    override var wantsFlush: Bool { field.arrayCount != nil }

    override var holdsBack: Bool { state.withLock { $0.holdsTail } }

    /// A number that was cut off by the end of a write and not continued is complete now.
    override func flush() throws(TreeError) {
        try state.withLock { (state) throws(TreeError) in
            guard state.holdsTail else { return }
            try store(state.tail, mayBeCut: false, &state)
        }
    }

    private func writeValue(_ text: UnsafeRawBufferPointer) throws(TreeError) {
        var value: UInt64 = 0
        try TreeError.translating {
            try unsafe withUnsafeMutableBytes(of: &value) { value in
                let value = unsafe UnsafeMutableRawBufferPointer(
                    rebasing: value[..<field.byteCount])
                unsafe try FieldText.parse(text, for: field, into: value)
                try view.transact { tx in
                    unsafe try tx.writeField(
                        object, field, at: 0, from: UnsafeRawBufferPointer(value))
                }
            }
        }
    }

    private func writeElements(
        _ bytes: UnsafeRawBufferPointer, at offset: UInt64, _ state: inout State
    ) throws(TreeError) {
        if offset == 0 {
            (state.end, state.done, state.holdsTail) = (0, 0, false)
            state.tail.removeAll(keepingCapacity: true)
        }
        guard offset == state.end else {
            throw TreeError(
                EINVAL,
                "The values of \(field.name) are written from the first on, each write going on"
                    + " where the one before it ended.")
        }
        let text = unsafe state.tail + bytes
        try store(text, mayBeCut: bytes.count >= OpenFieldText.pieceBytes, &state)
        state.end = offset + UInt64(bytes.count)
    }

    /// Sets the elements from `done` on.
    private func store(_ text: [UInt8], mayBeCut: Bool, _ state: inout State) throws(TreeError) {
        let wordStart = text.lastIndex(where: FieldWords.isBlank).map { $0 + 1 } ?? 0
        let holdsTail = mayBeCut && wordStart < text.count
        let count = try storeWords(holdsTail ? text[..<wordStart] : text[...], from: state.done)
        let isTailStored = wordStart < text.count && !holdsTail
        state.done += isTailStored ? count - 1 : count
        state.tail = Array(text[wordStart...])
        state.holdsTail = holdsTail
    }

    /// - Returns: the number of values in the text, all of which are set.
    private func storeWords(_ text: ArraySlice<UInt8>, from first: Int) throws(TreeError) -> Int {
        let size = field.type.elementSize
        return try TreeError.translating {
            try unsafe withUnsafeTemporaryAllocation(byteCount: field.byteCount, alignment: 8) {
                value in
                let count = try unsafe text.withUnsafeBytes { text in
                    unsafe try FieldContent.parseElements(text, field, from: first, into: value)
                }
                try view.transact { tx in
                    unsafe try tx.writeField(
                        object, field, at: first * size,
                        from: UnsafeRawBufferPointer(rebasing: value[..<(count * size)]))
                }
                return count
            }
        }
    }
}

/// An open field that reads as text, whose length changes with the value.
///
/// A read at the start makes the text; reads further on continue that text, so that a reader in
/// pieces sees one version.
class OpenField: OpenObject, @unchecked Sendable {
    private struct State {
        /// What reads continue.
        var text: [UInt8] = []
        var hasText = false
    }

    final let field: FieldDescriptor
    private let state = Mutex(State())

    init(_ view: View, _ location: FieldLocation) {
        field = location.field
        super.init(view, location.object, location.descriptor)
    }

    /// Appends the field's text.
    static func format(
        _ object: Address, _ field: FieldDescriptor, into text: inout [UInt8],
        _ tx: inout Transaction
    ) throws {
        try unsafe withUnsafeTemporaryAllocation(byteCount: field.byteCount, alignment: 8) {
            value in
            unsafe try tx.readField(object, field, into: value)
            unsafe FieldText.format(UnsafeRawBufferPointer(value), field, into: &text)
        }
    }

    final override func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer)
        throws(TreeError) -> Int
    {
        try state.withLock { (state) throws(TreeError) in
            if offset == 0 || !state.hasText { try refresh(&state) }
            return unsafe state.text.copy(from: offset, into: buffer)
        }
    }

    private func refresh(_ state: inout State) throws(TreeError) {
        noteRead()
        var text = state.text
        state.text = []
        state.hasText = false
        try view.transact { tx in
            text.removeAll(keepingCapacity: true)
            try OpenField.format(object, field, into: &text, &tx)
        }
        state.text = text
        state.hasText = true
    }

    /// Lets the next read see what was written through this file, wherever it begins.
    final func forgetText() {
        state.withLock { $0.hasText = false }
    }
}
