import ArgumentParser

/// Why a command ends without having done its work: one sentence, and the exit status.
struct CommandFailure: Error, CustomStringConvertible {
    /// Exit statuses, as in the manual page.
    enum Status: Int32 {
        case arguments = 1
        case noMount = 2
        case refused = 3
        case damaged = 4
        /// Those of `atomic`, away from what its command may end with, as timeout(1) has them.
        case gaveUp = 75
        case atomic = 125
        case commandNotRunnable = 126
        case commandNotFound = 127
    }

    var status: Status
    var description: String

    init(_ status: Status, _ description: String) {
        self.status = status
        self.description = description
    }
}
