/// What poll(2) tells of an open file.
struct Readiness: OptionSet, Sendable {
    let rawValue: Int

    /// A read does not wait.
    static let readable = Readiness(rawValue: 1)
    /// A commit touched the object since the last read, or since the opening.
    static let urgent = Readiness(rawValue: 2)
    static let writable = Readiness(rawValue: 4)
}
