import Core
import Glibc

/// Why a request fails: a number for the program, a sentence for the person.
struct TreeError: Error, Equatable {
    var errno: Int32
    /// One or more full sentences that say what was wrong and what to do.
    var message: String

    init(_ errno: Int32, _ message: String) {
        self.errno = errno
        self.message = message
    }
}
