import Glibc
import RainbowCore

/// A system call's refusal.
struct FileError: Error {
    var path: String
    var errno: Int32

    var reason: String {
        errno == ENOTCONN || errno == ECONNABORTED
            ? "the mount there has died; end it with fusermount3 -u"
            : ErrorText.of(errno)
    }
}

/// Whole files as text, by plain system calls: each read and write is the one that the mount turns
/// into a transaction, with no buffer of a library in between.
enum FileText {
    private static let chunkSize = 1 << 20

    static func read(_ path: String) throws(FileError) -> [UInt8] {
        try withDescriptor(path, O_RDONLY) { descriptor throws(FileError) in
            try readToEnd(descriptor, path)
        }
    }

    static func readText(_ path: String) throws(FileError) -> String {
        String(systemBytes: try read(path))
    }

    /// Writes `command` in one write(2) and reads what the same open file answers.
    static func ask(_ path: String, _ command: String) throws(FileError) -> String {
        try withDescriptor(path, O_RDWR) { descriptor throws(FileError) in
            try write(command.systemBytes, to: descriptor, path)
            lseek(descriptor, 0, SEEK_SET)
            return String(systemBytes: try readToEnd(descriptor, path))
        }
    }

    static func write(_ bytes: [UInt8], to descriptor: Int32, _ path: String = "")
        throws(FileError)
    {
        let result = unsafe bytes.withUnsafeBytes { buffer -> Result<Void, FileError> in
            Result { () throws(FileError) in unsafe try write(buffer, to: descriptor, path) }
        }
        try result.get()
    }

    static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String)
        throws(FileError)
    {
        var done = 0
        while done < bytes.count {
            let count = unsafe Glibc.write(
                descriptor, bytes.baseAddress! + done, bytes.count - done)
            guard count >= 0 else {
                if errno == EINTR { continue }
                throw FileError(path: path, errno: errno)
            }
            done += count
        }
    }

    static func names(inDirectory path: String) throws(FileError) -> [String] {
        guard let directory = unsafe path.withSystemText({ unsafe opendir($0) }) else {
            throw FileError(path: path, errno: errno)
        }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(systemBytes: bytes.prefix { $0 != 0 })
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static func linkTarget(_ path: String) throws(FileError) -> String {
        var bytes = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe path.withSystemText { path in
                unsafe readlink(
                    path, buffer.baseAddress!.assumingMemoryBound(to: CChar.self), buffer.count)
            }
        }
        guard count >= 0 else { throw FileError(path: path, errno: errno) }
        return String(systemBytes: bytes.prefix(count))
    }

    /// The absolute path without links; nil when there is nothing.
    static func resolved(_ path: String) -> String? {
        guard let text = unsafe path.withSystemText({ unsafe realpath($0, nil) }) else {
            return nil
        }
        defer { unsafe free(text) }
        return unsafe String(systemText: text)
    }

    private static func withDescriptor<R>(
        _ path: String, _ flags: Int32, _ body: (Int32) throws(FileError) -> R
    ) throws(FileError) -> R {
        let descriptor = unsafe path.withSystemText { unsafe open($0, flags | O_CLOEXEC) }
        guard descriptor >= 0 else { throw FileError(path: path, errno: errno) }
        defer { close(descriptor) }
        return try body(descriptor)
    }

    private static func readToEnd(_ descriptor: Int32, _ path: String) throws(FileError) -> [UInt8]
    {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: chunkSize)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes {
                unsafe Glibc.read(descriptor, $0.baseAddress, $0.count)
            }
            guard count >= 0 else {
                if errno == EINTR { continue }
                throw FileError(path: path, errno: errno)
            }
            if count == 0 { return bytes }
            bytes += chunk.prefix(count)
        }
    }
}
