import Glibc
import RainbowCore
import Synchronization

/// The open text of a class.
///
/// A shell writes line by line, and nobody is to see half of a class. So each write is only
/// checked, with the text so far, and the class comes into being when the writer closes a
/// descriptor or calls fsync(2). What can never become a class fails at the write, since shells
/// ignore what close(2) says. Of a text of which a part was refused nothing stays.
final class OpenClassText: OpenFile, @unchecked Sendable {
    private struct State {
        var text: [UInt8]
        /// Whether the class lacks a part of the text.
        var isDirty = false
        /// Whether a part was refused: what follows would make another class than was written.
        var isRefused = false
        /// Whether a class of this name came into being through this file.
        var isMade = false
    }

    private let view: View
    private let name: String
    /// The number of the new file; nil if the class was there.
    private let pending: NodeID?
    private let state: Mutex<State>

    init(_ view: View, name: String, text: [UInt8], pending: NodeID?) {
        self.view = view
        self.name = name
        self.pending = pending
        state = Mutex(State(text: text))
    }

    override func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer)
        throws(TreeError) -> Int
    {
        state.withLock { unsafe $0.text.copy(from: offset, into: buffer) }
    }

    /// The class stays as it is until the next write.
    override func truncate() throws(TreeError) {
        state.withLock { state in
            state.text = []
            state.isRefused = false
        }
    }

    override func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer, isAppend: Bool)
        throws(TreeError) -> Int
    {
        try state.withLock { (state) throws(TreeError) in
            let start = isAppend ? UInt64(state.text.count) : offset
            guard !state.isRefused, start <= UInt64(state.text.count) else {
                throw TreeError(
                    EINVAL,
                    "The text of a class is written from its first line on; what came before this"
                        + " was refused or is missing. Open the file again and write all of it.")
            }
            if let pending { view.pendingClasses.noteSize(Int(clamping: start), of: pending) }
            do throws(TreeError) {
                let end = start + UInt64(bytes.count)
                guard end <= UInt64(ObjectLimits.classTextBytes) else {
                    throw TreeError(
                        EFBIG,
                        "The text of a class has at most \(ObjectLimits.classTextBytes) bytes.")
                }
                var text = state.text
                let replaced = Int(start)..<min(text.count, Int(end))
                unsafe text.replaceSubrange(replaced, with: bytes)
                try check(text)
                state.text = text
                state.isDirty = true
                if let pending { view.pendingClasses.noteSize(text.count, of: pending) }
            } catch {
                noteFailure(error, &state)
                throw error
            }
        }
        return bytes.count
    }

    /// Whether the text is that of a class, or can become one by what is written next.
    private func check(_ text: [UInt8]) throws(TreeError) {
        if refusal(of: text) == nil { return }
        // It may refer to a class that is about to come.
        view.pendingClasses.settle()
        do throws(TreeError) {
            try checkWhole(text)
        } catch {
            let end = (text.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1
            guard end < text.count else { throw error }
            for line in ClassText.completions(of: text[end...]) {
                let refusal = refusal(of: text[..<end] + Array(line.utf8))
                guard let refusal else { return }
                if refusal.wait != nil { throw refusal }
            }
            throw error
        }
    }

    private func refusal(of text: some Sequence<UInt8>) -> TreeError? {
        do throws(TreeError) {
            try checkWhole(text)
            return nil
        } catch {
            return error
        }
    }

    private func checkWhole(_ text: some Sequence<UInt8>) throws(TreeError) {
        try view.transact { tx in
            try tx.checkClass(name: name, OpenClassText.declaration(Array(text)))
        }
    }

    /// What the text declares. The directory of an object has entries beside its fields.
    private static func declaration(_ text: [UInt8]) throws -> ClassDeclaration {
        let declaration = try unsafe text.withUnsafeBytes { try unsafe ClassText.parse($0) }
        let entries = [ObjectDirectory.className, ObjectDirectory.rawName]
        guard !declaration.fields.contains(where: { entries.contains($0.name) }) else {
            throw TreeError(
                EINVAL, "class and raw are entries of every object; choose another field name.")
        }
        return declaration
    }

    /// A failure that has to do with the text ends the definition and takes back what there is of
    /// it. Somebody may have used the class already: then it stays.
    private func noteFailure(_ error: TreeError, _ state: inout State) {
        guard error.wait == nil else { return }
        switch error.errno {
        case EINTR, EAGAIN, ENOMEM, ENOSPC, ECANCELED: return
        default: break
        }
        if state.isMade { try? view.transact { tx in try tx.removeClass(name: name) } }
        state = State(text: [], isRefused: true)
        if let pending { view.pendingClasses.noteSize(0, of: pending) }
    }

    // MARK: Closing

    override var wantsFlush: Bool { true }

    override var holdsBack: Bool { state.withLock { $0.isDirty } }

    override func flush() throws(TreeError) {
        try state.withLock { (state) throws(TreeError) in
            if state.isDirty { try define(&state) }
        }
    }

    override var hasWorkAtEnd: Bool {
        state.withLock { $0.isDirty || pending != nil && !$0.isMade && !$0.isRefused }
    }

    /// A new file that was closed without a text is a class without fields, if there is none.
    override func finish() throws(TreeError) {
        guard hasWorkAtEnd else { return }
        try state.withLock { (state) throws(TreeError) in try define(&state) }
    }

    private func define(_ state: inout State) throws(TreeError) {
        do throws(TreeError) {
            try view.transact { tx in
                if !state.isDirty, try optional({ try tx.classDescriptor(named: name) }) != nil {
                    return
                }
                try tx.defineClass(name: name, OpenClassText.declaration(state.text))
            }
        } catch {
            noteFailure(error, &state)
            throw error
        }
        state.isDirty = false
        if pending != nil { state.isMade = true }
    }

    override func noteOtherFlush() {
        if let pending { view.pendingClasses.noteClosing(pending) }
    }

    override func close() {
        if let pending { view.pendingClasses.remove(pending) }
    }
}

