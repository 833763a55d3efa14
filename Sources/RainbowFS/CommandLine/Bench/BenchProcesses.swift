import Glibc
import RainbowCore

/// `--processes`: each worker is this program once more, started from nothing.
enum BenchProcesses {
    /// Starts the workers, lets them go when all are ready, and collects what each prints.
    static func run(
        _ count: Int, _ arguments: (Int) -> [String]
    ) throws -> [[Substring]] {
        var workers: [ChildProcess] = []
        defer { for worker in workers { worker.end() } }
        for index in 0..<count {
            workers.append(try ChildProcess(["bench"] + arguments(index)))
        }
        for worker in workers {
            guard worker.readLine() == "ready" else { throw failure }
        }
        for worker in workers { worker.writeLine("go") }
        return workers.map { $0.readLine().split(separator: " ") }
    }

    static let failure = CommandFailure(.refused, "A worker process ended too early.")
}

/// This program, started once more with other arguments, with pipes to it and from it.
final class ChildProcess {
    private let processID: pid_t
    private let input: Int32
    private let output: Int32

    init(_ arguments: [String]) throws {
        let toChild = try ChildProcess.pipe()
        let fromChild = try ChildProcess.pipe()
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, toChild.read, STDIN_FILENO)
        unsafe posix_spawn_file_actions_adddup2(&actions, fromChild.write, STDOUT_FILENO)
        var words =
            unsafe (["rainbowfs"] + arguments).map {
                unsafe $0.withSystemText { unsafe strdup($0) }
            } + [nil]
        defer { while let word = unsafe words.popLast() { unsafe free(word) } }
        var child: pid_t = 0
        let status = unsafe posix_spawn(
            &child, "/proc/self/exe", &actions, nil, &words, environ)
        close(toChild.read)
        close(fromChild.write)
        input = toChild.write
        output = fromChild.read
        processID = child
        guard status == 0 else {
            throw CommandFailure(.refused, "No process can be started: \(ErrorText.of(status)).")
        }
    }

    private static func pipe() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [0, 0]
        guard unsafe Glibc.pipe(&ends) == 0 else {
            throw CommandFailure(.refused, "No pipe can be made: \(ErrorText.of(errno)).")
        }
        // The other children must not hold these ends open.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    /// The next line; empty at the end.
    func readLine() -> String {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while unsafe read(output, &byte, 1) == 1, byte != UInt8(ascii: "\n") { bytes.append(byte) }
        return String(systemBytes: bytes)
    }

    func writeLine(_ line: String) { try? FileText.write((line + "\n").systemBytes, to: input) }

    /// Closes the pipes, upon which the child ends, and waits for it.
    func end() {
        close(input)
        close(output)
        var status: Int32 = 0
        unsafe waitpid(processID, &status, 0)
    }
}
