import Glibc
import RainbowCore

/// An open file whose text was made when it was opened, so that a reader who reads in pieces sees
/// one moment.
final class TextFile: OpenFile, @unchecked Sendable {
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
