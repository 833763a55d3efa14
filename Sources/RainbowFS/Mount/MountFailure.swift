/// Why a mount did not come about, as one sentence for the user, and the exit status that mount(8)
/// and scripts see (those of libfuse's own programs).
struct MountFailure: Error, Equatable {
    enum Status: Int32 {
        case arguments = 1
        case mountPoint = 2
        case mount = 4
    }

    let status: Status
    let message: String

    init(_ status: Status, _ message: String) {
        self.status = status
        self.message = message
    }
}
