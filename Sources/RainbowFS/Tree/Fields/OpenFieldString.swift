import Glibc
import RainbowCore
import Synchronization

/// An open field of type `string`: it reads as its text and a line end, and is written in place.
/// What a write means, `StringEdit` says.
final class OpenFieldString: OpenField, @unchecked Sendable {
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
        try TreeError.translating {
            try unsafe withUnsafeTemporaryAllocation(byteCount: field.byteCount, alignment: 8) {
                value in
                try view.transact { tx in
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

/// What a write to the file of a `string` makes of the field's text.
///
/// The file shows the text and a line end. A write that ends in a line end at or past the end of
/// the text means that one, and it is dropped; a write that goes on after it makes it a part of the
/// text. A character that the end of a write cut off is held back for the next write.
struct StringEdit {
    /// Where in the file the write begins.
    enum Start {
        case offset(UInt64)
        /// At the end of the text, after a line end that was dropped at this length of the text.
        case end(droppedAt: Int?)
    }

    static let lineEnd = UInt8(ascii: "\n")

    /// Where the text changes, in bytes.
    private(set) var position = 0
    /// What stands there now.
    private(set) var bytes: [UInt8]
    /// Bytes of the text afterwards.
    private(set) var length: Int
    /// Whether `bytes` lies within the text as it was, and nothing else changes.
    private(set) var keepsLength = false
    /// Whether the line end of the write was dropped: it would stand at `length`.
    private(set) var dropsLineEnd = false
    /// Bytes at the end of the write that begin a character.
    private(set) var heldCount = 0

    /// - Parameters:
    ///   - text: that of the field.
    ///   - written: at least one byte.
    /// - Throws: EPERM for a write that would leave a gap, ERANGE if the text becomes too long,
    ///   EINVAL if it would not be one.
    init(
        _ written: [UInt8], at start: Start, in text: UnsafeRawBufferPointer,
        of field: FieldDescriptor
    ) throws(TreeError) {
        bytes = written
        length = text.count
        switch start {
        case .offset(let offset):
            guard let location = Int(exactly: offset), location <= text.count + 1 else {
                throw StringEdit.gap(field)
            }
            position = location
        case .end(let droppedAt):
            position = text.count + (droppedAt == text.count ? 1 : 0)
        }
        if position > text.count {
            position = text.count
            bytes.insert(StringEdit.lineEnd, at: 0)
        }
        let end = position + bytes.count
        if bytes.last == StringEdit.lineEnd, end > text.count {
            bytes.removeLast()
            dropsLineEnd = true
        }
        if unsafe try !isText(within: text, field) {
            heldCount = StringEdit.cutCount(bytes)
            guard heldCount > 0, !dropsLineEnd else { throw StringEdit.invalid(field) }
            bytes.removeLast(heldCount)
            // All of it waits: then nothing changes, not even the line end before it.
            if heldCount == written.count { bytes = [] }
            guard unsafe try isText(within: text, field) else { throw StringEdit.invalid(field) }
        }
    }

    /// Whether the text with this change is one, and what that makes of its length.
    private mutating func isText(
        within text: UnsafeRawBufferPointer, _ field: FieldDescriptor
    ) throws(TreeError) -> Bool {
        let end = position + bytes.count
        keepsLength = end <= text.count
        length = max(end, text.count)
        guard length <= field.byteCount else {
            throw TreeError(
                ERANGE,
                "\(field.name) holds \(field.byteCount) bytes, the text would have \(length).")
        }
        let rest = unsafe text[min(end, text.count)...]
        let whole = unsafe Array(text[..<position]) + bytes + rest
        return !whole.contains(0) && String(validating: whole, as: UTF8.self) != nil
    }

    /// How many bytes at the end begin a character that more bytes could complete.
    private static func cutCount(_ bytes: [UInt8]) -> Int {
        for count in 1...3 where count <= bytes.count {
            let lead = bytes[bytes.count - count]
            guard lead & 0xc0 != 0x80 else { continue }
            let isCut =
                switch lead {
                case 0xc2...0xdf: count < 2
                case 0xe0...0xef: count < 3
                case 0xf0...0xf4: count < 4
                default: false
                }
            let second = count > 1 ? bytes[bytes.count - count + 1] : nil
            return isCut && (second.map { mayFollow(lead, $0) } ?? true) ? count : 0
        }
        return 0
    }

    /// The second byte tells the spellings that are too long, halves of UTF-16 and what is no
    /// character.
    private static func mayFollow(_ lead: UInt8, _ second: UInt8) -> Bool {
        switch lead {
        case 0xe0: second >= 0xa0
        case 0xed: second < 0xa0
        case 0xf0: second >= 0x90
        case 0xf4: second < 0x90
        default: true
        }
    }

    private static func gap(_ field: FieldDescriptor) -> TreeError {
        TreeError(
            EPERM,
            "\(field.name) is a text; a write begins within it or at its end, as >> does.")
    }

    private static func invalid(_ field: FieldDescriptor) -> TreeError {
        TreeError(
            EINVAL,
            "\(field.name) is a string: UTF-8 text without NUL, which this write would not leave.")
    }

    static func cut(_ field: FieldDescriptor) -> TreeError {
        TreeError(
            EINVAL,
            "The last write to \(field.name) ended within a character of UTF-8, and the rest of it"
                + " did not come; its bytes are not in the field.")
    }
}
