import Core

/// The number that the kernel knows a node of the tree by.
///
/// It says all there is to know: which view of which address, and which part of it. So the mount
/// keeps no table of nodes, forgets nothing, and has nothing to recover.
///
///     63..59  view
///     58..42  part: a field, a slot of a reference, a number in a table
///     41..0   address >> 3
struct NodeID: RawRepresentable, Hashable, Sendable {
    let rawValue: UInt64

    init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// - Parameters:
    ///   - part: below 2^17.
    ///   - address: of a region below 64; its three lowest bits are not kept.
    init(_ view: View, part: Int = 0, address: Address = .null) {
        precondition(part >= 0 && part < 1 << NodeID.partBits, "the part has 17 bits")
        let place = address.rawValue >> 3
        precondition(place < 1 << NodeID.placeBits, "the region is above 63")
        rawValue =
            UInt64(view.rawValue) << (NodeID.partBits + NodeID.placeBits)
            | UInt64(part) << NodeID.placeBits | place
    }

    init(_ fixed: Fixed) {
        rawValue = UInt64(fixed.rawValue)
    }

    private static let partBits: UInt64 = 17
    private static let placeBits: UInt64 = 42

    /// The highest region whose addresses fit.
    static let regionMax = 63

    static let root = NodeID(.root)
    static let regions = NodeID(.regions)
    static let classes = NodeID(.classes)
    static let objects = NodeID(.objects)
    static let names = NodeID(.names)
    static let nodes = NodeID(.nodes)

    /// What the number stands for; nil for a number that this tree never gave out.
    var view: View? {
        View(rawValue: UInt8(truncatingIfNeeded: rawValue >> (NodeID.partBits + NodeID.placeBits)))
    }

    var part: Int { Int(rawValue >> NodeID.placeBits & (1 << NodeID.partBits - 1)) }

    var address: Address { Address((rawValue & (1 << NodeID.placeBits - 1)) << 3) }

    /// The kinds of nodes.
    enum View: UInt8 {
        /// The nodes that every tree has once.
        case fixed
        /// `regions/NAME`; the address is that of the `Region` object, as are the next one's.
        case region
        case regionStatus
        /// `regions/NAME/ALLOCATOR`; the address is that of the `Allocator` object.
        case allocator
        case allocatorFile
        /// `regions/NAME/ALLOCATOR/0x....Class`
        case rawObject
        /// `classes/NAME`; the address is that of the `Class` object.
        case classFile
        /// A class file that was created and not yet written; the part is a number in a table.
        case pendingClass
        /// `objects/0x...`
        case object
        /// `objects/0x.../FIELD`; the part is the number of the field.
        case field
        /// `objects/0x.../FIELD/I`; the part is the number of the slot in the object.
        case element
        case classLink
        case rawLink
        /// `objects/` any other spelling of an address, or an address inside an object.
        case alias
        /// `names/NAME`; the address is that of the `Name` object.
        case name
        /// A symbolic link that waits to be renamed; the part is a number in a table.
        case pendingLink
        /// `nodes/N`; the part is N.
        case node
        /// A file that waits to be renamed over a field; the part is a number in a table.
        case pendingFile
    }

    /// The nodes that every tree has once.
    enum Fixed: UInt8 {
        case root = 1
        case regions, classes, objects, names, nodes, metrics, messages, control
    }

    var fixed: Fixed? {
        rawValue <= UInt64(UInt8.max) ? Fixed(rawValue: UInt8(rawValue)) : nil
    }
}

extension NodeID {
    /// `st_ino`: the address of what is shown, or a number above all addresses.
    var inode: UInt64 {
        switch view {
        case .object, .rawObject: address.rawValue
        default: rawValue
        }
    }
}
