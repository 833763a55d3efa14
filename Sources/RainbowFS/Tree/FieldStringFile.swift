import Glibc
import RainbowCore
import Synchronization

/// An open field of type `string`: it reads as its text and a line end, and is written in place.
/// What a write means, `StringEdit` says.
final class FieldStringFile: OpenField, @unchecked Sendable {
    private struct State {
        /// Whether the next write at the start replaces the whole text: the file was opened as `>`
        /// of a shell does, with O_TRUNC.
        var isReplaced = false
        /// The length of the text at which this file dropped a line end with its last write.
        var droppedAt: Int?
        /// Bytes of a character that the end of the last write cut off.
        var held: [UInt8] = []
        /// Where the last write ended.
        var end: UInt64 = 0
    }

    private let state = Mutex(State())

    override func truncate() throws(TreeError) {
        state.withLock { $0 = State(isReplaced: true) }
    }

    override func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer, isAppend: Bool)
        throws(TreeError) -> Int
    {
        guard bytes.count > 0 else { return 0 }
        try state.withLock { (state) throws(TreeError) in
            guard state.held.isEmpty || isAppend || offset == state.end else {
                state.held = []
                throw StringEdit.cut(field)
            }
            let written = unsafe state.held + bytes
            let first = offset - min(offset, UInt64(state.held.count))
            let replaces = state.isReplaced && (isAppend || first == 0)
            let edit = try store(
                written, at: isAppend ? .end(droppedAt: state.droppedAt) : .offset(first),
                replaces: replaces)
            state.held = Array(written.suffix(edit.heldCount))
            state.end = offset &+ UInt64(bytes.count)
            guard edit.heldCount < written.count else { return }
            state.droppedAt = edit.dropsLineEnd ? edit.length : nil
            if replaces { state.isReplaced = false }
        }
        forgetText()
        return bytes.count
    }

    private func store(
        _ written: [UInt8], at start: StringEdit.Start, replaces: Bool
    ) throws(TreeError) -> StringEdit {
        try tree.translating {
            try unsafe withUnsafeTemporaryAllocation(byteCount: field.byteCount, alignment: 8) {
                value in
                try tree.transact { tx in
                    if replaces {
                        unsafe value.initializeMemory(as: UInt8.self, repeating: 0)
                    } else {
                        unsafe try tx.readField(object, field, into: value)
                    }
                    let text = unsafe FieldText.string(UnsafeRawBufferPointer(value))
                    let edit = unsafe try StringEdit(written, at: start, in: text, of: field)
                    guard edit.heldCount < written.count else { return edit }
                    unsafe try store(edit, replaces: replaces, in: value, &tx)
                    return edit
                }
            }
        }
    }

    /// Of a text that keeps its length, only what was written changes; after a longer one, NUL up
    /// to the end of the field.
    private func store(
        _ edit: StringEdit, replaces: Bool, in value: UnsafeMutableRawBufferPointer,
        _ tx: inout Transaction
    ) throws {
        let end = edit.position + edit.bytes.count
        unsafe value[edit.position..<end].copyBytes(from: edit.bytes)
        if !edit.keepsLength {
            for index in edit.length..<field.byteCount { unsafe value[index] = 0 }
        }
        let isWhole = replaces || !edit.keepsLength
        let changed = (replaces ? 0 : edit.position)..<(isWhole ? field.byteCount : end)
        unsafe try tx.writeField(
            object, field, at: changed.lowerBound,
            from: UnsafeRawBufferPointer(rebasing: value[changed]))
    }

    /// A character may be cut off.
    override var wantsFlush: Bool { true }

    override var holdsBack: Bool { state.withLock { !$0.held.isEmpty } }

    /// Several processes may have the file open, and the rest of the character may still come.
    override func flush() throws(TreeError) {
        try state.withLock { (state) throws(TreeError) in
            guard state.held.isEmpty else { throw StringEdit.cut(field) }
        }
    }
}
