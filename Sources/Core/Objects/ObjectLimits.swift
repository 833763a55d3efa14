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
