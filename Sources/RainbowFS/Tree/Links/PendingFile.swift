import Glibc
import RainbowCore
import Synchronization

/// The content of a file that waits to be renamed over a field.
final class PendingFile: Sendable {
    private struct State {
        var bytes: [UInt8] = []
        /// When it was last written, in nanoseconds since 1970.
        var modified = SystemClock.nanoseconds
        /// Whether an attribute was to be kept that a field cannot have.
        var hasLostAttribute = false
        /// Whether the content became the value of a field: what is written now would be lost.
        var isPlaced = false
    }

    let node: NodeID
    let ownership: Ownership
    private let state = Mutex(State())
    static let bytesMax = 1 << 20

    init(node: NodeID, _ request: OpenRequest) {
        self.node = node
        ownership = Ownership(
            uid: request.caller.uid, gid: request.caller.gid,
            mode: UInt16(request.mode & 0o777))
    }

    var size: Int { state.withLock { $0.bytes.count } }
    var modified: UInt64 { state.withLock { $0.modified } }

    func touch() { state.withLock { $0.modified = SystemClock.nanoseconds } }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        state.withLock { unsafe $0.bytes.copy(from: offset, into: buffer) }
    }

    /// Writes at the byte `offset`, or at the end for nil. A gap reads as NUL.
    func write(at offset: UInt64?, _ bytes: UnsafeRawBufferPointer) throws(TreeError) {
        try state.withLock { (state) throws(TreeError) in
            guard !state.isPlaced else { throw PendingFiles.gone }
            let start = offset ?? UInt64(state.bytes.count)
            let (end, overflows) = start.addingReportingOverflow(UInt64(bytes.count))
            guard !overflows, end <= UInt64(PendingFile.bytesMax) else {
                throw PendingFile.tooBig
            }
            guard bytes.count > 0 else { return }
            state.modified = SystemClock.nanoseconds
            state.bytes.extend(to: Int(start))
            let replaced = Int(start)..<min(state.bytes.count, Int(end))
            unsafe state.bytes.replaceSubrange(replaced, with: bytes)
        }
    }

    func resize(to size: UInt64) throws(TreeError) {
        try state.withLock { (state) throws(TreeError) in
            guard !state.isPlaced else { throw PendingFiles.gone }
            guard size <= UInt64(PendingFile.bytesMax) else { throw PendingFile.tooBig }
            state.modified = SystemClock.nanoseconds
            state.bytes.removeLast(max(0, state.bytes.count - Int(size)))
            state.bytes.extend(to: Int(size))
        }
    }

    /// Runs the body with the whole content, which does not change meanwhile, nor afterwards if
    /// the body succeeds.
    func install(_ body: ([UInt8]) throws(TreeError) -> Void) throws(TreeError) {
        try state.withLock { (state) throws(TreeError) in
            guard !state.isPlaced else { throw PendingFiles.gone }
            guard !state.hasLostAttribute else { throw PendingFile.lostAttribute }
            try body(state.bytes)
            state.isPlaced = true
        }
    }

    /// Nothing is to become a field that says that it is a whole copy and is not.
    func noteLostAttribute() { state.withLock { $0.hasLostAttribute = true } }

    private static let lostAttribute = TreeError(
        ENOTSUP,
        "This new file was to have extended attributes, which a field cannot keep. Copy it without"
            + " them, as rsync does without -X.")

    private static let tooBig = TreeError(
        EFBIG, "A new file beside fields has at most \(bytesMax) bytes, as a field has.")
}

extension [UInt8] {
    /// Appends NUL up to this count.
    fileprivate mutating func extend(to count: Int) {
        guard count > self.count else { return }
        append(contentsOf: repeatElement(0, count: count - self.count))
    }
}

/// A file that waits to be renamed, as a node.
struct PendingFileNode: Node {
    let view: View
    let id: NodeID

    func describe(_ tx: inout Transaction) throws -> Description {
        let file = try file()
        var attributes = view.shown(S_IFREG, file.ownership)
        attributes.ino = view.inode(id)
        attributes.size = UInt64(file.size)
        attributes.nlink = view.pendingFiles.hasName(file) ? 1 : 0
        attributes.mtimeSeconds = Int64(file.modified / 1_000_000_000)
        attributes.mtimeNanoseconds = Int64(file.modified % 1_000_000_000)
        if view.options.umask != nil { attributes.mode &= ~0o111 }
        return Description(attributes: attributes)
    }

    /// Owner and mode will be those of the object: a change is accepted and does nothing.
    func change(_ change: AttributeChange, _ tx: inout Transaction) throws {
        let file = try file()
        if let size = change.size { try file.resize(to: size) }
    }

    func touch() { view.pendingFiles.find(id)?.touch() }

    func open(_ request: OpenRequest) throws -> OpenFile {
        guard let file = view.pendingFiles.open(id) else { throw PendingFiles.gone }
        return OpenPendingFile(view, file)
    }

    private func file() throws(TreeError) -> PendingFile {
        guard let file = view.pendingFiles.find(id) else { throw PendingFiles.gone }
        return file
    }
}

/// A file that waits to be renamed, open.
final class OpenPendingFile: OpenFile, @unchecked Sendable {
    private let view: View
    private let file: PendingFile

    init(_ view: View, _ file: PendingFile) {
        self.view = view
        self.file = file
    }

    override func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer)
        throws(TreeError) -> Int
    {
        unsafe file.read(at: offset, into: buffer)
    }

    override func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer, isAppend: Bool)
        throws(TreeError) -> Int
    {
        unsafe try file.write(at: isAppend ? nil : offset, bytes)
        return bytes.count
    }

    /// Only this mount changes it.
    override var hasFixedSize: Bool { true }

    override func truncate() throws(TreeError) { try file.resize(to: 0) }

    override func close() {
        view.pendingFiles.close(file.node)
    }
}
