import CFuse

/// An open file or directory as the number that the kernel keeps for it: a reference held from the
/// open until the release.
struct Handle<Object: AnyObject>: Sendable {
    let number: UInt64

    init(retaining object: Object) {
        let pointer = unsafe Unmanaged.passRetained(object).toOpaque()
        number = UInt64(UInt(bitPattern: pointer))
    }

    /// The handle that a request names.
    init(_ info: UnsafeMutablePointer<fuse_file_info>?) {
        unsafe number = info?.pointee.fh ?? 0
    }

    private var reference: Unmanaged<Object> {
        guard let pointer = unsafe UnsafeRawPointer(bitPattern: UInt(number)) else {
            preconditionFailure("the kernel names a handle that was never given out")
        }
        return unsafe Unmanaged<Object>.fromOpaque(pointer)
    }

    var object: Object { unsafe reference.takeUnretainedValue() }

    /// Gives the reference up; the handle is dead afterwards.
    func take() -> Object { unsafe reference.takeRetainedValue() }
}

/// The flags of open(2), which each write brings along as they are at that moment.
func openFlags(_ info: UnsafeMutablePointer<fuse_file_info>?) -> Int32 {
    unsafe info?.pointee.flags ?? 0
}
