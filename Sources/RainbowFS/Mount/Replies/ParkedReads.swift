import CFuse
import Glibc
import Synchronization

/// The reads of streams that found nothing and are answered later, so that no thread waits in them.
///
/// A read is in the table from when it is parked until somebody takes it out: that one
/// answers it, be it the follower with news, the caller's interrupt, or the end of the mount.
final class ParkedReads: Sendable {
    private struct Read {
        var stream: EventStream
        var offset: UInt64
        var size: Int
        /// While libfuse is being told of the request it must not be answered: libfuse holds it.
        var isArriving = true
        var isInterrupted = false
    }

    /// By the address of the request.
    private let reads = Mutex<[UInt: Read]>([:])

    var isEmpty: Bool { reads.withLock { $0.isEmpty } }

    /// Answers the read as soon as there is something to read.
    func park(_ request: fuse_req_t, of stream: EventStream, at offset: UInt64, size: Int) {
        let number = UInt(bitPattern: request)
        reads.withLock { $0[number] = Read(stream: stream, offset: offset, size: size) }
        unsafe fuse_req_interrupt_func(
            request,
            { request, _ in
                guard let request = unsafe request else { return }
                unsafe FileSystem.of(request).parked.interrupt(request)
            }, nil)
        let isInterrupted = reads.withLock { reads in
            guard reads[number]?.isInterrupted == false else {
                reads[number] = nil
                return true
            }
            reads[number]?.isArriving = false
            return false
        }
        if isInterrupted { return unsafe Reply(request).fail(EINTR) }
        // What came since the stream was found empty, the follower may have told nobody.
        answer(number)
    }

    /// Answers those whose stream has something by now.
    func answerReady() {
        let ready = reads.withLock { reads in
            reads.filter { !$0.value.isArriving && $0.value.stream.hasNews }.map(\.key)
        }
        for number in ready { answer(number) }
    }

    private func answer(_ number: UInt) {
        guard let buffer = unsafe ReplyBuffer.current(),
            let request = unsafe fuse_req_t(bitPattern: number)
        else { return }
        let count: Int? = reads.withLock { reads in
            guard let read = reads[number], !read.isArriving else { return nil }
            let window = unsafe UnsafeMutableRawBufferPointer(
                rebasing: buffer[..<min(read.size, buffer.count)])
            guard let count = unsafe read.stream.take(at: read.offset, into: window) else {
                return nil
            }
            reads[number] = nil
            return count
        }
        if let count {
            let bytes = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<count])
            unsafe Reply(request).bytes(bytes)
        }
    }

    /// libfuse calls this with the request held: at most once, perhaps while it is parked.
    private func interrupt(_ request: fuse_req_t) {
        let number = UInt(bitPattern: request)
        let isOurs = reads.withLock { reads in
            guard reads[number]?.isArriving == true else {
                return reads.removeValue(forKey: number) != nil
            }
            reads[number]?.isInterrupted = true
            return false
        }
        if isOurs { unsafe Reply(request).fail(EINTR) }
    }

    /// Lets all who wait find the end of the file, when the mount ends.
    func end() {
        let numbers = reads.withLock { reads in
            defer { reads = [:] }
            return Array(reads.keys)
        }
        for number in numbers {
            guard let request = unsafe fuse_req_t(bitPattern: number) else { continue }
            unsafe Reply(request).bytes(UnsafeRawBufferPointer(start: nil, count: 0))
        }
    }
}
