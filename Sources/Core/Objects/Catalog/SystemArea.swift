/// The objects that every space begins with: the System object, the built-in classes, the region
/// `transactional` and its allocator `system`.
///
///     region 1, offset 4 KiB   the System object, then nine Class objects, then the Allocator
///     after them              Field objects, the tables of names, classes and regions, the Region
///
/// The first ones are at the same addresses in every space, so that finding anything begins
/// without a search.
public enum SystemArea {
    /// Address of the System object; owner, group and mode of the space, of the names and of the
    /// classes are kept in it.
    public static let root = Address(SystemLayout.root)
    /// Address of the allocator of all objects of the layer itself.
    public static let allocator = Address(SystemLayout.systemAllocator)
    /// Where all objects of the layer itself are, and nothing else.
    public static let memory =
        Address(
            SystemLayout.systemBase)..<Address(
            SystemLayout.systemBase + SystemLayout.systemCapacity)

    /// Whether an address lies where the space's own objects are, and no others.
    public static func holds(_ address: Address) -> Bool {
        address.rawValue >= SystemLayout.systemBase
            && address.rawValue - SystemLayout.systemBase < SystemLayout.systemCapacity
    }
}
