import Core
import Glibc
import Synchronization

/// The open text of a class.
///
/// Each write defines the class anew with the whole text so far, because a shell writes line by
/// line. A write that fails takes back what this file had defined: no half of a new class stays.
final class ClassDefinitionFile: OpenFile, @unchecked Sendable {
    private struct State {
        var text: [UInt8]
        /// Whether the last line is not in the class yet: the end of a write may have cut it.
        var holdsLine = false
        /// Whether a class of this name came into being through this file.
        var isMade = false
    }

    private let tree: Tree
    private let name: String
    /// The number of the new file; nil if the class was there.
    private let pending: NodeID?
    private let state: Mutex<State>
    /// A write of at least this many bytes may be a piece of a longer text.
    private static let pieceBytes = 4096

    init(_ tree: Tree, name: String, text: [UInt8], pending: NodeID?) {
        self.tree = tree
        self.name = name
        self.pending = pending
        state = Mutex(State(text: text))
    }

    override func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer)
        throws(TreeError) -> Int
    {
        state.withLock { unsafe $0.text.copy(from: offset, into: buffer) }
    }

    override func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer, isAppend: Bool)
        throws(TreeError) -> Int
    {
        try state.withLock { (state) throws(TreeError) in
            let start = isAppend ? UInt64(state.text.count) : offset
            guard start <= UInt64(state.text.count) else {
                throw TreeError(
                    EINVAL,
                    "The text of a class is written from its first line on; what came before this"
                        + " was refused or is missing.")
            }
            let end = start + UInt64(bytes.count)
            guard end <= UInt64(ObjectLimits.classTextBytes) else {
                throw TreeError(
                    EFBIG, "The text of a class has at most \(ObjectLimits.classTextBytes) bytes.")
            }
            var text = state.text
            let replaced = Int(start)..<min(text.count, Int(end))
            unsafe text.replaceSubrange(replaced, with: bytes)
            let mayBeCut = bytes.count >= ClassDefinitionFile.pieceBytes
            try define(text, mayBeCut: mayBeCut, &state)
        }
        return bytes.count
    }

    private func define(
        _ text: [UInt8], mayBeCut: Bool, _ state: inout State
    ) throws(TreeError) {
        let lineEnd = UInt8(ascii: "\n")
        let holdsLine = mayBeCut && text.last != lineEnd
        let length = holdsLine ? (text.lastIndex(of: lineEnd) ?? -1) + 1 : text.count
        do throws(TreeError) {
            try tree.transact { tx in
                try unsafe text[..<length].withUnsafeBytes { text in
                    _ = unsafe try tx.defineClass(name: name, text: text)
                }
            }
        } catch {
            takeBack(&state)
            throw error
        }
        state.text = text
        state.holdsLine = holdsLine
        if pending != nil { state.isMade = true }
    }

    /// Removes the class that this file made. Someone may have used it already: then it stays.
    private func takeBack(_ state: inout State) {
        guard state.isMade else { return }
        try? tree.transact { tx in try tx.removeClass(name: name) }
        state.isMade = false
        state.text = []
    }

    override var wantsFlush: Bool { true }

    /// A new file that was closed without a text is a class without fields.
    override func flush() throws(TreeError) {
        try state.withLock { (state) throws(TreeError) in
            let isEmptyClass = pending != nil && !state.isMade && state.text.isEmpty
            guard isEmptyClass || state.holdsLine else { return }
            try define(state.text, mayBeCut: false, &state)
        }
    }

    override func close() {
        if let pending { tree.pendingClasses.remove(pending) }
    }
}
