import Glibc
import RainbowCore
import Synchronization

/// An open field that reads as text, whose length changes with the value.
///
/// A read at the start makes the text; reads further on continue that text, so that a reader in
/// pieces sees one moment.
class OpenField: OpenObject, @unchecked Sendable {
    private struct State {
        /// What reads continue.
        var text: [UInt8] = []
        var hasText = false
    }

    final let field: Field
    private let state = Mutex(State())

    init(_ tree: Tree, _ place: FieldPlace) {
        field = place.field
        super.init(tree, place.object, place.descriptor)
    }

    /// Appends the field's text.
    static func format(
        _ object: Address, _ field: Field, into text: inout [UInt8], _ tx: inout Transaction
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
        try tree.transact { tx in
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
