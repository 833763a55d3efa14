import ArgumentParser
import Glibc
import RainbowCore

/// Why a command ends without having done its work: one sentence, and the exit status.
struct CommandFailure: Error, CustomStringConvertible {
    /// Exit statuses, as in the manual page.
    enum Status: Int32 {
        case arguments = 1
        case noMount = 2
        case refused = 3
        case damaged = 4
        /// Those of `atomic`, away from what its program may end with, as timeout(1) has them.
        case gaveUp = 75
        case atomic = 125
        case programNotRunnable = 126
        case programNotFound = 127
    }

    var status: Status
    var description: String

    init(_ status: Status, _ description: String) {
        self.status = status
        self.description = description
    }
}

/// How a command ends.
extension RainbowFS {
    /// Says why a command ended early. Help and the like come as errors, too.
    ///
    /// - Returns: the exit status.
    static func report(_ error: any Error, isAtomic: Bool) -> Int32 {
        try? StandardOutput.flush()
        if let failure = error as? CommandFailure {
            StandardError.print(failure)
            return failure.status.rawValue
        }
        let (code, text) = (exitCode(for: error), fullMessage(for: error))
        if code == .success {
            StandardOutput.print(text)
        } else if !text.isEmpty {
            StandardError.print(text)
        }
        guard code == .validationFailure else { return code.rawValue }
        return (isAtomic ? CommandFailure.Status.atomic : .arguments).rawValue
    }

    /// - Returns: the exit status, another one if all went well but the output.
    static func finishOutput(_ status: Int32, isAtomic: Bool) -> Int32 {
        do {
            try StandardOutput.finish()
            return status
        } catch {
            // It is said already.
            guard status == 0 else { return status }
            StandardError.print(error)
            return (isAtomic ? .atomic : error.status).rawValue
        }
    }
}

/// Text on standard error, a line at a time.
enum StandardError {
    /// A failure as one line, which needs no full stop at its end.
    static func print(_ failure: CommandFailure) {
        var line = failure.description
        if line.hasSuffix("."), !line.hasSuffix("..") { line.removeLast() }
        print("rainbowfs: " + line.replacing("\n", with: " "))
    }

    static func print(_ line: String) {
        try? FileText.write((line + "\n").systemBytes, to: STDERR_FILENO)
    }
}
