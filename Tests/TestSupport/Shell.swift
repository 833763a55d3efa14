import Foundation

/// How a command ended, and what it printed.
public struct CommandResult: Sendable {
    public var status: Int32
    public var output: String
    public var errors: String
}

/// Runs programs to their end, as a shell does.
public enum Shell {
    /// - Parameter arguments: the program, looked up in `PATH` if it has no slash, and its words.
    public static func run(
        _ arguments: [String], environment: [String: String] = [:], directory: String = "/"
    ) throws -> CommandResult {
        _ = UsualSurroundings.mask
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment
            .merging(UsualSurroundings.variables) { $1 }.merging(environment) { $1 }
        process.currentDirectoryURL = URL(fileURLWithPath: directory)
        let files = try ["output", "errors"].map { try temporaryFile($0) }
        defer { for file in files { try? FileManager.default.removeItem(atPath: file.path) } }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = files[0].handle
        process.standardError = files[1].handle
        try withoutBlockedSignals { try process.run() }
        process.waitUntilExit()
        let texts = try files.map { String(decoding: try Data(contentsOf: $0.url), as: UTF8.self) }
        return CommandResult(
            status: process.terminationStatus, output: texts[0], errors: texts[1])
    }

    /// Runs a script with bash.
    public static func bash(
        _ script: String, environment: [String: String] = [:], directory: String = "/"
    ) throws -> CommandResult {
        try run(["bash", "-c", script], environment: environment, directory: directory)
    }

    /// A process starts with the mask of the thread that starts it, and the threads that run tests
    /// block most signals.
    private static func withoutBlockedSignals<R>(_ body: () throws -> R) rethrows -> R {
        var (none, mask) = (sigset_t(), sigset_t())
        unsafe sigemptyset(&none)
        unsafe pthread_sigmask(SIG_SETMASK, &none, &mask)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &mask, nil) }
        return try body()
    }

    private struct TemporaryFile {
        var path: String
        var handle: FileHandle
        var url: URL { URL(fileURLWithPath: path) }
    }

    /// Files, not pipes: a program that goes to the background must not keep a test waiting.
    private static func temporaryFile(_ kind: String) throws -> TemporaryFile {
        let path = "\(NSTemporaryDirectory())/rainbowfs-\(UUID().uuidString)-\(kind)"
        _ = FileManager.default.createFile(atPath: path, contents: nil)
        guard let handle = FileHandle(forWritingAtPath: path) else {
            throw CocoaError(.fileWriteUnknown)
        }
        return TemporaryFile(path: path, handle: handle)
    }
}

/// Looks again and again until `condition` holds, for at most `seconds`: so long only if it will
/// never hold, however busy the machine is.
public func eventually(within seconds: Double = 60, _ condition: () throws -> Bool) rethrows -> Bool
{
    let end = Date().addingTimeInterval(seconds)
    while Date() < end {
        if try condition() { return true }
        usleep(2_000)
    }
    return try condition()
}
