import RainbowCore

/// When a tree shows the space.
enum Moment: Sendable {
    case present
    case snapshot(NamedSnapshot)
    case transaction(NamedTransaction)

    /// Where it is among the moments of its mount.
    var place: MomentPlace {
        switch self {
        case .present: .present
        case .snapshot(let snapshot): snapshot.place
        case .transaction(let transaction): transaction.place
        }
    }

    /// Whether a name of something that lasts means it for as long as the moment is there.
    ///
    /// A transaction ends, which shall be noticed on every path into it; and it may begin anew,
    /// when the objects that it had made are gone, and others take their places.
    func keepsNames(of node: NodeID) -> Bool {
        guard case .transaction(let transaction) = self else { return true }
        return node.view != .fixed && !transaction.hasMadeObjects
    }

    var isTransaction: Bool {
        if case .transaction = self { true } else { false }
    }
}

/// The number that node ids have of a moment, and how often it was given out before: so the kernel
/// never takes a node of one moment for that of another.
struct MomentPlace: Comparable, Sendable {
    var number: Int
    var generation: UInt64

    static let present = MomentPlace(number: 0, generation: 0)

    /// The older one is less.
    static func < (left: MomentPlace, right: MomentPlace) -> Bool {
        (left.generation, left.number) < (right.generation, right.number)
    }
}
