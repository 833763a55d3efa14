import Synchronization

/// The attributes that the kernel keeps until it is told to ask again: those of the directories
/// that every tree has once. They change seldom, and shells, find and the kernel's own check of
/// permissions ask for them at every step of a path. When they do, with commits of any mount, the
/// `Follower` sees to that.
///
/// All other attributes are asked for each time.
final class KeptAttributes: Sendable {
    private static let seconds = 86_400.0

    /// One bit for each directory that the kernel may have attributes of.
    private let kept = Atomic<UInt64>(0)

    /// For how long the kernel may keep the attributes of the node.
    func seconds(for node: NodeID, atLeast seconds: Double) -> Double {
        guard let fixed = node.fixed, fixed.isDirectory else { return seconds }
        let bit = UInt64(1) << UInt64(fixed.rawValue)
        if kept.load(ordering: .relaxed) & bit == 0 {
            kept.bitwiseOr(bit, ordering: .relaxed)
        }
        return Self.seconds
    }

    func keeping(_ entry: Entry) -> Entry {
        var entry = entry
        entry.attributeSeconds = seconds(for: entry.node, atLeast: entry.attributeSeconds)
        return entry
    }

    /// The nodes whose attributes were given out since the last call.
    func take() -> [NodeID] {
        var bits = kept.exchange(0, ordering: .relaxed)
        var nodes: [NodeID] = []
        while bits != 0 {
            let number = bits.trailingZeroBitCount
            nodes.append(NodeID(rawValue: UInt64(number)))
            bits &= bits - 1
        }
        return nodes
    }
}

extension NodeID.Fixed {
    fileprivate var isDirectory: Bool {
        switch self {
        case .root, .regions, .classes, .objects, .names, .nodes: true
        case .system, .systemObjects, .systemClasses: true
        case .metrics, .messages, .control, .transactions, .snapshots, .events: false
        }
    }
}
