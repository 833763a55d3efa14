import RainbowCore

/// The number that the kernel knows a node of the tree by.
///
/// It says all there is to know: which view of which byte, at which moment. So the mount keeps no
/// table of nodes, forgets nothing, and has nothing to recover.
///
///     63..59  view
///     58..45  moment: 0 is the present
///     44..0   address; of views without one, the part: a number in a table
struct NodeID: RawRepresentable, Hashable, Sendable {
    let rawValue: UInt64

    init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// - Parameter address: of a region below 64.
    init(_ view: View, address: Address) {
        precondition(address.rawValue < 1 << NodeID.momentShift, "the region is above 63")
        rawValue = UInt64(view.rawValue) << NodeID.viewShift | address.rawValue
    }

    /// - Parameter part: below 2^17.
    init(_ view: View, part: Int) {
        precondition(part >= 0 && part < NodeID.partCount, "the part has 17 bits")
        rawValue = UInt64(view.rawValue) << NodeID.viewShift | UInt64(part)
    }

    init(_ fixed: Fixed) {
        rawValue = UInt64(fixed.rawValue)
    }

    private static let viewShift: UInt64 = 59
    private static let momentShift: UInt64 = 45
    private static let momentMask: UInt64 = (1 << 14 - 1) << momentShift
    /// How many different parts there are.
    static let partCount = 1 << 17
    /// The highest number of a moment.
    static let momentMax = 1 << 14 - 1

    /// The highest region whose addresses fit.
    static let regionMax = 63

    static let root = NodeID(.root)
    static let regions = NodeID(.regions)
    static let classes = NodeID(.classes)
    static let objects = NodeID(.objects)
    static let names = NodeID(.names)
    static let nodes = NodeID(.nodes)
    static let transactions = NodeID(.transactions)
    static let snapshots = NodeID(.snapshots)
    static let system = NodeID(.system)

    /// What the number stands for; nil for a number that this tree never gave out.
    var view: View? {
        View(rawValue: UInt8(truncatingIfNeeded: rawValue >> NodeID.viewShift))
    }

    var part: Int { Int(rawValue & UInt64(NodeID.partCount - 1)) }

    var address: Address { Address(rawValue & (1 << NodeID.momentShift - 1)) }

    /// The moment that the node is seen at; 0 is the present.
    var moment: Int { Int((rawValue & NodeID.momentMask) >> NodeID.momentShift) }

    /// The same node at another moment.
    func at(moment: Int) -> NodeID {
        precondition(0...NodeID.momentMax ~= moment, "the moment has 14 bits")
        return NodeID(
            rawValue: rawValue & ~NodeID.momentMask | UInt64(moment) << NodeID.momentShift)
    }

    /// The kinds of nodes.
    enum View: UInt8 {
        /// The nodes that every tree has once.
        case fixed
        /// `regions/NAME`; the part is the number of the region, as the next one's.
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
        /// `objects/0x.../FIELD`, a scalar; the address is that of its first byte.
        case field
        /// `objects/0x.../FIELD`, a reference or an array of them; the address is that of the
        /// (first) reference.
        case reference
        /// `objects/0x.../FIELD/I`; the address is that of the reference.
        case element
        case classLink
        case rawLink
        /// `objects/` any other spelling of an address, or an address inside an object, or that of
        /// one in `system/objects`.
        case alias
        /// `names/NAME`; the address is that of the `Name` object.
        case name
        /// A symbolic link that waits to be renamed; the part is a number in a table.
        case pendingLink
        /// `nodes/N`; the part is N.
        case node
        /// A file that waits to be renamed over a field; the part is a number in a table.
        case pendingFile
        /// An `alias` of `system/objects`.
        case systemAlias
    }

    /// The nodes that every tree has once.
    enum Fixed: UInt8 {
        case root = 1
        case regions, classes, objects, names, nodes, metrics, messages, control
        case transactions, snapshots, events
        case system, systemObjects, systemClasses
    }

    var fixed: Fixed? {
        rawValue <= UInt64(UInt8.max) ? Fixed(rawValue: UInt8(rawValue)) : nil
    }
}

extension NodeID {
    /// `st_ino`: the address of what is shown, or a number above all addresses. Programs such as
    /// cp and diff must not take two moments of one object for the same file.
    var inode: UInt64 {
        switch view {
        case .object where moment == 0, .rawObject where moment == 0: address.rawValue
        default: rawValue
        }
    }
}
