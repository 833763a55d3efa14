import Core
import Glibc

/// A file that someone has open: one a call of open(2).
///
/// Each read and each write is one transaction. Kinds of files override what they can do.
class OpenFile: @unchecked Sendable {
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

    /// Whether closing a descriptor by which was written may have something left to do: then the
    /// mount calls `flush`. A shell closes two for each `echo >FILE`.
    var wantsFlush: Bool { false }

    /// One of its descriptors was closed. May be called several times; an error reaches close(2).
    func flush() throws(TreeError) {}

    /// What poll(2) tells. If that can change, `stream` or `watchedMemory` says by what.
    func readiness() throws(TreeError) -> Readiness { [.readable, .writable] }

    /// The memory whose commits can change the readiness.
    var watchedMemory: Range<Address>? { nil }

    /// The last descriptor was closed.
    func close() {}
}
