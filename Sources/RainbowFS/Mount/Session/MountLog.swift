import CFuse
import Glibc
import Logging
import RainbowCore
import Synchronization

/// Where a mount says what it does: standard error, in the foreground in swift-log's form. The
/// lines of libfuse come here too.
enum MountLog {
    private struct State {
        var logger: Logger?
        var complaints: [String] = []
    }

    private static let state = Mutex(State())

    /// Silent in the background, where nobody would read it; `messages` is there for that.
    static func logger(foreground: Bool, debug: Bool) -> Logger {
        var logger = Logger(label: "rainbowfs") { label -> any LogHandler in
            if foreground { return StreamLogHandler.standardError(label: label) }
            return SwiftLogNoOpLogHandler()
        }
        logger.logLevel = debug ? .debug : .info
        return logger
    }

    /// Takes over what libfuse prints. Until `serve` is called it is kept, as the reason for a
    /// mount that fails.
    static func captureLibfuse() {
        unsafe fuse_set_log_func { level, format, arguments in
            guard let format = unsafe format, let arguments = unsafe arguments else { return }
            var bytes = [CChar](repeating: 0, count: 1024)
            unsafe vsnprintf(&bytes, bytes.count, format, arguments)
            let end = bytes.firstIndex(of: 0) ?? bytes.endIndex
            let line = String(systemBytes: bytes[..<end].map { UInt8(bitPattern: $0) })
            MountLog.take(line.trimmingNewline, isDebug: level == FUSE_LOG_DEBUG)
        }
    }

    static func serve(_ logger: Logger) {
        state.withLock { $0 = State(logger: logger) }
    }

    /// What libfuse complained about so far, in one line.
    static var complaints: String {
        state.withLock { $0.complaints.joined(separator: "; ") }
    }

    static func printError(_ message: String) {
        let line = "rainbowfs: \(message)\n"
        unsafe _ = line.withSystemText { unsafe write(STDERR_FILENO, $0, strlen($0)) }
    }

    private static func take(_ line: String, isDebug: Bool) {
        let logger = state.withLock { state in
            if state.logger == nil, !isDebug { state.complaints.append(line) }
            return state.logger
        }
        logger?.log(level: isDebug ? .debug : .warning, "\(line)")
    }
}

extension String {
    fileprivate var trimmingNewline: String {
        hasSuffix("\n") ? String(dropLast()) : self
    }
}
