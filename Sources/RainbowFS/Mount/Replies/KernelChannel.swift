import CFuse
import Glibc

/// The reading and writing of the kernel's messages, in the place of libfuse's own.
///
/// It is needed for two things that libfuse of Debian 12 cannot do. The answer to INIT gets the
/// flag by which look-ups in one directory need not queue after each other, which libfuse counts
/// as wanted but never sends. And each thread knows the message that it works on, so that a request
/// can be given up and run again from its message (`WaitingRequests`).
@safe struct KernelChannel {
    /// The descriptor that the thread's last message was read from.
    private var descriptor: Int32 = -1
    private var message: UnsafeRawPointer?
    private var count = 0
    /// The request that is being run again, and the descriptor that its answer goes to: the kernel
    /// takes an answer only where it handed the question out.
    private(set) var rerun: UInt = 0
    private var answerDescriptor: Int32 = -1

    private static let ofThread = ThreadSpecific(KernelChannel())

    /// Puts it between libfuse and the kernel, for a session that is mounted and has read nothing.
    ///
    /// - Returns: 0 or a negated errno.
    static func install(in session: OpaquePointer) -> Int32 {
        var calls = fuse_custom_io()
        unsafe calls.read = { descriptor, buffer, size, _ in
            let count = unsafe Glibc.read(descriptor, buffer, size)
            if count > 0 {
                unsafe KernelChannel.ofThread.current.pointee.note(descriptor, buffer, count)
            }
            return count
        }
        unsafe calls.writev = { descriptor, pieces, count, _ in
            let channel = unsafe KernelChannel.ofThread.current
            if unsafe channel.pointee.opcode == FUSE_INIT.rawValue, let pieces = unsafe pieces {
                unsafe KernelChannel.allowParallelLookups(pieces, count)
            }
            let other = unsafe channel.pointee.answerDescriptor
            return unsafe Glibc.writev(other >= 0 ? other : descriptor, pieces, count)
        }
        return unsafe fuse_session_custom_io(session, &calls, fuse_session_fd(session))
    }

    /// The thread's last message is worked on, and its memory goes.
    static func forgetMessage() {
        unsafe ofThread.current.pointee = KernelChannel()
    }

    private mutating func note(
        _ descriptor: Int32, _ message: UnsafeMutableRawPointer?, _ count: Int
    ) {
        self.descriptor = descriptor
        unsafe self.message = UnsafeRawPointer(message)
        self.count = count
    }

    private var header: fuse_in_header? {
        guard let message = unsafe message, count >= MemoryLayout<fuse_in_header>.size else {
            return nil
        }
        return unsafe message.loadUnaligned(as: fuse_in_header.self)
    }

    private var opcode: UInt32 { header?.opcode ?? 0 }

    private static func allowParallelLookups(_ pieces: UnsafeMutablePointer<iovec>, _ count: Int32)
    {
        let flagsOffset = MemoryLayout<fuse_init_out>.offset(of: \.flags) ?? 12
        guard count > 1, unsafe pieces[1].iov_len >= flagsOffset + 4,
            let answer = unsafe pieces[1].iov_base
        else { return }
        let flags = unsafe (answer + flagsOffset).assumingMemoryBound(to: UInt32.self)
        unsafe flags.pointee |= UInt32(FUSE_PARALLEL_DIROPS)
    }
}

/// A message of the kernel, to be worked on again.
struct KernelMessage: Sendable {
    fileprivate let descriptor: Int32
    fileprivate let bytes: [UInt8]

    /// A copy of the message that this thread works on.
    init() {
        let channel = KernelChannel.currentMessage
        descriptor = channel.descriptor
        bytes = channel.bytes
    }

    /// Has libfuse take the message for one that has just come.
    ///
    /// - Parameter request: that it came as; `KernelChannel.rerun` meanwhile.
    func runAgain(as request: UInt, in session: OpaquePointer) {
        var bytes = bytes
        unsafe bytes.withUnsafeMutableBytes { bytes in
            var buffer = unsafe fuse_buf()
            unsafe buffer.mem = bytes.baseAddress
            unsafe buffer.size = bytes.count
            unsafe KernelChannel.withAnswers(
                to: descriptor, for: request, UnsafeRawBufferPointer(bytes)
            ) {
                unsafe fuse_session_process_buf(session, &buffer)
            }
        }
    }
}

extension KernelChannel {
    fileprivate static var currentMessage: (descriptor: Int32, bytes: [UInt8]) {
        let channel = unsafe ofThread.current.pointee
        let bytes = unsafe UnsafeRawBufferPointer(start: channel.message, count: channel.count)
        return unsafe (channel.descriptor, Array(bytes))
    }

    /// The request that this thread runs again; 0: none.
    static var rerun: UInt { unsafe ofThread.current.pointee.rerun }

    fileprivate static func withAnswers(
        to descriptor: Int32, for request: UInt, _ message: UnsafeRawBufferPointer,
        _ body: () -> Void
    ) {
        let channel = unsafe ofThread.current
        unsafe channel.pointee.note(
            descriptor, UnsafeMutableRawPointer(mutating: message.baseAddress), message.count)
        unsafe channel.pointee.rerun = request
        unsafe channel.pointee.answerDescriptor = descriptor
        body()
        forgetMessage()
    }
}
