/// What a directory says of one of its entries.
enum DirectoryItem: Equatable, Sendable {
    /// All of it, for readdirplus.
    case entry(Entry)
    /// `type` is the type bits of `st_mode`.
    case brief(type: UInt32, ino: UInt64)
}

/// A directory that someone has open: one a call of opendir(3).
///
/// It is a cursor. Entries are made page by page, so that a directory of any length is listed in
/// bounded memory, and an offset names a place that stays where it is while entries come and go.
class OpenDirectory: @unchecked Sendable {
    /// Calls `body` for each entry behind `offset` (0: from the start), with the offset of the
    /// next one, until it returns false: that entry was not taken.
    ///
    /// The entries `.` and `..` come first.
    func entries(
        from offset: UInt64, plus: Bool, _ body: (String, UInt64, DirectoryItem) -> Bool
    ) throws(TreeError) {}
}