/// Class files that were created and are still open: they may have no class yet.
final class PendingClasses: Sendable {
    private struct File {
        var name: String
        /// Of the text so far.
        var size = 0
        /// Whether a descriptor was closed before anything was written: then the kernel may be
        /// about to say that it was the last one, and there is a class without fields.
        var isClosing = false
    }

    private struct State {
        var files: [NodeID: File] = [:]
        var parts = PartNumbers()
    }

    private let state = Mutex(State())
    static let countMax = 4096
    private static let settlingMilliseconds = 100

    /// - Throws: ENFILE if too many are open.
    func add(_ name: String) throws(TreeError) -> NodeID {
        let id: NodeID? = state.withLock { state in
            guard state.files.count < PendingClasses.countMax else { return nil }
            let files = state.files
            let part = state.parts.next { files[NodeID(.pendingClass, part: $0)] != nil }
            let id = NodeID(.pendingClass, part: part)
            state.files[id] = File(name: name)
            return id
        }
        guard let id else {
            throw TreeError(ENFILE, "Too many new class files are open at once. Close some.")
        }
        return id
    }

    func find(_ id: NodeID) -> (name: String, size: Int)? {
        state.withLock { state in state.files[id].map { ($0.name, $0.size) } }
    }

    func noteSize(_ size: Int, of id: NodeID) {
        state.withLock { state in
            state.files[id]?.size = size
            state.files[id]?.isClosing = false
        }
    }

    func noteClosing(_ id: NodeID) {
        state.withLock { state in
            if state.files[id]?.size == 0 { state.files[id]?.isClosing = true }
        }
    }

    func remove(_ id: NodeID) {
        state.withLock { _ = $0.files.removeValue(forKey: id) }
    }

    /// Waits a little for classes whose files were closed without a text: `touch` ends before the
    /// kernel tells of its last close, and the next command of a script relies on the class.
    ///
    /// - Parameter name: of the class; nil: all.
    func settle(_ name: String? = nil) {
        for _ in 0..<PendingClasses.settlingMilliseconds {
            guard isClosing(name) else { return }
            usleep(1000)
        }
        // A shell that holds the file open: nobody waits for it again.
        state.withLock { state in
            for id in state.files.keys where name == nil || state.files[id]?.name == name {
                state.files[id]?.isClosing = false
            }
        }
    }

    private func isClosing(_ name: String?) -> Bool {
        state.withLock { state in
            !state.files.isEmpty
                && state.files.values.contains { $0.isClosing && (name == nil || $0.name == name) }
        }
    }
}

/// Class text that comes in pieces, cut anywhere.
extension ClassText {
    /// What the last line of a text could become once the rest of it is there: lines to try in its
    /// place, one for each kind of cut. If none of them makes a class, nothing that follows will.
    ///
    /// - Parameter line: without a line end.
    static func completions(of line: some Sequence<UInt8>) -> [String] {
        guard let line = withoutCutCharacter(Array(line)) else { return [] }
        let cuts = ["", name, "[1]", "1]", "]", " \(name)", " \(name)[1]", "\(name)[1]"]
        var lines = cuts.map { line + $0 }
        let words = line.split { " \t\r".contains($0) }
        let type = words.last ?? ""
        if words.count <= 1, type.isEmpty || isIdentifier(type) {
            for word in typeWords where word.hasPrefix(type) {
                lines += ["\(word) \(name)", "\(word) \(name)[1]", word]
            }
        }
        // A class name that is not complete need not be there.
        if let bracket = line.firstIndex(of: "<"), !line.contains(">") {
            let target = line[line.index(after: bracket)...].drop { " \t".contains($0) }
            if target.isEmpty || isIdentifier(target.prefix { !" \t".contains($0) }) {
                lines.append("\(line[..<bracket])<Object> \(name)")
            }
        }
        return lines
    }

    /// The name of a field that no class has.
    private static let name = "completed_0_"

    /// With what a line may begin.
    private static let typeWords =
        FieldType.allCases.map { $0 == .reference ? "ref<Object>" : $0.name } + ["align 64"]

    /// The text without the bytes of a character whose others are missing; nil if it is no UTF-8
    /// even so.
    private static func withoutCutCharacter(_ bytes: [UInt8]) -> String? {
        for missing in 0...min(3, bytes.count) {
            if let text = String(validating: bytes.dropLast(missing), as: UTF8.self) { return text }
        }
        return nil
    }
}
