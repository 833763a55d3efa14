import ArgumentParser

/// Why a command ends without having done its work: one sentence, and the exit status.
struct CommandFailure: Error, CustomStringConvertible {
    /// Exit statuses, as in the manual page.
    enum Status: Int32 {
        case arguments = 1
        case noMount = 2
        case refused = 3
        case damaged = 4
    }

    var status: Status
    var description: String

    init(_ status: Status, _ description: String) {
        self.status = status
        self.description = description
    }
}
