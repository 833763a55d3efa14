import Glibc
import RainbowCore

/// The number that the kernel knows a node of the tree by.
///
/// It says all there is to know: what kind of node of which byte, in which view. So the mount keeps
/// no table of nodes, forgets nothing, and has nothing to recover.
///
///     63..59  kind
///     58..45  view: 0 is the present
///     44..0   address; of kinds without one, the part: a number in a table
struct NodeID: RawRepresentable, Hashable, Sendable {
    let rawValue: UInt64

    init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// - Parameter address: of a region below 64.
    init(_ kind: NodeKind, address: Address) {
        precondition(address.rawValue < 1 << NodeID.viewShift, "the region is above 63")
        rawValue = UInt64(kind.rawValue) << NodeID.kindShift | address.rawValue
    }

    /// - Parameter part: below 2^17.
    init(_ kind: NodeKind, part: Int) {
        precondition(part >= 0 && part < NodeID.partCount, "the part has 17 bits")
        rawValue = UInt64(kind.rawValue) << NodeID.kindShift | UInt64(part)
    }

    init(_ fixed: Fixed) {
        rawValue = UInt64(fixed.rawValue)
    }

    private static let kindShift: UInt64 = 59
    private static let viewShift: UInt64 = 45
    private static let viewMask: UInt64 = (1 << 14 - 1) << viewShift
    /// How many different parts there are.
    static let partCount = 1 << 17
    /// The highest number of a view.
    static let viewMax = 1 << 14 - 1

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

    /// What the number stands for; nil for one that no tree ever gave out.
    var kind: NodeKind? {
        NodeKind(rawValue: UInt8(truncatingIfNeeded: rawValue >> NodeID.kindShift))
    }

    var part: Int { Int(rawValue & UInt64(NodeID.partCount - 1)) }

    var address: Address { Address(rawValue & (1 << NodeID.viewShift - 1)) }

    /// The number of the view that the node is in; 0 is the present.
    var viewNumber: Int { Int((rawValue & NodeID.viewMask) >> NodeID.viewShift) }

    /// The same node in another view.
    func at(view: Int) -> NodeID {
        precondition(0...NodeID.viewMax ~= view, "the view has 14 bits")
        return NodeID(
            rawValue: rawValue & ~NodeID.viewMask | UInt64(view) << NodeID.viewShift)
    }

    /// The nodes that every view has once.
    enum Fixed: UInt8 {
        case root = 1
        case regions, classes, objects, names, nodes, metrics, messages, control
        case transactions, snapshots, events
        case system, systemObjects, systemClasses

        /// What it is called in its directory; empty for the top.
        var name: String {
            switch self {
            case .root: ""
            case .systemObjects: "objects"
            case .systemClasses: "classes"
            default: "\(self)"
            }
        }

        /// The type bits of `st_mode`.
        var type: UInt32 {
            switch self {
            case .events, .metrics, .messages, .control: S_IFREG
            default: S_IFDIR
            }
        }
    }

    var fixed: Fixed? {
        rawValue <= UInt64(UInt8.max) ? Fixed(rawValue: UInt8(rawValue)) : nil
    }
}

/// Draws the parts of nodes that are in a table for a while; a part comes again only after all
/// others.
struct PartNumbers {
    private var last = 0

    mutating func next(isTaken: (Int) -> Bool) -> Int {
        repeat {
            last = (last + 1) % NodeID.partCount
        } while isTaken(last)
        return last
    }
}

/// The kinds of nodes.
enum NodeKind: UInt8 {
    /// The nodes that every view has once.
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
    /// `objects/0x.../FIELD`, a reference; the address is that of the reference.
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
    /// `objects/0x.../FIELD/`, an array of references; the address is that of the first one.
    case referenceArray
}

extension NodeID {
    /// `st_ino`: the address of what is shown, or a number above all addresses. Programs such as
    /// cp and diff must not take one object in two views for the same file.
    var inode: UInt64 {
        switch kind {
        case .object where viewNumber == 0, .rawObject where viewNumber == 0: address.rawValue
        default: rawValue
        }
    }
}
