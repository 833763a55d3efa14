import CLinux
import Glibc
import RainbowCore

/// Where and with what a program starts.
struct ProgramSetup {
    /// The program, looked up in PATH if it has no slash, and its arguments.
    var words: [String]
    /// Set besides, or instead of, what this process has.
    var environment: [String: String] = [:]
    /// The working directory, open; nil: this process's.
    var folder: Int32?
    /// Standard input and output; nil: those of this process.
    var input: Int32?
    var output: Int32?
}

/// How a program ended.
enum ProgramEnd: Equatable {
    case exited(Int32)
    case killed(Int32)

    init(waitStatus: Int32) {
        let signal = waitStatus & 0x7f
        self = signal == 0 ? .exited(waitStatus >> 8 & 0xff) : .killed(signal)
    }

    /// As a shell has it in `$?`.
    var exitStatus: Int32 {
        switch self {
        case .exited(let status): status
        case .killed(let signal): 128 + signal
        }
    }
}

/// A program that runs, in the process group of this process, so that it can use the terminal.
final class ProgramProcess {
    let processID: pid_t
    /// Can be read when it has ended.
    let descriptor: Int32

    init(_ setup: ProgramSetup, signals: SignalForwarder) throws(CommandFailure) {
        var result = ProgramProcess.spawn(setup, signals)
        if case .failure(let error) = result, error.errno == ENOEXEC {
            // A script that does not say what reads it is read by sh, as execvp(3) has it.
            var script = setup
            script.words = ["/bin/sh", ProgramProcess.file(of: setup)] + setup.words.dropFirst()
            result = ProgramProcess.spawn(script, signals)
        }
        do {
            processID = try result.get()
        } catch {
            throw CommandFailure(
                ProgramProcess.status(of: error.errno), "\(error.path): \(error.reason)")
        }
        descriptor = rainbow_open_process(processID)
        guard descriptor >= 0 else {
            let error = FileError(path: setup.words[0], errno: errno)
            send(SIGKILL)
            _ = end()
            throw CommandFailure(.atomic, "\(error.path) cannot be waited for: \(error.reason)")
        }
    }

    deinit { close(descriptor) }

    /// How it ended; waits for that.
    func end() -> ProgramEnd {
        var status: Int32 = 0
        while unsafe waitpid(processID, &status, 0) < 0, errno == EINTR {}
        return ProgramEnd(waitStatus: status)
    }

    func send(_ signal: Int32) { kill(processID, signal) }

    /// The exit statuses of env(1): 127 for what is not there, 126 for what cannot be run. Others
    /// are no fault of the program.
    private static func status(of errno: Int32) -> CommandFailure.Status {
        switch errno {
        case ENOENT: .programNotFound
        case EAGAIN, ENOMEM, EMFILE, ENFILE, ENOTCONN, ECONNABORTED, ESTALE: .atomic
        default: .programNotRunnable
        }
    }

    private static func spawn(
        _ setup: ProgramSetup, _ signals: SignalForwarder
    ) -> Result<pid_t, FileError> {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        if let input = setup.input {
            unsafe posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
        }
        if let output = setup.output {
            unsafe posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        }
        if let folder = setup.folder { _ = unsafe rainbow_spawn_in_folder(&actions, folder) }
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var mask = signals.inheritedMask
        unsafe posix_spawnattr_setsigmask(&attributes, &mask)
        var words =
            unsafe setup.words.map { unsafe $0.withSystemText { unsafe strdup($0) } } + [nil]
        var variables = unsafe environment(with: setup.environment)
        defer {
            while let word = unsafe words.popLast() { unsafe free(word) }
            while let variable = unsafe variables.popLast() { unsafe free(variable) }
        }
        var process: pid_t = 0
        let error = unsafe setup.words[0].withSystemText { program in
            unsafe posix_spawnp(&process, program, &actions, &attributes, &words, &variables)
        }
        guard error == 0 else {
            return .failure(FileError(path: setup.words[0], errno: error))
        }
        return .success(process)
    }

    /// Copies of this process's variables but those in `changes`, then these; ends with nil.
    private static func environment(
        with changes: [String: String]
    ) -> [UnsafeMutablePointer<CChar>?] {
        var result = unsafe [UnsafeMutablePointer<CChar>?]()
        let prefixes = changes.keys.map { $0 + "=" }
        var next = unsafe environ
        while let variable = unsafe next.pointee {
            let isChanged = prefixes.contains { unsafe strncmp(variable, $0, $0.utf8.count) == 0 }
            if !isChanged { unsafe result.append(strdup(variable)) }
            unsafe next += 1
        }
        for (name, value) in changes {
            unsafe result.append("\(name)=\(value)".withSystemText { unsafe strdup($0) })
        }
        return unsafe result + [nil]
    }

    /// The file that the first word names.
    private static func file(of setup: ProgramSetup) -> String {
        let name = setup.words[0]
        guard !name.utf8.contains(UInt8(ascii: "/")), let path = unsafe getenv("PATH") else {
            return name
        }
        let folders = unsafe String(systemText: path)
            .parts(at: ":", omittingEmptySubsequences: false)
        let files = folders.map { $0.isEmpty ? name : "\($0)/\(name)" }
        return files.first { file in
            unsafe file.withSystemText {
                unsafe faccessat(setup.folder ?? AT_FDCWD, $0, X_OK, 0) == 0
            }
        } ?? name
    }
}
