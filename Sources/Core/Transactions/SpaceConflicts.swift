/// The conflicts on one line of the space.
public struct LineConflicts: Equatable, Sendable {
    /// Where the line begins.
    public var line: Address
    public var count: Int
    /// Of the newest one, since the machine was started.
    public var milliseconds: UInt64
    /// The version that the line had after it; 0 if it was locked at that moment.
    public var version: UInt64
}

extension Space {
    /// The conflicts among the last 4,096 of the space that are no older than a time, by line: the
    /// line with the most comes first.
    /// - Parameter since: milliseconds since the machine was started.
    public func conflicts(since: UInt64 = 0) -> [LineConflicts] {
        let log = ConflictLog(meta: meta)
        let end = log.head.load()
        let count = UInt64(SpaceLayout.conflictCount)
        var lines: [Address: LineConflicts] = [:]
        for position in (end > count ? end - count : 0)..<end {
            guard let entry = log.entry(position), entry.milliseconds >= since else { continue }
            let new = LineConflicts(
                line: entry.line, count: 0, milliseconds: entry.milliseconds,
                version: entry.version)
            lines[entry.line, default: new].add(entry)
        }
        return lines.values.sorted { ($1.count, $0.line) < ($0.count, $1.line) }
    }
}

extension LineConflicts {
    fileprivate mutating func add(_ entry: ConflictLog.Entry) {
        count += 1
        milliseconds = max(milliseconds, entry.milliseconds)
        version = max(version, entry.version)
    }
}
