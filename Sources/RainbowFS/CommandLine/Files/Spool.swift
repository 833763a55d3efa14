import CLinux
import Glibc
import RainbowCore

/// Bytes that are kept until they are wanted: in memory as long as they are few, then in a file
/// without a name, which is gone with the process however that ends.
final class Spool {
    private let memoryBytesMax: Int
    private var memory: [UInt8] = []
    private var file: Int32 = -1
    private(set) var count = 0

    init(memoryBytesMax: Int = 1 << 20) { self.memoryBytesMax = memoryBytesMax }

    deinit { if file >= 0 { close(file) } }

    var isInMemory: Bool { file < 0 }

    func append(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        if isInMemory, count + bytes.count > memoryBytesMax { try moveToFile() }
        if isInMemory {
            unsafe memory.append(contentsOf: bytes)
        } else {
            unsafe try FileText.write(bytes, to: file, Spool.folder)
        }
        count += bytes.count
    }

    /// Copies what lies after `offset`; returns how much that was, 0 at the end.
    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        let size = max(0, min(buffer.count, count - offset))
        if isInMemory {
            unsafe memory.withUnsafeBytes { bytes in
                unsafe buffer.copyMemory(from: .init(rebasing: bytes[offset..<offset + size]))
            }
            return size
        }
        let done = unsafe pread(file, buffer.baseAddress, size, off_t(offset))
        guard done >= 0 else { throw FileError(path: Spool.folder, errno: errno) }
        return done
    }

    /// Gives everything to `write`, a piece after the other.
    func copy(
        to write: (UnsafeRawBufferPointer) throws(FileError) -> Void
    ) throws(FileError) {
        let chunk = UnsafeMutableRawBufferPointer.allocate(
            byteCount: min(count, Spool.chunkBytes), alignment: 16)
        defer { unsafe chunk.deallocate() }
        var offset = 0
        while offset < count {
            let size = unsafe try read(at: offset, into: chunk)
            guard size > 0 else { return }
            unsafe try write(.init(rebasing: chunk[..<size]))
            offset += size
        }
    }

    private func moveToFile() throws(FileError) {
        let folder = Spool.folder
        let mode: mode_t = 0o600
        file = unsafe folder.withSystemText {
            unsafe open($0, rainbow_open_unnamed | O_RDWR | O_CLOEXEC, mode)
        }
        guard file >= 0 else { throw FileError(path: folder, errno: errno) }
        try FileText.write(memory, to: file, folder)
        memory = []
    }

    /// Where programs keep what nobody is to find again.
    private static var folder: String {
        guard let name = unsafe getenv("TMPDIR"), unsafe name.pointee != 0 else { return "/tmp" }
        return unsafe String(systemText: name)
    }

    private static let chunkBytes = 1 << 18
}
