/// Why a request to the object layer was refused, with one sentence that says what to do.
///
/// Conflicts and a full memory are not told here: they are `TransactionError`s of the layer below
/// and pass through every function of this layer untouched.
public struct ObjectError: Error, Hashable, Sendable {
    /// The kinds of refusal, one for each errno that the tree answers with.
    public enum Kind: Sendable {
        /// EINVAL: text, name, reference or request that makes no sense.
        case invalid
        /// ERANGE: a value that the type cannot hold.
        case range
        /// EPERM: headers, sizes and system objects are not for users to change.
        case notPermitted
        /// ENOSPC: the allocator, or the region, has no room left.
        case full
        /// EBUSY: a class that is in use.
        case busy
        /// ENOTEMPTY: an allocator or region that still holds something.
        case notEmpty
        /// EEXIST: the name is taken.
        case exists
        /// ENOENT: nothing has this name or address.
        case notFound
        /// ENAMETOOLONG: the name is longer than its limit.
        case nameTooLong
        /// EFBIG: a request larger than one transaction may be.
        case tooBig
    }

    public let kind: Kind
    public let message: String

    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    /// A link or a number in the shared memory that no correct program can have left there.
    static func damaged(_ what: String, at address: Address) -> ObjectError {
        ObjectError(
            .invalid, "The space is damaged: \(what) at \(address); run rainbowfs fsck to see more."
        )
    }
}

/// The limits of the object layer, chosen so that every object fits into one transaction.
public enum ObjectLimits {
    /// Bytes of the name of a class, field, allocator or region.
    public static let nameBytes = 48
    /// Bytes of a name in the name service: what a directory entry may have.
    public static let boundNameBytes = 255
    /// Fields of a class.
    public static let fieldCount = 256
    /// Bytes of one object, and of all objects that one call of `newObjects` makes.
    public static let objectBytes = 1 << 20
    /// Bytes of the text that defines a class.
    public static let classTextBytes = 64 << 10
    /// Bytes of an allocator that was created without saying how many.
    public static let defaultCapacity: UInt64 = 64 << 20
}
