import Glibc
import RainbowCore
import Synchronization

/// A file that someone has open: one a call of open(2).
///
/// Each read and each write is one transaction. Kinds of files override what they can do.
class OpenFile: @unchecked Sendable {
    /// The user who opened it: errors that come when it is closed are for them.
    final var opener: UInt32 = 0

    /// This, if reading it waits, like a pipe.
    var stream: EventStream? { nil }

    /// Reads from the byte `offset` on.
    ///
    /// - Returns: the bytes read, less than asked for only at the end.
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(TreeError)
        -> Int
    {
        throw TreeError(EBADF, "This file cannot be read.")
    }

    /// The reader seeks to the end: it is one like tail(1), which waits for the file to grow.
    ///
    /// - Returns: where the end is; nil: where the attributes say.
    func seekEnd() -> UInt64? { nil }

    /// What such a reader is shown as the size.
    var followedSize: UInt64? { nil }

    /// Writes at the byte `offset`, or at the end if `isAppend`.
    ///
    /// - Returns: the bytes written: all of them.
    func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer, isAppend: Bool)
        throws(TreeError) -> Int
    {
        throw TreeError(EBADF, "This file cannot be written.")
    }

    /// Whether the size never changes, or by this mount only: then the kernel may read the file by
    /// the size that it remembers, through pages that it keeps (sendfile, splice, private mmap).
    var hasFixedSize: Bool { false }

    /// Where it is, from the top of the tree; nil if it has no such place.
    var path: String? { nil }

    /// The size of the text, if it was made when the file was opened.
    var textSize: UInt64? { nil }

    /// It was opened with O_TRUNC, or ftruncate(2) shortens it to nothing: what is shown stays
    /// until a write at the start replaces it.
    func truncate() throws(TreeError) {}

    /// What an error of this file is about; set when it is opened.
    final var subject: TreeError.Subject?

    /// Whether something of what is written may wait for a flush. A shell closes two descriptors
    /// for each `echo >FILE`, so the mount asks the kernel not to tell it where this is false.
    var wantsFlush: Bool { false }

    /// Whether something waits for a flush now.
    var holdsBack: Bool { false }

    /// Takes what was written and waits as it is. Called at fsync(2), and when the process that
    /// wrote last closes one of its descriptors: an error reaches it. Other processes have the file
    /// open that know nothing of it, as children of a shell do.
    func flush() throws(TreeError) {}

    /// A process closed one of its descriptors that has not written last.
    func noteOtherFlush() {}

    /// Whether there is something left to do when the last descriptor was closed.
    var hasWorkAtEnd: Bool { holdsBack }

    /// Does that: nobody is told of an error but `messages`.
    func finish() throws(TreeError) { try flush() }

    /// Runs the body; its error then says that it is about this file.
    final func about<R>(_ body: () throws(TreeError) -> R) throws(TreeError) -> R {
        guard let subject else { return try body() }
        return try TreeError.about(subject.node, subject.name, body)
    }

    /// The process that wrote last, by the number that the kernel has for its descriptors.
    private let writer = Atomic<UInt64>(0)

    final func noteWriter(_ owner: UInt64) { writer.store(owner, ordering: .relaxed) }

    /// The kernel closed a descriptor of a process.
    final func flush(by owner: UInt64) throws(TreeError) {
        if isWriter(owner) { try flush() } else { noteOtherFlush() }
    }

    private func isWriter(_ owner: UInt64) -> Bool { writer.load(ordering: .relaxed) == owner }

    /// What poll(2) tells. If that can change, `stream` or `watchedMemory` says by what.
    func readiness() throws(TreeError) -> Readiness { [.readable, .writable] }

    /// The memory whose commits can change the readiness.
    var watchedMemory: Range<Address>? { nil }

    /// The last descriptor was closed.
    func close() {}
}

/// What poll(2) tells of an open file.
struct Readiness: OptionSet, Sendable {
    let rawValue: Int

    /// A read does not wait.
    static let readable = Readiness(rawValue: 1)
    /// A commit touched the object since the last read, or since the opening.
    static let urgent = Readiness(rawValue: 2)
    static let writable = Readiness(rawValue: 4)
}

/// An open file whose text was made when it was opened, so that a reader who reads in pieces sees
/// one version.
final class OpenText: OpenFile, @unchecked Sendable {
    private let text: [UInt8]

    static let refusal = TreeError(
        EACCES, "This file can only be read: its text is made when it is.")

    init(_ text: String) {
        self.text = text.systemBytes
    }

    override var textSize: UInt64? { UInt64(text.count) }

    override func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer)
        throws(TreeError) -> Int
    {
        unsafe text.copy(from: offset, into: buffer)
    }
}

extension [UInt8] {
    /// Copies what lies from `offset` on, as read(2) wants it.
    ///
    /// - Returns: the bytes copied: 0 at the end.
    func copy(from offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard offset < UInt64(count) else { return 0 }
        let length = Swift.min(count - Int(offset), buffer.count)
        unsafe withUnsafeBytes { bytes in
            unsafe buffer.copyMemory(
                from: UnsafeRawBufferPointer(
                    rebasing: bytes[Int(offset)..<Int(offset) + length]))
        }
        return length
    }
}
