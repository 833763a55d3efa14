import RainbowCore

/// The objects and pages that transactions of the last minute lost on most often.
///
/// Conflicts are known by line. All objects that have bytes in a line share its conflicts: which
/// of them was meant cannot be told, and it is what makes them lose.
struct HotSpots {
    struct HotObject {
        var address: Address
        var className: String
        /// Of `names/`; empty if none was found.
        var name = ""
        var conflicts: Int
    }

    struct HotPage {
        /// Where it begins.
        var address: Address
        var regionName: String
        var conflicts: Int
    }

    private(set) var objects: [HotObject] = []
    private(set) var pages: [HotPage] = []

    static let milliseconds: UInt64 = 60_000
    static let shownMax = 10
    /// Lines whose objects are looked up, and names that are searched for these objects.
    private static let linesMax = 256
    private static let namesMax = 4096

    /// None.
    init() {}

    /// - Parameter now: milliseconds since the machine was started.
    init(of space: Space, now: UInt64) {
        let lines = space.conflicts(since: now - min(now, HotSpots.milliseconds))
        findPages(lines, space)
        findObjects(lines, space)
        if !objects.isEmpty { findNames(space) }
    }

    private mutating func findPages(_ lines: [LineConflicts], _ space: Space) {
        var counts: [UInt64: Int] = [:]
        for line in lines { counts[line.line.page, default: 0] += line.count }
        let hottest = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        for (page, conflicts) in hottest.prefix(HotSpots.shownMax) {
            let address = Address(page << Address.pageShift)
            let region = try? space.transact { tx in try tx.region(number: address.region).name }
            pages.append(
                HotPage(address: address, regionName: region ?? "", conflicts: conflicts))
        }
    }

    private mutating func findObjects(_ lines: [LineConflicts], _ space: Space) {
        var found: [Address: HotObject] = [:]
        for line in lines.prefix(HotSpots.linesMax) {
            // Each line by itself: a transaction over all of them would lose forever.
            let objects = try? space.transact { tx in
                try tx.objects(in: line.line..<line.line + Address.lineSize)
            }
            for object in objects ?? [] {
                let new = HotObject(
                    address: object.address, className: object.descriptor.name, conflicts: 0)
                found[object.address, default: new].conflicts += line.count
            }
        }
        let hottest = found.values.sorted {
            ($1.conflicts, $0.address) < ($0.conflicts, $1.address)
        }
        objects = Array(hottest.prefix(HotSpots.shownMax))
    }

    private mutating func findNames(_ space: Space) {
        var key: UInt64 = 0
        var count = 0
        while count < HotSpots.namesMax {
            let names = try? space.transact { tx in try tx.names(after: key, limit: 256) }
            guard let names, let last = names.last else { return }
            for name in names {
                guard let index = objects.firstIndex(where: { $0.address == name.target }),
                    objects[index].name.isEmpty
                else { continue }
                objects[index].name = name.name
            }
            (key, count) = (last.key, count + names.count)
        }
    }
}
