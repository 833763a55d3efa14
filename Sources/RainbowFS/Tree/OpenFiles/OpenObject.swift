import Glibc
import RainbowCore
import Synchronization

/// An open field of an object, or its open memory.
///
/// It can be read and written at any time; poll(2) tells besides whether a commit touched the
/// object since the last read, or the opening. Whether there was one, the versions of the object's
/// lines say: so nothing needs to be noted while nobody asks.
class OpenObject: OpenFile, @unchecked Sendable {
    let view: View
    let object: Address
    private let memory: Range<Address>
    /// The newest version at the time of the last read, or of the opening.
    private let seen: Atomic<UInt64>

    init(_ view: View, _ object: Address, _ descriptor: ClassDescriptor) {
        self.view = view
        self.object = object
        memory = descriptor.memory(of: object)
        seen = Atomic(view.space.version)
    }

    /// Called before each read: what is committed by now, the read sees.
    final func noteRead() {
        seen.store(view.space.version, ordering: .relaxed)
    }

    override var watchedMemory: Range<Address>? {
        if case .present = view.source { memory } else { nil }
    }

    override func readiness() throws(TreeError) -> Readiness {
        guard case .present = view.source else { return [.readable, .writable] }
        let count = Int(memory.upperBound.rawValue - memory.lowerBound.rawValue)
        let version = try view.transact { tx in
            try tx.version(of: memory.lowerBound, count: count)
        }
        let isNew = version > seen.load(ordering: .relaxed)
        return isNew ? [.readable, .writable, .urgent] : [.readable, .writable]
    }
}

/// Open memory of an object, byte by byte: a field of type `bytes`, or all of it. Its size is that
/// of the class, so the kernel may also read it by the size that it remembers.
class OpenBytes: OpenObject, @unchecked Sendable {
    private let isSystem: Bool

    override init(_ view: View, _ object: Address, _ descriptor: ClassDescriptor) {
        isSystem = descriptor.isSystem
        super.init(view, object, descriptor)
    }

    /// Reads within a transaction; subclasses say what.
    func read(
        at offset: Int, into buffer: UnsafeMutableRawBufferPointer, _ tx: inout Transaction
    ) throws -> Int {
        throw TreeError(EBADF, "This file cannot be read.")
    }

    /// Writes within a transaction; subclasses say what.
    func write(at offset: Int, _ bytes: UnsafeRawBufferPointer, _ tx: inout Transaction) throws {
        throw TreeError(EBADF, "This file cannot be written.")
    }

    /// A write at this offset was committed.
    func noteWrite(at offset: Int) {}

    /// In a transaction the content also changes by a restart, of which nobody tells the kernel.
    final override var hasFixedSize: Bool { !view.source.isTransaction && !isSystem }

    /// The name of the file in the folder of the object.
    var name: String { ObjectDirectory.rawName }

    final override var path: String? { "objects/\(object)/\(name)" }

    final override func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer)
        throws(TreeError) -> Int
    {
        guard let offset = Int(exactly: offset) else { return 0 }
        noteRead()
        return try view.transact { tx in unsafe try read(at: offset, into: buffer, &tx) }
    }

    final override func write(
        at offset: UInt64, _ bytes: UnsafeRawBufferPointer, isAppend: Bool
    ) throws(TreeError) -> Int {
        guard !isAppend, let offset = Int(exactly: offset) else { throw OpenFile.fixedSize }
        try view.transact { tx in unsafe try write(at: offset, bytes, &tx) }
        noteWrite(at: offset)
        return bytes.count
    }

    /// Copies from another such file of the same view, in one transaction.
    fileprivate func copy(
        from source: OpenBytes, at start: Int, to offset: Int,
        through buffer: UnsafeMutableRawBufferPointer
    ) throws(TreeError) -> Int {
        source.noteRead()
        let count = try view.transact { tx in
            let count = unsafe try source.read(at: start, into: buffer, &tx)
            guard count > 0 else { return 0 }
            unsafe try write(at: offset, UnsafeRawBufferPointer(rebasing: buffer[..<count]), &tx)
            return count
        }
        if count > 0 { noteWrite(at: offset) }
        return count
    }
}

extension OpenFile {
    /// Does what copy_file_range(2) wants, as far as the buffer goes.
    ///
    /// - Returns: the bytes copied, 0 at the end of the source.
    /// - Throws: EINVAL for files whose size changes with what they show: of these the kernel would
    ///   copy as much as it remembers. Programs then read and write.
    static func copy(
        from source: OpenFile, at start: UInt64, to target: OpenFile, at offset: UInt64,
        through buffer: UnsafeMutableRawBufferPointer
    ) throws(TreeError) -> Int {
        guard source.hasFixedSize, target.hasFixedSize else { throw OpenFile.sizeChanges }
        if let source = source as? OpenBytes, let target = target as? OpenBytes,
            source.view === target.view
        {
            guard let start = Int(exactly: start), let offset = Int(exactly: offset) else {
                throw OpenFile.fixedSize
            }
            return unsafe try target.copy(from: source, at: start, to: offset, through: buffer)
        }
        let count = unsafe try source.read(at: start, into: buffer)
        guard count > 0 else { return 0 }
        let bytes = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<count])
        return unsafe try target.write(at: offset, bytes, isAppend: false)
    }

    /// For reads that the kernel cuts at the size that it remembers.
    static var sizeChanges: TreeError {
        TreeError(
            EINVAL,
            "The size of this file changes with what it shows: it is read with read(2), not by"
                + " sendfile, splice, copy_file_range or mmap.")
    }

    /// For writes past the end.
    static var fixedSize: TreeError {
        TreeError(
            EPERM,
            "Nothing can be appended: the size of an object and of its fields is that of the class."
        )
    }
}
