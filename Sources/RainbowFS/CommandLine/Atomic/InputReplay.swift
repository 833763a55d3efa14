import CLinux
import Glibc

/// Gives each run of a program the same standard input.
///
/// A file is rewound. What comes through a pipe or a socket is recorded and replayed, and yet only
/// taken from it as far as the program reads: anyone who reads from it next finds what the program
/// has left. For this the program gets a pipe of a single page, which can be written to when it is
/// empty, that is when everything in it was read. What comes next is copied into it and stays in
/// the source; when it was read, the same is taken from the source and recorded. A terminal,
/// /dev/null and other devices are passed on as they are.
@safe final class InputReplay {
    private enum Source: Equatable {
        case passedOn
        case file(start: off_t)
        case pipe, socket
        /// What cannot be looked at before it is taken.
        case stream
    }

    private let descriptor: Int32
    private let source: Source
    private let record = Spool()
    private let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
    /// How much of the record this run was given.
    private var position = 0
    /// Bytes in the program's pipe that are still in the source.
    private var offered = 0
    /// The end of the program's pipe that is written to; -1 if there is none.
    private var sink: Int32 = -1
    /// Everything recorded was read, and there is no more yet.
    private var isWaiting = false

    init(_ descriptor: Int32 = STDIN_FILENO) {
        self.descriptor = descriptor
        source = InputReplay.source(of: descriptor)
    }

    deinit {
        closeSink()
        unsafe piece.deallocate()
    }

    private static func source(of descriptor: Int32) -> Source {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { return .passedOn }
        switch status.st_mode & S_IFMT {
        case S_IFIFO: return .pipe
        case S_IFSOCK: return .socket
        case S_IFCHR: return .passedOn
        default:
            let start = lseek(descriptor, 0, SEEK_CUR)
            return start >= 0 ? .file(start: start) : .stream
        }
    }

    /// Prepares a run of the program.
    /// - Returns: what it gets as standard input, to be closed when it has it; nil: this process's.
    func beginRun() throws(FileError) -> Int32? {
        switch source {
        case .passedOn: return nil
        case .file(let start):
            lseek(descriptor, start, SEEK_SET)
            return nil
        case .pipe, .socket, .stream:
            var ends: [Int32] = [-1, -1]
            guard unsafe rainbow_pipe2(&ends, O_CLOEXEC) == 0,
                unsafe fcntl(ends[1], rainbow_set_pipe_size, Int32(piece.count)) >= 0
            else { throw FileError(path: "a pipe", errno: errno) }
            // Not on the program's end, which expects to wait.
            _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
            (sink, position, offered, isWaiting) = (ends[1], 0, 0, false)
            return ends[0]
        }
    }

    /// What to wait for before `advance` has something to do: nothing, or one or two descriptors.
    var pollRequests: [pollfd] {
        guard sink >= 0 else { return [] }
        // Without events the end of the reader is told all the same.
        let events = isWaiting ? 0 : POLLOUT
        let own = pollfd(fd: sink, events: Int16(events), revents: 0)
        guard isWaiting else { return [own] }
        return [own, pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
    }

    /// Gives the program its next piece, if it has read all that it was given.
    /// - Parameter answers: `pollRequests` as poll(2) answered them.
    func advance(_ answers: ArraySlice<pollfd>) throws(FileError) {
        guard let own = answers.first, answers.contains(where: { $0.revents != 0 }) else { return }
        if own.revents & Int16(POLLERR) != 0 {
            try endRun()
            return
        }
        try take(offered)
        if position < record.count {
            position += try giveRecorded()
        } else {
            try giveNew()
        }
    }

    /// Takes from the source what the program has read of it, and no more.
    func endRun() throws(FileError) {
        guard sink >= 0 else { return }
        var unread: Int32 = 0
        _ = unsafe ioctl(sink, UInt(FIONREAD), &unread)
        closeSink()
        try take(offered - min(offered, Int(unread)))
        offered = 0
    }

    /// Ends the program's input here, after a failure.
    func abandonRun() {
        closeSink()
        offered = 0
    }

    private func closeSink() {
        if sink >= 0 { close(sink) }
        sink = -1
    }

    private func giveRecorded() throws(FileError) -> Int {
        let size = unsafe try record.read(at: position, into: piece)
        return max(0, unsafe write(sink, piece.baseAddress, size))
    }

    private func giveNew() throws(FileError) {
        let count = source == .pipe ? copyFromPipe() : try copyFromOther()
        isWaiting = count < 0 && (errno == EAGAIN || errno == EINTR)
        if count == 0 {
            closeSink()
        } else if count < 0, !isWaiting {
            throw FileError(path: "standard input", errno: errno)
        }
    }

    private func copyFromPipe() -> Int {
        let count = unsafe rainbow_tee(
            descriptor, sink, piece.count, rainbow_splice_nonblock)
        offered = max(0, count)
        return count
    }

    private func copyFromOther() throws(FileError) -> Int {
        guard isReadable else {
            errno = EAGAIN
            return -1
        }
        let isSocket = source == .socket
        let count =
            unsafe isSocket
            ? recv(descriptor, piece.baseAddress, piece.count, Int32(MSG_PEEK))
            : read(descriptor, piece.baseAddress, piece.count)
        guard count > 0 else { return count }
        _ = unsafe write(sink, piece.baseAddress, count)
        if isSocket {
            offered = count
        } else {
            try keep(count)
        }
        return count
    }

    /// Moves `count` bytes from the source to the record.
    private func take(_ count: Int) throws(FileError) {
        var left = count
        offered -= count
        // Where somebody else reads as well, it may be gone by now.
        while left > 0, isReadable {
            let size = unsafe read(descriptor, piece.baseAddress, left)
            guard size > 0 else { return }
            try keep(size)
            left -= size
        }
    }

    private var isReadable: Bool {
        var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&request, 1, 0) > 0
    }

    private func keep(_ count: Int) throws(FileError) {
        unsafe try record.append(.init(rebasing: piece[..<count]))
        position += count
    }
}
